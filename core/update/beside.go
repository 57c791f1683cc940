package update

import (
	"context"
	"errors"

	"github.com/refit-dev/refit/core"
)

// beside tells whether S proves itself beside P: the strategy is start-first, and
// there is something that serves.
func (r *replacement) beside() bool {
	return r.Policy.Strategy == core.StartFirst && r.State.Up() && len(r.Members) == 0
}

// changeOver gives S, which has proved itself, the name of P, which is down: whether
// Refit is asked to end matters no more.
func (r *replacement) changeOver(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := r.stillUp(ctx); err != nil {
		return err
	}
	return r.rename(ctx)
}

// stillUp looks whether S, which has proved itself, is still there now that P is down.
func (r *replacement) stillUp(ctx context.Context) error {
	s, err := r.swaps[0].see(ctx)
	switch {
	case err != nil && !errors.Is(err, errDisturbed):
		return err
	case !s.State.Up():
		return fail(core.ChangedMeanwhile, "the new container ended while the old one was being stopped")
	default:
		return nil
	}
}

// resumeBeside goes on where P was to be stopped, or to be parked: S had proved
// itself. One that does not run any more is set aside, and P has its place again.
func (r *replacement) resumeBeside(ctx context.Context) error {
	if err := r.stillUp(ctx); err != nil {
		return err
	}
	s := r.swaps[0]
	if err := s.find(ctx); err != nil {
		return engineFailed(err, "look for the old container")
	}
	if s.old.State.Up() {
		if err := s.stop(ctx); err != nil {
			return err
		}
	}
	if !s.old.Exists() || s.old.Name != s.Name {
		return r.takeName(ctx)
	}
	return r.rename(ctx)
}

// takeName gives S the name that P has left.
func (r *replacement) takeName(ctx context.Context) error {
	if err := r.save(ctx, core.LineRename); err != nil {
		return err
	}
	if err := r.Engine.Rename(ctx, r.Successor, r.Name); err != nil {
		return fail(core.NameTaken, "give the new container its name: %v", err)
	}
	return nil
}
