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

// reinstate is R5 to R7, for those first that others need. What fails for one does
// not keep the others from it; what may be over soon is returned before what is not.
func (r *replacement) reinstate(ctx context.Context) error {
	var again, down, final error
	for _, s := range r.swaps {
		if s.hangs() {
			continue
		}
		err := s.lost
		if err == nil {
			err = s.reinstate(ctx)
		}
		switch {
		case err == nil:
			s.back = true
		case errors.As(err, new(*failure)):
			final = s.named(err)
		case errors.Is(err, errDown):
			down = err
		default:
			again = err
		}
	}
	switch {
	case again != nil:
		return again
	case down != nil:
		return down
	default:
		return final
	}
}

// hangs tells whether P shares a namespace of one that has not got everything back:
// it cannot be started.
func (s *swap) hangs() bool {
	return s.Part == core.Moves && slices.ContainsFunc(s.r.swaps, func(o *swap) bool {
		return !o.back && slices.Contains(s.Needs, o.Predecessor)
	})
}

// reinstate sees to it that P has its name, runs if it ran, and has its policy.
func (s *swap) reinstate(ctx context.Context) error {
	r := s.r
	if s.left || !r.Touched && s.State.Up() {
		return nil // it was never parked by us: whatever its name is, it is somebody's will
	}
	if s.old.Name == s.Name+core.OldSuffix {
		err := r.Engine.Rename(ctx, s.old.ID, s.Name)
		if nameTaken(err) {
			return fail(core.Stranger, "somebody else's container has the name %s; the old one is parked as %s", s.Name, s.old.Name)
		}
		if err != nil {
			return fmt.Errorf("give the old container its name: %w", err)
		}
	}
	if !r.Touched || !s.State.Up() {
		return nil
	}
	if err := s.runAgain(ctx); err != nil {
		return err
	}
	return s.asItWas(ctx)
}

// asItWas gives a P that runs again its policy, and pauses it if it was paused.
func (s *swap) asItWas(ctx context.Context) error {
	// Set even where it had it when it was looked at: the process before may have
	// died while the engine was about to change it.
	if err := s.policyOfOld(ctx); err != nil {
		return err
	}
	if s.State != core.Paused {
		return nil
	}
	if err := s.r.Engine.Pause(ctx, s.old.ID); err != nil {
		return fmt.Errorf("pause the old container again: %w", err)
	}
	return nil
}

// runAgain is R6: P runs, and still runs a moment later.
func (s *swap) runAgain(ctx context.Context) error {
	p := s.old
	up := p.State.Up()
	if up && (s.stopMayBeUnderWay(p) || s.stale()) {
		// Asking once more joins the stop that is under way, and waits for it.
		// A container that will not stop runs, which is what is wanted here.
		if err := s.r.Engine.Stop(ctx, p.ID, s.Policy.StopSignal, s.Policy.StopTimeout); err != nil {
			s.log.Debug("stop again", slog.Any("error", err))
		}
		now, err := s.r.Engine.Look(ctx, p.ID)
		if err != nil {
			return fmt.Errorf("inspect the old container: %w", err)
		}
		up = now.State.Up()
	}
	if !up {
		s.log.Info("starting the old container again")
		if s.State == core.Restarting {
			// It ends at once, and the engine goes by the policy that it has then.
			if err := s.policyOfOld(ctx); err != nil {
				return err
			}
		}
		if err := s.r.Engine.Start(ctx, p.ID); err != nil {
			return s.startFailed(ctx, p.ID, err)
		}
		if !s.stopped.IsZero() {
			s.result.Downtime = time.Since(s.stopped)
		}
		if err := s.seeItRun(ctx, p.ID); err != nil {
			return err
		}
	}
	s.result.ID = p.ID
	return nil
}

// stopMayBeUnderWay tells whether line 5 may have asked P to stop without
// anybody having seen the end of it: the engine goes on when its caller is gone.
func (s *swap) stopMayBeUnderWay(p core.Status) bool {
	return p.Name == s.Name && parked(p) &&
		(s.RunningSince.IsZero() || s.RunningSince.Equal(p.StartedAt))
}

// stale tells whether P has run for longer than one whose namespace it shares: what it
// shares is then that one's earlier life.
func (s *swap) stale() bool {
	return s.outlives(func(o *swap) core.Status { return o.old })
}

// outlives tells whether the container has run for longer than one of the group that
// it needs. Found is how each of them was found.
func (s *swap) outlives(found func(*swap) core.Status) bool {
	since := found(s).StartedAt
	return slices.ContainsFunc(s.r.swaps, func(o *swap) bool {
		return slices.Contains(s.Needs, o.Predecessor) && found(o).StartedAt.After(since)
	})
}

// seeItRun looks a moment after the start whether P is still up.
func (s *swap) seeItRun(ctx context.Context, id string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	p, err := s.r.Engine.Look(ctx, id)
	if err != nil {
		return fmt.Errorf("see the old container run: %w", err)
	}
	if s.old = p; p.Exists() && !p.State.Up() && s.State == core.Running {
		return s.startFailed(ctx, id, fmt.Errorf("it ended at once with exit code %d", p.ExitCode))
	}
	return nil
}

// startFailed tells an engine that does not answer from a container that does
// not start. The policy goes back all the same: an engine's restart may help.
func (s *swap) startFailed(ctx context.Context, id string, cause error) error {
	p, err := s.r.Engine.Look(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("start the old container: %w", cause)
	case p.State.Up():
		return fmt.Errorf("start the old container, which runs: %w", cause) // tried again, and found running
	}
	if err := s.policyOfOld(ctx); err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", errDown, cause)
}

// policyOfOld gives P its restart policy back.
func (s *swap) policyOfOld(ctx context.Context) error {
	if err := s.r.Engine.SetRestartPolicy(ctx, s.old.ID, s.RestartPolicy); err != nil {
		return fmt.Errorf("give the old container its restart policy: %w", err)
	}
	return nil
}
