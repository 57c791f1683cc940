package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/core/loop"
	"github.com/refit-dev/refit/core/schedule"
	"github.com/refit-dev/refit/core/update"
)

// runSidecar is Refit itself. Being told to end is a good end for the loop, at
// whatever moment, and the end of what was asked for with --run-once.
func runSidecar(ctx context.Context, p *program) (int, error) {
	if p.helper != "" {
		return p.help(ctx)
	}
	code, err := p.watchOver(ctx)
	if ctx.Err() != nil && !p.runOnce {
		p.log.Info("refit ends", slog.String("because", context.Cause(ctx).Error()))
		return exitDone, nil
	}
	return code, err
}

// watchOver recovers, then runs the loop until ctx ends, or does one cycle.
func (p *program) watchOver(ctx context.Context) (int, error) {
	if p.runOnce {
		return p.change(ctx, once)
	}
	s, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	s.warn()
	if err := s.standBy(ctx); err != nil {
		return 0, err
	}
	if err := s.greet(ctx); err != nil {
		return 0, err
	}
	err = s.post.beside(ctx, s.post.always, s.forever)
	if owed := s.post.part(ctx, parting); len(owed) > 0 {
		s.log.Info("some notifications are owed: the next start will try again", slog.Int("messages", len(owed)))
	}
	return exitDone, err
}

// once is the loop's one-shot form.
func once(ctx context.Context, s *session) (int, error) {
	s.warn()
	if err := s.greet(ctx); err != nil {
		return 0, err
	}
	rows, err := s.cycle(ctx)
	tell(ctx, s.log, results(rows))
	s.mindLoopback(results(rows))
	if err != nil {
		return 0, err
	}
	return max(exitCode(results(rows)), s.forsaken(rows)), nil
}

// forever runs the loop until ctx ends.
func (s *session) forever(ctx context.Context) error {
	s.updater.Hooks = beating{Hooks: s.updater.Hooks, beat: s.beat, log: s.log}
	l := s.loop()
	idle := time.AfterFunc(calm, rest)
	defer idle.Stop()
	l.Engine = meeting{resting{l.Engine, idle}, s}
	l.Updater = patient{s.updater, s.standBy}
	l.Report = func(_ core.Plan, results []core.Result) {
		tell(ctx, s.log, results)
		s.mindLoopback(results)
		s.report(ctx, results)
	}
	l.Recover = s.recoverAlways
	return l.Run(ctx)
}

// patient is an updater that begins no cycle while a helper is at work: a person may have
// had it sent, by refit update.
type patient struct {
	*update.Updater
	standBy func(context.Context) error
}

// Plan is the updater's.
func (p patient) Plan(ctx context.Context, due map[string]bool, only []string) (core.Plan, error) {
	if err := p.standBy(ctx); err != nil {
		return core.Plan{}, err
	}
	return p.Updater.Plan(ctx, due, only)
}

// recoverAlways recovers when no helper is at work, also when that had to send one: no
// cycle begins before it is done.
func (s *session) recoverAlways(ctx context.Context) error {
	for {
		if err := s.standBy(ctx); err != nil {
			return err
		}
		rows, err := s.recover(ctx)
		tell(ctx, s.log, results(rows))
		if !update.HelperAtWork(err) || ctx.Err() != nil {
			return err
		}
	}
}

// beat is the loop's sign of life.
func (s *session) beat(until time.Time) error {
	return s.ledger.Beat(ledger.Life{Until: until, By: docker.Self()})
}

// loop is wired to what the session has reached.
func (s *session) loop() *loop.Loop {
	return &loop.Loop{
		Engine: s.client, Updater: s.updater, Memory: s.ledger, Settings: s.settings, Policies: s.policies,
		Default: schedule.Every(s.interval), Only: s.names,
		OnStart: s.updateOnStart, CatchUp: s.catchUp, Jitter: s.jitter,
		Lock: s.ledger.Lock, Beat: s.beat, Log: s.log,
	}
}

// greet says what this Refit is, what it looks after, when, and what is odd.
func (s *session) greet(ctx context.Context) error {
	version, commit := build()
	s.log.Info("refit starts",
		slog.String("version", version), slog.String("commit", commit), slog.String("host", s.host),
		slog.String("engine", s.engine.Version), slog.String("api", s.engine.API),
		slog.String("scope", s.settings.Scope), slog.String("data", s.data), slog.String("instance", s.owner()))
	all, err := s.client.Containers(ctx)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	ours := s.ours(all)
	s.log.Info("looking after containers", slog.String("which", census(len(ours), len(all))))
	if !s.runOnce {
		next := s.announce(ctx, ours)
		s.post.note(ctx, func(ctx context.Context) error { return s.post.clerk.Started(ctx, len(ours), len(all), next) })
	}
	s.mindAccess()
	s.mindOwnContainer()
	s.mindState(all)
	for _, odd := range s.mindChannels(ours) {
		s.log.Warn("mind the channels", slog.String("what", odd.Text))
	}
	for _, odd := range s.mindHooks(ctx, s.hooks) {
		s.log.Warn("mind the hooks", slog.String("what", odd.Text))
	}
	s.hooks.Rest()
	s.mindWatchtower(all, ours)
	s.mindOthers(ctx, all)
	return nil
}

// ours are the containers that this Refit looks after, also those that do not
// run now: what core does not set aside as none of its business.
func (s *session) ours(all []core.Container) []core.Step {
	var found []core.Step
	for _, step := range core.MakePlan(core.World{Containers: all, Settings: s.settings, Policies: s.policies, Only: s.names}, nil).Steps {
		switch step.Reason.Code {
		case core.NotEnabled, core.OtherScope, core.NotNamed:
		default:
			if step.Container.ID != s.settings.Self || s.settings.SelfBar == "" {
				found = append(found, step)
			}
		}
	}
	return found
}

func census(enabled, all int) string {
	text := fmt.Sprintf("%d of %d containers enabled", enabled, all)
	if enabled == 0 {
		text += ": label them refit.enable=true, or use --all"
	}
	return text
}

// announce says for each schedule when it is due next, and what may be odd
// about it. It returns the first of these times, zero where there is none.
func (s *session) announce(ctx context.Context, ours []core.Step) (next time.Time) {
	now := time.Now()
	last := s.lastRuns(ctx)
	due := map[string][]time.Time{s.settings.Defaults.Schedule: nil}
	for _, step := range ours {
		text := step.Policy.Schedule
		if sched, err := s.scheduleOf(text); err == nil { // else it is held for it, and its reason says so
			due[text] = append(due[text], schedule.Due(sched, last[step.Container.Name], now, s.catchUp))
		}
	}
	for _, text := range slices.Sorted(maps.Keys(due)) {
		sched, err := s.scheduleOf(text)
		if err != nil {
			continue
		}
		first := sched.Next(now)
		if len(due[text]) > 0 {
			first = slices.MinFunc(due[text], time.Time.Compare)
			if next.IsZero() || first.Before(next) {
				next = first
			}
		}
		s.log.Info("next times", slog.String("schedule", sched.String()), slog.Int("containers", len(due[text])),
			slog.String("next", strings.Join(nextTimes(sched, first, now), ", ")))
		if hint := schedule.Hint(sched); hint != "" {
			s.log.Warn("mind the schedule", slog.String("schedule", text), slog.String("what", hint))
		}
	}
	if s.updateOnStart && !next.IsZero() {
		return now
	}
	return next
}

// leastGrace is what an interrupted replacement may need to leave a container
// running: see docs/design.md, section 5, SIGTERM.
const leastGrace = time.Minute

// mindOwnContainer warns of a container of ours that does not come back after an
// interruption, or is killed in the middle of it.
func (s *session) mindOwnContainer() {
	if !s.self.Exists() {
		return
	}
	if policy := s.self.RestartPolicy.Name; policy == "" || policy == "no" {
		s.log.Warn("our own container has no restart policy: an update that is interrupted would not be finished or undone; use --restart unless-stopped",
			slog.String("container", s.self.Name))
	}
	if grace := s.self.StopTimeout; grace > 0 && grace < leastGrace {
		s.log.Warn("our own container may be killed before it has undone an update; use --stop-timeout 60 or more",
			slog.String("container", s.self.Name), slog.Duration("stop_timeout", grace))
	}
}
