package update

import (
	"context"
	"errors"
	"fmt"

	"github.com/refit-dev/refit/core"
)

// withoutPredecessor goes on with a rollback when P is gone: a person or a prune
// removed it while it was parked. It returns the container to go on with in P's
// place, or none when there is nothing left to do.
func (r *replacement) withoutPredecessor(ctx context.Context, s core.Status) (p core.Status, err error) {
	p, err = r.rebuilt(ctx)
	switch {
	case err != nil || p.Exists():
		return p, err
	case !r.Touched && r.State.Up():
		r.result.Outcome = core.OutcomeHeld
		r.result.Reason = core.Reason{Code: core.ChangedMeanwhile, Text: "somebody removed it while its successor was prepared"}
		return p, r.tidyUndone(ctx, s)
	case s.Exists() && (!r.provenBad() || len(r.Snapshot) == 0):
		return p, r.adopt(ctx, s)
	case len(r.Snapshot) > 0 && (s.Exists() || !r.resumed):
		return r.rebuild(ctx, s)
	default:
		r.result.Outcome = core.OutcomeHeld
		r.result.Reason = core.Reason{Code: core.ChangedMeanwhile, Text: "somebody removed both the old and the new container"}
		return p, r.tidyUndone(ctx, s)
	}
}

// provenBad tells whether S had its chance.
func (r *replacement) provenBad() bool {
	return r.Cause != nil && r.Cause.SpeaksOfImage()
}

// rebuilt finds what an earlier try of rebuild made.
func (r *replacement) rebuilt(ctx context.Context) (core.Status, error) {
	c, err := r.Engine.Look(ctx, r.Name)
	if err != nil {
		return core.Status{}, fmt.Errorf("look for a rebuilt container: %w", err)
	}
	if !c.Exists() || c.Mark == nil || c.Mark.Attempt != r.Attempt.ID || c.ImageID != r.From.ID {
		return core.Status{}, nil
	}
	return c, nil
}

// rebuild makes P anew, from the record and the image that was kept: another
// id, the same settings.
func (r *replacement) rebuild(ctx context.Context, s core.Status) (core.Status, error) {
	if err := r.keepOldImage(ctx); err != nil {
		if s.Exists() { // bad as it is, it is all there is
			r.result.Notes = append(r.result.Notes, "the old image is gone, too: "+err.Error())
			return core.Status{}, r.adopt(ctx, s)
		}
		return core.Status{}, err
	}
	if err := r.setAside(ctx, s); err != nil {
		return core.Status{}, err
	}
	r.log.Warn("making the old container again, somebody removed it")
	id, err := r.createFromRecord(ctx)
	if nameTaken(err) {
		return core.Status{}, fail(core.Stranger, "somebody removed the old container and has a new one of the name %s", r.Name)
	}
	if err != nil {
		return core.Status{}, fmt.Errorf("make the old container again: %w", err)
	}
	r.result.Notes = append(r.result.Notes, "somebody removed the old container meanwhile: it was made again, with a new id and the same settings")
	p, err := r.Engine.Look(ctx, id)
	if err != nil {
		return core.Status{}, fmt.Errorf("inspect the container that was made again: %w", err)
	}
	return p, nil
}

// keepOldImage makes sure that P's image is on the engine: a prune of everything
// unused takes it with its tags when P is gone. Its digest brings it back.
func (r *replacement) keepOldImage(ctx context.Context) error {
	err := r.Engine.Tag(ctx, r.From.ID, r.KeptTag(0))
	if err == nil || r.From.Digest == "" {
		return err
	}
	id, err := r.Engine.Pull(ctx, r.From)
	if err != nil {
		return fmt.Errorf("pull the old image again: %w", err)
	}
	r.From.ID = id
	return r.Engine.Tag(ctx, id, r.KeptTag(0))
}

func (r *replacement) createFromRecord(ctx context.Context) (id string, err error) {
	defer r.references.lock(r.From.Reference.Text)()
	reference := r.From.Reference.Text
	before, err := r.Engine.Resolve(ctx, reference)
	if err != nil {
		return "", err
	}
	if err := r.Engine.Tag(ctx, r.From.ID, reference); err != nil {
		return "", err
	}
	id, err = r.Engine.Create(ctx, core.Draft{Name: r.Name, From: r.Snapshot, Reference: reference, Mark: r.MarkOf(r.Swap)})
	if before != "" && before != r.To.ID {
		err = errors.Join(err, r.Engine.Tag(ctx, before, reference))
	}
	return id, err
}

// adopt keeps an S whose P is gone, unproven as it is: it is all there is.
func (r *replacement) adopt(ctx context.Context, s core.Status) error {
	err := r.Engine.Rename(ctx, s.ID, r.Name)
	if nameTaken(err) { // somebody made a new container of that name: ours goes
		return r.tidyUndone(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("give the new container its name: %w", err)
	}
	if err := r.Engine.SetRestartPolicy(ctx, s.ID, r.RestartPolicy); err != nil {
		return fmt.Errorf("give the new container its restart policy: %w", err)
	}
	r.result.ID, r.result.Outcome = s.ID, core.OutcomeFailed
	r.result.Notes = append(r.result.Notes, "somebody removed the old container meanwhile: the new one was kept, unproven")
	if r.State.Up() && !s.State.Up() {
		if err := r.Engine.Start(ctx, s.ID); err != nil {
			r.result.Outcome = core.OutcomeDown
			r.result.Notes = append(r.result.Notes, fmt.Sprintf("the new container does not start: %v; see docker logs %s", err, r.Name))
		}
	}
	if err := r.dropKeptTag(ctx); err != nil {
		return err
	}
	return r.over(ctx)
}
