package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// errAtRest ends a pass of a rollback at R4: S is set aside, P is not started yet,
// and there are hooks to be told.
var errAtRest = errors.New("at rest")

const (
	// rollbackTries is how often a hook is told of a rollback until it takes it: what
	// it restores is not to be lost because the engine, or the plugin, was away for a
	// moment. A stage may be repeated.
	rollbackTries = 3
	// longService is how long an S may have run unwatched and still lose what it has
	// written: whoever comes back after days does not undo the days.
	longService = time.Hour
)

// mindService notes that S has run for long while nobody watched.
func (r *replacement) mindService(ctx context.Context) {
	if r.Served || r.Ran.IsZero() || time.Since(r.Ran) < longService {
		return
	}
	r.Served = true
	r.noteIf(r.save(ctx, r.Line))
}

// toldOfRollback tells whether R4 is behind us: there was no hook to be told, or
// each of them was. A replacement that had not stopped P is not rolled back, it is
// called off: that is for Finished.
func (r *replacement) toldOfRollback() bool {
	return r.Told || !slices.ContainsFunc(r.Attempt.Hooks, func(h core.HookState) bool { return !h.Ended && r.stoppedFor(h) })
}

// stoppedFor tells whether P was stopped, or was no running container in the first
// place, when the hook was called. Beside a P that runs nothing can be restored.
func (r *replacement) stoppedFor(h core.HookState) bool {
	return r.Touched || h.Stage != core.PreUpdate && !r.beside()
}

// running returns the name of the one of P (or what stands for it) and S that is
// not down, "" if both are.
func (s *swap) running(ctx context.Context, id string) (string, error) {
	p, err := s.r.Engine.Look(ctx, id)
	if err != nil {
		return "", fmt.Errorf("see that the old container is down: %w", err)
	}
	fresh, err := s.successor(ctx)
	switch {
	case err != nil:
		return "", err
	case p.State.Up():
		return p.Name, nil
	case fresh.State.Up():
		return fresh.Name, nil
	default:
		return "", nil
	}
}

// rollBackHooks is R4, between two passes of the rollback: S is set aside and P is
// not started yet. Hooks that fail are told again, after the next pass has seen to it
// that this is still so, until it was the last try: P is to run again.
func (r *replacement) rollBackHooks(ctx context.Context, try int) {
	ctx = context.WithoutCancel(ctx)
	if try > 1 {
		time.Sleep(time.Duration(try*try) * time.Second)
	}
	failed := false
	r.eachOpen(ctx, func(s *swap, h *core.HookState, a core.HookAnswer, err error) {
		switch {
		case !r.stoppedFor(*h), err == nil && !a.Has(core.OnRollback):
			return
		case err == nil:
			err = s.rollBackHook(ctx, *h)
		}
		if err != nil && try < rollbackTries {
			failed = true
			s.log.Warn("hook failed, trying again", slog.String("hook", h.Name), slog.String("stage", string(core.OnRollback)), slog.Any("error", err))
			return
		}
		s.ended(ctx, h, core.OnRollback, err)
	})
	if !failed {
		r.Told = true
		r.noteIf(r.save(ctx, r.Line))
	}
}

// rollBackHook tells one hook of the rollback.
func (s *swap) rollBackHook(ctx context.Context, h core.HookState) error {
	why, err := s.unsafe(ctx)
	if err != nil {
		return err
	}
	if why != "" {
		s.r.note("data must not be restored: %s", why)
	}
	_, err = s.call(ctx, core.HookCall{
		Hook: h.Name, Stage: core.OnRollback, ID: s.old.ID, State: h.State,
		Stopped: why == "", Outcome: core.OutcomeRolledBack, Reason: s.r.result.Reason,
	})
	return err
}

// unsafe says why data must not be restored, "" if it may: neither P nor S runs, and
// nobody has written since P was stopped but an S that was on probation.
func (s *swap) unsafe(ctx context.Context) (string, error) {
	name, err := s.running(ctx, s.old.ID)
	if err != nil {
		return "", err
	}
	p, err := s.r.Engine.Look(ctx, s.old.ID)
	switch {
	case err != nil:
		return "", fmt.Errorf("inspect the old container: %w", err)
	case name != "":
		return name + " runs", nil
	case s.r.Served:
		return "the new container has served for long, and what was written meanwhile would be lost", nil
	case p.ID == s.Predecessor && !s.RunningSince.IsZero() && !p.StartedAt.Equal(s.RunningSince):
		return "the old container was started meanwhile, and what it has written would be lost", nil
	default:
		return "", nil
	}
}

// tellFinished is line 11, and the end of what was undone for the hooks that have
// not had theirs yet.
func (r *replacement) tellFinished(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	r.eachOpen(ctx, func(s *swap, h *core.HookState, a core.HookAnswer, err error) {
		if err == nil && !a.Has(core.Finished) {
			return
		}
		if err == nil {
			_, err = s.call(ctx, core.HookCall{
				Hook: h.Name, Stage: core.Finished, ID: s.result.ID, State: h.State, Outcome: r.end(), Reason: r.result.Reason,
			})
		}
		s.ended(ctx, h, core.Finished, err)
	})
}

// end is the outcome that hooks are told: that somebody else began it matters not.
func (r *replacement) end() core.Outcome {
	switch {
	case r.result.Outcome != core.OutcomeRecovered:
		return r.result.Outcome
	case r.Cause == nil:
		return core.OutcomeUpdated
	case r.undone():
		return core.OutcomeRolledBack
	default:
		return core.OutcomeHeld
	}
}

// eachOpen calls tell for the hooks that were called and have not had their end, the
// last one first, with whose they are, what they are, or why they cannot be used.
func (r *replacement) eachOpen(ctx context.Context, tell func(s *swap, h *core.HookState, a core.HookAnswer, err error)) {
	var names []string
	for _, h := range r.Attempt.Hooks {
		if !h.Ended {
			names = append(names, h.Name)
		}
	}
	answers := r.describe(ctx, names)
	for i := range slices.Backward(r.Attempt.Hooks) {
		h := &r.Attempt.Hooks[i]
		if h.Ended {
			continue
		}
		a, err := usable(answers, h.Name)
		tell(r.swapOf(h.Container), h, a, err)
	}
}

// swapOf is the container of that name, the first of the group if there is none.
func (r *replacement) swapOf(name string) *swap {
	return r.swaps[max(0, slices.IndexFunc(r.swaps, func(s *swap) bool { return s.Name == name }))]
}

// ended writes down that the hook has had its end. One that went wrong is told to
// people.
func (s *swap) ended(ctx context.Context, h *core.HookState, stage core.Stage, err error) {
	if err != nil {
		s.result.Notes = append(s.result.Notes, "hook "+h.Name+", "+string(stage)+": "+reasonOf(err, "").Text)
		s.log.Error("hook failed", slog.String("hook", h.Name), slog.String("stage", string(stage)), slog.Any("error", err))
	}
	h.Ended = true
	s.r.noteIf(s.r.save(ctx, s.r.Line))
}
