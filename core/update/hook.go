package update

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// describe asks the hooks of those names what they are. Without any hooks
// installed there are no answers.
func (u *Updater) describe(ctx context.Context, names []string) map[string]core.HookAnswer {
	if u.Hooks == nil || len(names) == 0 {
		return nil
	}
	return u.Hooks.Describe(ctx, names)
}

// rest ends what the hooks' calls have started.
func (u *Updater) rest() {
	if u.Hooks != nil {
		u.Hooks.Rest()
	}
}

// usable returns what the hook is, or why it cannot be used.
func usable(answers map[string]core.HookAnswer, name string) (core.HookAnswer, error) {
	a, there := answers[name]
	switch {
	case !there:
		return a, fail(core.HookMissing, "hook %s is not installed", name)
	case a.Fault.Code != "":
		return a, &failure{Reason: a.Fault}
	default:
		return a, nil
	}
}

// preUpdate is line 4: P still runs, and every hook may say no.
func (r *replacement) preUpdate(ctx context.Context) error {
	return r.before(ctx, core.PreUpdate, core.LinePreUpdate)
}

// preRecreate is line 6: P is down, and nothing is writing. That may take long, so
// it is looked at once more afterwards: S is not to write beside a P that somebody
// has started.
func (r *replacement) preRecreate(ctx context.Context) error {
	if err := r.before(ctx, core.PreRecreate, core.LinePreRecreate); err != nil || r.Line != core.LinePreRecreate {
		return err
	}
	return r.cold(ctx)
}

// cold fails if something runs that was to be down: a hook is told that nothing
// is writing.
func (r *replacement) cold(ctx context.Context) error {
	return r.eachMoving(ctx, func(s *swap, ctx context.Context) error {
		switch name, err := s.running(ctx, s.Predecessor); {
		case err != nil:
			return engineFailed(err, "see that nothing runs")
		case name != "":
			return fail(core.ChangedMeanwhile, "somebody started %s", name)
		default:
			return nil
		}
	})
}

// hooked are the hooks that go with the container's replacement: it gets another image.
func (s *swap) hooked() []string {
	if s.Part != core.Moves || !s.Changes() {
		return nil
	}
	return s.Policy.Hooks
}

// before calls the hooks of a stage before S runs, in their order. Whatever goes
// wrong means that the update does not happen.
func (r *replacement) before(ctx context.Context, stage core.Stage, line core.Line) error {
	return r.eachMoving(ctx, func(s *swap, ctx context.Context) error { return s.before(ctx, stage, line) })
}

func (s *swap) before(ctx context.Context, stage core.Stage, line core.Line) error {
	answers := s.r.describe(ctx, s.hooked())
	for _, name := range s.hooked() {
		a, err := usable(answers, name)
		if err != nil {
			return err
		}
		if !a.Has(stage) {
			continue
		}
		reply, err := s.stage(ctx, name, stage, line)
		switch {
		case errors.As(err, new(*failure)): // the ledger's, or not cold
			return err
		case err != nil:
			return fail(core.HookFailed, "hook %s, %s: %v", name, stage, err)
		case stage != core.PreUpdate || reply.Verdict == core.Proceed:
			continue
		case reply.Verdict == core.Veto:
			return fail(core.HookVetoed, "hook %s refuses this image: %s", name, reply.Reason)
		default:
			s.result.RetryAt, s.r.result.RetryAt = reply.RetryAt, reply.RetryAt
			return fail(core.HookDeferred, "hook %s puts it off: %s", name, reply.Reason)
		}
	}
	return nil
}

// postUpdate is line 9: S has passed its gate, and the hooks test it, the last one
// first.
func (r *replacement) postUpdate(ctx context.Context) error {
	for _, s := range slices.Backward(r.swaps) {
		if err := s.postUpdate(ctx); err != nil {
			return s.named(err)
		}
	}
	return nil
}

func (s *swap) postUpdate(ctx context.Context) error {
	if !s.State.Up() {
		return nil
	}
	answers := s.r.describe(ctx, s.hooked())
	for _, name := range slices.Backward(s.hooked()) {
		a, err := usable(answers, name)
		if err == nil && a.Has(core.PostUpdate) {
			_, err = s.stage(ctx, name, core.PostUpdate, core.LinePostUpdate)
		}
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return errInterrupted
		case errors.As(err, new(*failure)): // the ledger's, or a hook that cannot be used
			return err
		default:
			return fail(core.PostUpdateFailed, "hook %s is not content with the new container: %v", name, err)
		}
	}
	return nil
}

// stage calls one hook at one stage. That it is called is written down before, and
// what it wants to be told later after. The error is a *failure only if it is the
// ledger's, or something runs that was to be down.
func (s *swap) stage(ctx context.Context, name string, stage core.Stage, line core.Line) (core.HookReply, error) {
	r, id := s.r, s.Predecessor
	switch stage {
	case core.PostUpdate:
		id = s.Successor
	case core.PreRecreate:
		if err := r.cold(ctx); err != nil {
			return core.HookReply{}, err
		}
	default:
	}
	i := slices.IndexFunc(r.Attempt.Hooks, func(h core.HookState) bool { return h.Name == name && h.Container == s.Name })
	if i < 0 {
		i = len(r.Attempt.Hooks)
		r.Attempt.Hooks = append(r.Attempt.Hooks, core.HookState{Name: name, Container: s.Name})
	}
	h := &r.Attempt.Hooks[i]
	before := h.Stage
	h.Stage = stage
	if err := r.save(ctx, line); err != nil {
		if h.Stage = before; before == "" { // it was never called, and is owed no end
			r.Attempt.Hooks = r.Attempt.Hooks[:i]
		}
		return core.HookReply{}, err
	}
	reply, err := s.call(ctx, core.HookCall{Hook: name, Stage: stage, ID: id, State: h.State})
	if err != nil || bytes.Equal(reply.State, h.State) {
		return reply, err
	}
	h.State = reply.State
	return reply, r.save(ctx, line)
}

// call logs and makes the call, with what every stage is told, and notes how it went.
func (s *swap) call(ctx context.Context, c core.HookCall) (core.HookReply, error) {
	c.Attempt, c.Name, c.Running = s.r.Attempt.ID, s.Name, s.State.Up()
	c.Labels, c.Mounts, c.From, c.To = s.Labels, s.Mounts, s.From, s.To
	c.Settings, c.Started = s.Policy.HookConfig[c.Hook], !s.r.Ran.IsZero()
	s.log.Info("calling a hook", slog.String("hook", c.Hook), slog.String("stage", string(c.Stage)))
	began := time.Now()
	reply, err := s.r.Updater.Hooks.Call(ctx, c)
	report := core.HookReport{Hook: c.Hook, Stage: c.Stage, Took: time.Since(began)}
	if err != nil {
		report.Fault = err.Error()
	}
	s.result.Hooks = append(s.result.Hooks, report)
	return reply, err
}
