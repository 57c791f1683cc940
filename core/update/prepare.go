package update

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/refit-dev/refit/core"
)

// pull is line 1: the image is fetched by digest. Same means that P runs it
// already, and only another platform of the tag has changed.
func (r *replacement) pull(ctx context.Context) (same bool, err error) {
	if r.To.ID == "" {
		r.log.Info("pulling", slog.String("image", r.To.Reference.Text), slog.String("digest", r.To.Digest))
		r.To.ID, err = r.Engine.Pull(ctx, r.To)
		if err != nil {
			return false, fmt.Errorf("pull %s: %w", r.To.Reference.Text, err)
		}
	}
	return r.To.ID == r.From.ID, nil
}

// record is line 2: what is known of P is written down, what an earlier attempt
// of ours left under the reserved names is removed, and P's image gets a second
// tag so that a prune cannot take it.
func (r *replacement) record(ctx context.Context) error {
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return engineFailed(err, "inspect it")
	}
	if p.Name != r.Name || p.State.Up() != r.State.Up() {
		return fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started since it was listed")
	}
	r.State, r.RestartPolicy, r.RunningSince = p.State, p.RestartPolicy, p.StartedAt
	if r.Policy.StopSignal == "" {
		r.Policy.StopSignal = p.StopSignal
	}
	if r.Policy.StopTimeout == 0 {
		r.Policy.StopTimeout = p.StopTimeout
	}
	gone, err := r.snapshot(ctx, p.ID)
	if err != nil {
		return err
	}
	if err := r.clearNames(ctx); err != nil {
		return err
	}
	if !gone {
		r.TagBefore = r.From.ID // until line 3 knows better
	}
	if err := r.save(ctx, core.LineRecord); err != nil {
		return err
	}
	if gone {
		r.result.Notes = append(r.result.Notes, "the old image was gone from the engine already: it cannot be kept, in case the old container has to be made again")
		return nil
	}
	if err := r.Engine.Tag(ctx, r.From.ID, r.KeptTag(0)); err != nil {
		return engineFailed(err, "keep the old image by a second tag")
	}
	return nil
}

// clearNames makes the reserved names free, or says who holds them.
func (r *replacement) clearNames(ctx context.Context) error {
	old, err := r.Engine.Look(ctx, r.Name+core.OldSuffix)
	if err != nil {
		return engineFailed(err, "look for %s", r.Name+core.OldSuffix)
	}
	if old.Exists() {
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", old.Name)
	}
	left, err := r.Engine.Look(ctx, r.Name+core.NewSuffix)
	switch {
	case err != nil:
		return engineFailed(err, "look for %s", r.Name+core.NewSuffix)
	case !left.Exists():
		return nil
	case left.Mark == nil:
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", left.Name)
	case left.Mark.Owner != r.Attempt.Owner:
		return fail(core.InProgressElsewhere, "another Refit (%s) is replacing it", left.Mark.Owner)
	}
	if err := r.Engine.Remove(ctx, left.ID, true); err != nil {
		return engineFailed(err, "remove %s, left by an earlier attempt", left.Name)
	}
	return nil
}

// create is line 3: S is made from exactly the image that was checked, and
// compared with P. P never notices.
func (r *replacement) create(ctx context.Context) error {
	r.log.Info("creating", slog.String("name", r.Name+core.NewSuffix), slog.String("image", r.To.Reference.Text))
	id, err := r.createTagged(ctx)
	if err != nil {
		return err
	}
	r.Successor = id
	s, err := r.Engine.Look(ctx, id)
	switch {
	case err != nil:
		return engineFailed(err, "inspect the new container")
	case s.ImageID != r.To.ID:
		return fail(core.ChangedMeanwhile, "the tag %s was moved by somebody else while the new container was made", r.To.Reference.Text)
	}
	r.ToVersion = s.Version
	differences, err := r.Engine.Differences(ctx, core.Draft{From: r.Snapshot}, id)
	switch {
	case err != nil:
		return engineFailed(err, "compare the new container with the old one")
	case len(differences) > 0:
		return fail(core.SettingsDiffer, "the new container would not be the same: %s", strings.Join(differences, "; "))
	}
	return nil
}

// noteTag notes where the reference points, so that it can be put back. An image
// of a registry that is not proven yet is nothing to go back to, whoever pointed
// the tag there (promise P4).
func (r *replacement) noteTag(ctx context.Context, reference string) error {
	now, err := r.Engine.Resolve(ctx, reference)
	if err != nil {
		return engineFailed(err, "look up %s", reference)
	}
	if now != "" && (now != r.To.ID || !r.Policy.Pull) {
		r.TagBefore = now
	}
	return nil
}

// createTagged makes S while the reference's local tag points to the new image,
// and puts the tag back, also when ctx has ended meanwhile.
func (r *replacement) createTagged(ctx context.Context) (id string, err error) {
	defer r.references.lock(r.From.Reference.Text)()
	reference := r.From.Reference.Text
	if err := r.noteTag(ctx, reference); err != nil {
		return "", err
	}
	r.TagMoved = true
	if err := r.save(ctx, core.LineCreate); err != nil {
		r.TagMoved = false
		return "", err
	}
	if err := r.Engine.Tag(ctx, r.To.ID, reference); err != nil {
		return "", engineFailed(err, "tag the new image as %s", reference)
	}
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	id, err = r.Engine.Create(ctx, core.Draft{
		Name: r.Name + core.NewSuffix, From: r.Snapshot, Reference: reference, Mark: r.MarkOf(r.Swap),
	})
	var back error
	if r.TagBefore != "" { // else there is nothing to go back to
		back = r.Engine.Tag(ctx, r.TagBefore, reference)
	}
	r.TagMoved = back != nil
	switch {
	case nameTaken(err):
		return "", fail(core.InProgressElsewhere, "%s was taken a moment ago: %v", r.Name+core.NewSuffix, err)
	case err != nil:
		return "", fail(core.CreateFailed, "create the new container: %v", err)
	case back != nil:
		return id, engineFailed(back, "point %s back to the old image", reference)
	}
	return id, nil
}
