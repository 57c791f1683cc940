package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/refit-dev/refit/core"
)

const (
	// healthMargin is added to the time that a healthcheck allows by itself:
	// probes take a moment to be scheduled on a busy host.
	healthMargin = 15 * time.Second
	// blindness is how long the gate waits for an engine that does not answer.
	blindness = 2 * time.Minute
	// evidenceLines of a failed successor's log are kept.
	evidenceLines = 20
)

// disturbances is how often the gate begins again before it gives up.
const disturbances = 3

// errDisturbed ends one watching of a gate without a verdict: the engine was away,
// or somebody stopped the container. It begins again.
var errDisturbed = errors.New("the gate was disturbed")

// gate watches S until it has proved itself. A nil error means that it has; a
// *failure that it has not; errInterrupted that ctx ended before there was a verdict.
func (s *swap) gate(ctx context.Context) error {
	for range disturbances {
		err := s.watchOnce(ctx)
		if !errors.Is(err, errDisturbed) {
			return err
		}
		s.log.Warn("beginning the gate again", slog.Any("error", err))
		if err := s.startAgain(ctx); err != nil {
			return err
		}
	}
	return fail(core.Interrupted, "somebody, or the engine, stopped the new container again and again")
}

// watchOnce watches until there is a verdict, or none can be had.
//
// An engine says Running=true of a container that waits for its next restart, so
// the state alone proves nothing: RestartCount and StartedAt must not move.
func (s *swap) watchOnce(ctx context.Context) error {
	first, err := s.see(ctx)
	if err != nil && !errors.Is(err, errDisturbed) {
		return err
	}
	began := time.Now()
	s.log.Info("watching", slog.Bool("healthcheck", first.Health.Status != ""), slog.Duration("for", s.span(first)))
	for {
		now, err := s.see(ctx)
		if err != nil {
			return err
		}
		verdict, err := s.judge(first, now, time.Since(began))
		if err != nil && now.Health.Status != "unhealthy" && s.signalled(ctx, first) {
			return fmt.Errorf("%w: somebody stopped the new container", errDisturbed)
		}
		if verdict || err != nil {
			return s.withEvidence(ctx, now, err)
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-time.After(s.pause(time.Since(began))):
		}
	}
}

// signalled tells whether S was asked to end since it was seen as s. An engine
// that can say neither this nor anything else is one that shuts down.
func (s *swap) signalled(ctx context.Context, first core.Status) bool {
	asked, err := s.r.Engine.Signalled(ctx, first.ID, first.StartedAt)
	if err == nil {
		return asked
	}
	_, err = s.r.Engine.Look(ctx, first.ID)
	return err != nil
}

// startAgain brings S back after a disturbance. An engine that shuts down still
// answers for a moment, so a refusal is tried again for a while.
func (s *swap) startAgain(ctx context.Context) error {
	var refused error
	for range 30 {
		up, err := s.revive(ctx)
		if up || errors.Is(err, errInterrupted) || errors.As(err, new(*failure)) {
			return err
		}
		refused = err
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-time.After(time.Second):
		}
	}
	return fail(core.Interrupted, "the new container did not start again after a disturbance: %v", refused)
}

// revive starts S where it does not run. One that was restarted meanwhile, which may have
// been for the engine's end (seen on 28.5), is stopped first: only a start by hand begins
// to count anew.
func (s *swap) revive(ctx context.Context) (up bool, err error) {
	now, err := s.see(ctx)
	switch {
	case err != nil:
		return false, err
	case !now.Exists():
		return false, fail(core.ChangedMeanwhile, "somebody removed the new container")
	case now.State.Up() && !crashed(now):
		return true, nil
	case now.State.Up():
		if err := s.halt(ctx, ""); err != nil {
			return false, err
		}
	}
	err = s.r.Engine.Start(ctx, s.next())
	return err == nil, err
}

// pause is short at first, when most failures show, and never longer than half a second.
func (s *swap) pause(since time.Duration) time.Duration {
	return min(max(since/4, 25*time.Millisecond), 500*time.Millisecond)
}

// span is how long the gate may take.
func (s *swap) span(now core.Status) time.Duration {
	switch {
	case now.Health.Status == "":
		return s.Policy.GateStable
	case s.Policy.GateTimeout > 0:
		return s.Policy.GateTimeout
	default:
		return now.Health.Limit + healthMargin
	}
}

// judge gives a verdict: passed (true, nil), failed (an error), or none yet.
func (s *swap) judge(first, now core.Status, since time.Duration) (passed bool, err error) {
	switch {
	case !now.Exists():
		return false, fail(core.ChangedMeanwhile, "somebody removed the new container")
	case now.State == core.Exited && now.ExitCode == 0 && s.Policy.GateStable == 0:
		return true, nil
	case restarted(first, now):
		return false, fail(core.GateFailed, "the new container restarts again and again%s", exit(now))
	case now.State == core.Paused && since <= s.span(now)+blindness:
		return false, nil // a person's doing: no verdict yet
	case now.State == core.Paused:
		return false, fail(core.Interrupted, "somebody paused the new container")
	case now.State != core.Running:
		return false, fail(core.GateFailed, "the new container ended%s", exit(now))
	default:
		return s.judgeHealth(now, since)
	}
}

// judgeHealth judges a container that runs and has not been restarted.
func (s *swap) judgeHealth(now core.Status, since time.Duration) (passed bool, err error) {
	switch now.Health.Status {
	case "unhealthy":
		return false, fail(core.GateFailed, "the new container is unhealthy")
	case "starting":
		if since > s.span(now) {
			return false, fail(core.GateFailed, "the new container was not healthy within %s", s.span(now))
		}
		return false, nil
	case "healthy":
		return true, nil
	default:
		return since >= s.span(now), nil
	}
}

// restarted tells whether the engine has started it again since first.
func restarted(first, now core.Status) bool {
	return crashed(now) || !now.StartedAt.Equal(first.StartedAt)
}

// crashed tells whether the engine has started it again since its last start by hand,
// which sets the count to zero, or is about to.
func crashed(now core.Status) bool {
	return now.State == core.Restarting || now.RestartCount > 0
}

// exit says how a container ended, "" while it runs: the engine then shows a zero
// that means nothing.
func exit(s core.Status) string {
	switch {
	case s.State == core.Running:
		return ""
	case s.OOMKilled:
		return fmt.Sprintf(", out of memory, with exit code %d", s.ExitCode)
	default:
		return fmt.Sprintf(" with exit code %d", s.ExitCode)
	}
}

// see looks at S, and waits for an engine that does not answer. Once it answers
// again the error is errDisturbed: what happened meanwhile proves nothing.
func (s *swap) see(ctx context.Context) (core.Status, error) {
	since := time.Now()
	away := false
	for {
		now, err := s.glance(ctx)
		switch {
		case ctx.Err() != nil:
			return now, errInterrupted
		case err == nil && away:
			return now, fmt.Errorf("%w: the engine did not answer for %s", errDisturbed, time.Since(since).Round(time.Second))
		case err == nil:
			return now, nil
		case time.Since(since) > blindness:
			return now, fmt.Errorf("watch the new container: %w", err)
		}
		away = true
		select {
		case <-ctx.Done():
			return now, errInterrupted
		case <-time.After(time.Second):
		}
	}
}

// glance looks at S once. An engine that takes the question and says nothing is
// as good as away.
func (s *swap) glance(ctx context.Context) (core.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return s.r.Engine.Look(ctx, s.next())
}

// withEvidence adds to a failure what the container left behind.
func (s *swap) withEvidence(ctx context.Context, now core.Status, err error) error {
	var f *failure
	if !errors.As(err, &f) || !now.Exists() {
		return err
	}
	f.evidence = &core.Evidence{OOMKilled: now.OOMKilled, HealthOutput: now.Health.Output}
	if now.State != core.Running {
		f.evidence.ExitCode = &now.ExitCode
	}
	if lines, err := s.r.Engine.Logs(ctx, now.ID, evidenceLines); err == nil {
		f.evidence.Logs = lines
	}
	return f
}
