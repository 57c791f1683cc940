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

// gate watches S until it has proved itself. A nil error means that it has; a
// *failure that it has not; errInterrupted that ctx ended before there was a verdict.
//
// An engine says Running=true of a container that waits for its next restart, so
// the state alone proves nothing: RestartCount and StartedAt must not move.
func (r *replacement) gate(ctx context.Context) error {
	first, err := r.see(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	r.log.Info("watching", slog.Bool("healthcheck", first.Health.Status != ""), slog.Duration("for", r.span(first)))
	for {
		now, err := r.see(ctx)
		if err != nil {
			return err
		}
		verdict, err := r.judge(first, now, time.Since(began))
		if verdict || err != nil {
			return r.withEvidence(ctx, now, err)
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-time.After(r.pause(time.Since(began))):
		}
	}
}

// pause is short at first, when most failures show, and never longer than half a second.
func (r *replacement) pause(since time.Duration) time.Duration {
	return min(max(since/4, 25*time.Millisecond), 500*time.Millisecond)
}

// span is how long the gate may take.
func (r *replacement) span(s core.Status) time.Duration {
	switch {
	case s.Health.Status == "":
		return r.Policy.GateStable
	case r.Policy.GateTimeout > 0:
		return r.Policy.GateTimeout
	default:
		return s.Health.Limit + healthMargin
	}
}

// judge gives a verdict: passed (true, nil), failed (an error), or none yet.
func (r *replacement) judge(first, now core.Status, since time.Duration) (passed bool, err error) {
	switch {
	case !now.Exists():
		return false, fail(core.ChangedMeanwhile, "somebody removed the new container")
	case now.State == core.Exited && now.ExitCode == 0 && r.Policy.GateStable == 0:
		return true, nil
	case restarted(first, now):
		return false, fail(core.GateFailed, "the new container restarts again and again (exit code %d)", now.ExitCode)
	case now.State != core.Running:
		return false, fail(core.GateFailed, "the new container ended with exit code %d%s", now.ExitCode, oom(now))
	default:
		return r.judgeHealth(now, since)
	}
}

// judgeHealth judges a container that runs and has not been restarted.
func (r *replacement) judgeHealth(now core.Status, since time.Duration) (passed bool, err error) {
	switch now.Health.Status {
	case "unhealthy":
		return false, fail(core.GateFailed, "the new container is unhealthy")
	case "starting":
		if since > r.span(now) {
			return false, fail(core.GateFailed, "the new container was not healthy within %s", r.span(now))
		}
		return false, nil
	case "healthy":
		return true, nil
	default:
		return since >= r.span(now), nil
	}
}

// restarted tells whether the engine has started it again since first.
func restarted(first, now core.Status) bool {
	return now.State == core.Restarting || now.RestartCount != first.RestartCount || !now.StartedAt.Equal(first.StartedAt)
}

func oom(s core.Status) string {
	if s.OOMKilled {
		return ", out of memory"
	}
	return ""
}

// see looks at S, and waits for an engine that does not answer: without it there
// is no verdict.
func (r *replacement) see(ctx context.Context) (core.Status, error) {
	since := time.Now()
	for {
		s, err := r.Engine.Look(ctx, r.Successor)
		switch {
		case ctx.Err() != nil:
			return s, errInterrupted
		case err == nil:
			return s, nil
		case time.Since(since) > blindness:
			return s, fmt.Errorf("watch the new container: %w", err)
		}
		select {
		case <-ctx.Done():
			return s, errInterrupted
		case <-time.After(time.Second):
		}
	}
}

// withEvidence adds to a failure what the container left behind.
func (r *replacement) withEvidence(ctx context.Context, s core.Status, err error) error {
	var f *failure
	if !errors.As(err, &f) || !s.Exists() {
		return err
	}
	f.evidence = &core.Evidence{ExitCode: s.ExitCode, OOMKilled: s.OOMKilled, HealthOutput: s.Health.Output}
	if lines, err := r.Engine.Logs(ctx, s.ID, evidenceLines); err == nil {
		f.evidence.Logs = lines
	}
	return f
}
