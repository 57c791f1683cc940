package update

import (
	"context"
	"fmt"
	"log/slog"
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
	r.result.ID = r.Successor
	if err := r.commit(ctx); err != nil {
		r.leave(err)
		r.result.Notes = append(r.result.Notes, "not all is tidied yet, Refit will try again: "+err.Error())
		return
	}
	r.log.Info("updated", slog.String("from", core.Short(r.From.ID)), slog.String("to", core.Short(r.To.ID)),
		slog.Duration("downtime", r.result.Downtime.Round(time.Millisecond)))
}

func (r *replacement) commit(ctx context.Context) error {
	r.Served = true
	if err := r.save(ctx, core.LineCommit); err != nil {
		return err
	}
	if err := r.moveTag(ctx); err != nil {
		return err
	}
	if err := r.removePredecessor(ctx); err != nil {
		return err
	}
	if err := r.dropKeptTag(ctx); err != nil {
		return err
	}
	if r.Policy.Cleanup {
		r.cleanImage(ctx, r.From.ID)
	}
	return r.over(ctx)
}

// removePredecessor removes P, never with a volume. Somebody may have started it
// meanwhile: the successor has its place, so it is stopped again.
func (r *replacement) removePredecessor(ctx context.Context) error {
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return fmt.Errorf("inspect the old container: %w", err)
	}
	if p.State.Up() {
		if err := r.Engine.Stop(ctx, p.ID, r.Policy.StopSignal, r.Policy.StopTimeout); err != nil {
			return fmt.Errorf("stop the old container: %w", err)
		}
	}
	if err := r.Engine.Remove(ctx, r.Predecessor, false); err != nil {
		return fmt.Errorf("remove the old container: %w", err)
	}
	return nil
}

// moveTag points the reference to the new image, unless somebody has pointed it
// elsewhere meanwhile: that one is tried in the next cycle.
func (r *replacement) moveTag(ctx context.Context) error {
	reference := r.From.Reference.Text
	defer r.references.lock(reference)()
	now, err := r.Engine.Resolve(ctx, reference)
	if err != nil {
		return fmt.Errorf("look up %s: %w", reference, err)
	}
	if now != "" && now != r.To.ID && now != r.TagBefore && now != r.From.ID {
		r.result.Notes = append(r.result.Notes, "somebody moved the local tag "+reference+" meanwhile: it was left there")
		return nil
	}
	if err := r.Engine.Tag(ctx, r.To.ID, reference); err != nil {
		return fmt.Errorf("point %s to the new image: %w", reference, err)
	}
	return nil
}

// dropKeptTag removes the second tag. It is moved to the new image first: an
// engine removes an image together with its last name, and the new image has
// another name, its digest or the reference itself.
func (r *replacement) dropKeptTag(ctx context.Context) error {
	kept := r.KeptTag(0)
	id, err := r.Engine.Resolve(ctx, kept)
	if err != nil {
		return fmt.Errorf("look up %s: %w", kept, err)
	}
	if id == "" {
		return nil
	}
	if err := r.Engine.Tag(ctx, r.To.ID, kept); err != nil {
		// The new image is gone. Untag itself refuses to take an image along.
		r.log.Debug("the new image is gone", slog.Any("error", err))
	}
	if err := r.Engine.Untag(ctx, kept); err != nil {
		return fmt.Errorf("remove the tag %s: %w", kept, err)
	}
	return nil
}

// cleanImage removes an image that nobody uses. A clean-up that fails is no
// failure of the update.
func (r *replacement) cleanImage(ctx context.Context, id string) {
	removed, err := r.Engine.RemoveImage(ctx, id)
	switch {
	case err != nil:
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("image %s stays: %v", core.Short(id), err))
	case removed:
		r.log.Info("removing image", slog.String("image", core.Short(id)))
	default:
		r.log.Info("keeping image, it is still used", slog.String("image", core.Short(id)))
	}
}
