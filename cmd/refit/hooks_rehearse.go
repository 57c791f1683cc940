package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

const aboutTest = `The stage is run for real: a hook that makes a backup makes one. Refit itself touches
nothing, so the container is as it is now: stop it yourself to see what the hook does at
pre-recreate or on-rollback, where an update would have stopped it. A hook is told that it
may restore data only if the container does not run, and a test has nothing to restore:
what the hook said in one stage is not kept for another.

While an update runs, or one of that container is to be recovered, nothing is tested.
Where the stage is not an end itself, the hook is told afterwards that it is over and
nothing was updated, as after an update that was held.

Examples:
    refit hooks test backup --container web
    refit hooks test backup --container web --stage pre-recreate
    refit hooks test smoke --container web --stage post-update --plugin-dir /etc/refit/plugins`

// test is the reason that hooks hear of in the ends.
var test = core.Reason{Code: "test", Text: "a person tests the hook: nothing was updated"}

// rehearsal is one stage of one hook that is run by hand.
type rehearsal struct {
	*session
	hook   string
	answer core.HookAnswer
	step   core.Step
}

// runHooksTest runs one stage of one hook for one container.
func runHooksTest(ctx context.Context, p *program) (int, error) {
	hook := p.names[0]
	if p.container == "" {
		return 0, refusal{problem: "hooks test needs a container", hint: "refit hooks test " + hook + " --container NAME"}
	}
	p.names = []string{p.container}
	p.log = slog.New(newTeller(p.stdout, p.level))
	s, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	// A hook that is called beside an update, for no attempt of it, may clear away what
	// the update needs.
	_, unlock, err := s.seize(ctx, s.names[0], "test", func(core.Attempt) bool { return false })
	if err != nil {
		return 0, err
	}
	defer unlock()
	t := rehearsal{session: s, hook: hook}
	if err := t.prepare(ctx); err != nil {
		return 0, err
	}
	return exitDone, t.run(ctx)
}

// prepare refuses what an update would not do either.
func (t *rehearsal) prepare(ctx context.Context) error {
	t.answer = t.hooks.Describe(ctx, []string{t.hook})[t.hook]
	switch {
	case t.answer.Fault.Code != "":
		return refusal{problem: t.answer.Fault.Text, hint: "refit hooks lists what is installed"}
	case !t.answer.Has(t.stage):
		return refusal{
			problem: fmt.Sprintf("hook %s takes no part in %s", t.hook, t.stage),
			hint:    "its stages: " + joined(t.answer.Stages),
		}
	}
	plan, err := t.updater.Plan(ctx, nil, t.names)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(plan.Steps, func(s core.Step) bool { return s.Container.Name == t.names[0] })
	if i < 0 {
		return fmt.Errorf("test hook %s: container %s vanished while it was looked at", t.hook, t.names[0])
	}
	t.step = plan.Steps[i]
	// Another Refit, or one with another ledger, may be at it.
	made := func(s core.Step) bool {
		return s.Container.Mark != nil && s.Container.Name == t.names[0]+core.NewSuffix
	}
	if t.step.Reason.Code == core.InReplacement || slices.ContainsFunc(plan.Steps, made) {
		return refusal{
			problem: "a replacement of " + t.names[0] + " is in progress or was interrupted",
			hint:    "refit recover says by whom; test when it is over",
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.settings())) {
		if !core.Knows(t.answer.LabelKeys, key) {
			return refusal{
				problem: fmt.Sprintf("hook %s lets no label set %s, and the container has refit.hook.%s.%s", t.hook, key, t.hook, key),
				hint:    "an update of it would be held for that; refit hooks shows which settings there are",
			}
		}
	}
	return nil
}

// settings are those that the container's labels make.
func (t *rehearsal) settings() map[string]string { return t.step.Policy.HookConfig[t.hook] }

// run makes the call, and tells the end.
func (t *rehearsal) run(ctx context.Context) error {
	t.introduce()
	call := t.call()
	state, err := t.make(ctx, call)
	if isEnd(t.stage) || !t.answer.Has(core.Finished) {
		return err
	}
	fmt.Fprintf(t.stdout, "stage %s, because it is over\n", core.Finished)
	call.Stage, call.State = core.Finished, state
	call.Outcome, call.Reason = core.OutcomeHeld, test
	_, ended := t.make(context.WithoutCancel(ctx), call)
	return errors.Join(err, ended)
}

func isEnd(s core.Stage) bool { return s == core.OnRollback || s == core.Finished }

// introduce says what is called, and with which settings.
func (t *rehearsal) introduce() {
	c := t.step.Container
	fmt.Fprintf(t.stdout, "hook %s, stage %s, container %s (%s)\n", t.hook, t.stage, clean(c.Name), c.State)
	for _, row := range t.program.hookSettings(t.step.Policy, t.hook) {
		fmt.Fprintf(t.stdout, "    %s = %s (%s)\n", clean(row[1]), clean(row[2]), row[3])
	}
	if r := t.step.Reason; t.step.Action == core.Hold && isFault(r.Code) {
		fmt.Fprintf(t.stdout, "    mind: an update would be held, %s\n", clean(r.String()))
	}
	switch {
	case t.stage == core.PreRecreate && c.State.Up():
		fmt.Fprintln(t.stdout, "    mind: the container runs; an update would have stopped it")
	case t.stage == core.OnRollback && c.State.Up():
		fmt.Fprintln(t.stdout, "    mind: the container runs, so the hook is told not to restore anything")
	}
}

// call is what the hook is told.
func (t *rehearsal) call() core.HookCall {
	c := t.step.Container
	to := t.step.To
	if to.ID == "" && to.Digest == "" { // nothing newer is known
		to = c.Image
	}
	call := core.HookCall{
		Hook: t.hook, Stage: t.stage, Attempt: attempt(), Name: c.Name, ID: c.ID,
		Labels: c.Labels, Mounts: c.Mounts, Running: c.State.Up(), From: c.Image, To: to,
		Settings: t.settings(), Started: t.stage == core.PostUpdate,
	}
	call.From.Digest = current(t.step)
	switch t.stage {
	case core.OnRollback:
		call.Stopped = !c.State.Up() && c.State != core.Paused
		call.Outcome, call.Reason = core.OutcomeRolledBack, test
	case core.Finished:
		call.Outcome, call.Reason = core.OutcomeHeld, test
	default:
	}
	return call
}

// attempt is the id of an attempt that is in no ledger.
func attempt() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// make makes one call, says how it went, and returns what the hook wants to be
// told later.
func (t *rehearsal) make(ctx context.Context, c core.HookCall) ([]byte, error) {
	began := time.Now()
	reply, err := t.hooks.Call(ctx, c)
	took := duration(time.Since(began))
	if err != nil {
		fmt.Fprintf(t.stdout, "failed after %s\n", took)
		return nil, fmt.Errorf("hook %s, %s: %w", c.Hook, c.Stage, err)
	}
	fmt.Fprintf(t.stdout, "%s, after %s\n", clean(word(c.Stage, reply)), took)
	if n := len(reply.State); n > 0 {
		fmt.Fprintf(t.stdout, "    it keeps %d bytes for the stages to come\n", n)
	}
	return reply.State, nil
}

// word is what an update would make of the reply.
func word(stage core.Stage, r core.HookReply) string {
	switch {
	case stage != core.PreUpdate:
		return "done"
	case r.Verdict == core.Veto:
		return "veto: " + r.Reason
	case r.Verdict == core.Defer && r.RetryAt.IsZero():
		return "put off until the container's next regular time: " + r.Reason
	case r.Verdict == core.Defer:
		return "put off until " + clock(r.RetryAt) + ": " + r.Reason
	}
	return "proceed"
}

func joined(stages []core.Stage) string {
	var names []string
	for _, s := range stages {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}
