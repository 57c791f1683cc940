package update

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// finishLimit bounds the last lines, a container's grace apart.
const finishLimit = 5 * time.Minute

// finish is lines 10 and 11: S has proved itself, and from here on things only go
// forward. What cannot be tidied now stays in the ledger, and is tidied by the next Recover.
func (r *replacement) finish(ctx context.Context) {
	ctx, cancel := uncut(ctx, finishLimit+r.grace())
	defer cancel()
	for _, s := range r.swaps {
		if !s.left {
			s.result.ID = s.next()
		}
	}
	if err := r.commit(ctx); err != nil {
		r.leave(err)
		r.note("not all is tidied yet, Refit will try again: %v", err)
		return
	}
	for _, s := range r.swaps {
		down := slog.Duration("downtime", s.result.Downtime.Round(time.Millisecond))
		if s.n > 0 && !s.Changes() {
			s.log.Info("followed", slog.String("after", r.Name), down)
			continue
		}
		s.log.Info("updated", slog.String("from", core.Short(s.From.ID)), slog.String("to", core.Short(s.To.ID)), down)
	}
}

func (r *replacement) commit(ctx context.Context) error {
	r.Served = true
	if err := r.save(ctx, core.LineCommit); err != nil {
		return err
	}
	if err := r.each(ctx, (*swap).pauseAgain); err != nil {
		return err
	}
	if err := r.eachMoving(ctx, (*swap).moveTag); err != nil {
		return err
	}
	for _, s := range slices.Backward(r.swaps) {
		if s.Part == core.Moves {
			if err := s.removePredecessor(ctx); err != nil {
				return err
			}
		}
		if err := s.dropKeptTag(ctx); err != nil {
			return err
		}
		if s.Policy.Cleanup && s.Changes() {
			s.cleanImage(ctx, s.From.ID)
		}
	}
	return r.over(ctx)
}

// pauseAgain pauses what stands in the place of a P that was paused. One that is gone
// or down meanwhile is somebody's will.
func (s *swap) pauseAgain(ctx context.Context) error {
	if s.State != core.Paused {
		return nil
	}
	s.log.Info("pausing it again")
	failed := s.r.Engine.Pause(ctx, s.next())
	if failed == nil {
		return nil
	}
	now, err := s.r.Engine.Look(ctx, s.next())
	if err != nil || now.State.Up() {
		return fmt.Errorf("pause the new container again: %w", failed)
	}
	return nil
}

// removePredecessor removes P, never with a volume. Somebody may have started it
// meanwhile: the successor has its place, so it is stopped again.
func (s *swap) removePredecessor(ctx context.Context) error {
	p, err := s.r.Engine.Look(ctx, s.Predecessor)
	if err != nil {
		return fmt.Errorf("inspect the old container: %w", err)
	}
	if p.State.Up() {
		if err := s.r.Engine.Stop(ctx, p.ID, s.Policy.StopSignal, s.Policy.StopTimeout); err != nil {
			return fmt.Errorf("stop the old container: %w", err)
		}
	}
	if err := s.r.Engine.Remove(ctx, s.Predecessor, false); err != nil {
		return fmt.Errorf("remove the old container: %w", err)
	}
	return nil
}

// moveTag points the reference to the new image, unless somebody has pointed it
// elsewhere meanwhile: that one is tried in the next cycle.
func (s *swap) moveTag(ctx context.Context) error {
	if !s.Changes() {
		return nil
	}
	reference := s.From.Reference.Text
	defer s.r.references.lock(reference)()
	now, err := s.r.Engine.Resolve(ctx, reference)
	if err != nil {
		return fmt.Errorf("look up %s: %w", reference, err)
	}
	if now != "" && now != s.To.ID && now != s.TagBefore && now != s.From.ID {
		s.result.Notes = append(s.result.Notes, "somebody moved the local tag "+reference+" meanwhile: it was left there")
		return nil
	}
	if err := s.r.Engine.Tag(ctx, s.To.ID, reference); err != nil {
		return fmt.Errorf("point %s to the new image: %w", reference, err)
	}
	return nil
}

// dropKeptTag removes the second tag. It is moved to the new image first: an
// engine removes an image together with its last name, and the new image has
// another name, its digest or the reference itself.
func (s *swap) dropKeptTag(ctx context.Context) error {
	kept := s.keptTag()
	id, err := s.r.Engine.Resolve(ctx, kept)
	if err != nil {
		return fmt.Errorf("look up %s: %w", kept, err)
	}
	if id == "" {
		return nil
	}
	if err := s.r.Engine.Tag(ctx, s.To.ID, kept); err != nil {
		// The new image is gone. Untag itself refuses to take an image along.
		s.log.Debug("the new image is gone", slog.Any("error", err))
	}
	if err := s.r.Engine.Untag(ctx, kept); err != nil {
		return fmt.Errorf("remove the tag %s: %w", kept, err)
	}
	return nil
}

// cleanImage removes an image that nobody uses. A clean-up that fails is no
// failure of the update.
func (s *swap) cleanImage(ctx context.Context, id string) {
	removed, err := s.r.Engine.RemoveImage(ctx, id)
	switch {
	case err != nil:
		s.result.Notes = append(s.result.Notes, fmt.Sprintf("image %s stays: %v", core.Short(id), err))
	case removed:
		s.log.Info("removing image", slog.String("image", core.Short(id)))
	default:
		s.log.Info("keeping image, it is still used", slog.String("image", core.Short(id)))
	}
}
