package update

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// pull fetches the new image, if there is one and the engine has not got it.
func (s *swap) pull(ctx context.Context, pulls *pulls) (err error) {
	if s.To.ID != "" {
		return nil
	}
	if s.To.ID, s.result.Pull, err = pulls.fetch(ctx, s.To, s.log); err != nil {
		return fmt.Errorf("pull %s: %w", s.To.Reference.Text, err)
	}
	return nil
}

// record is line 2: what is known of each P is written down, what an earlier attempt
// of ours left under the reserved names is removed, and P's image gets a second
// tag so that a prune cannot take it.
func (r *replacement) record(ctx context.Context) error {
	if err := r.each(ctx, (*swap).record); err != nil {
		return err
	}
	if err := r.save(ctx, core.LineRecord); err != nil {
		return err
	}
	return r.each(ctx, func(s *swap, ctx context.Context) error {
		if s.TagBefore == "" {
			s.note("the old image was gone from the engine already: it cannot be kept, in case the old container has to be made again")
			return nil
		}
		if err := r.Engine.Tag(ctx, s.From.ID, s.keptTag()); err != nil {
			return engineFailed(err, "keep the old image by a second tag")
		}
		return nil
	})
}

// keptTag is the second tag of P's image.
func (s *swap) keptTag() string { return s.r.KeptTag(s.n) }

func (s *swap) record(ctx context.Context) error {
	p, err := s.r.Engine.Look(ctx, s.Predecessor)
	if err != nil {
		return engineFailed(err, "inspect it")
	}
	if p.Name != s.Name || p.State.Up() != s.State.Up() {
		return fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started since it was listed")
	}
	s.State, s.RestartPolicy, s.RunningSince = p.State, p.RestartPolicy, p.StartedAt
	if s.crashing(p) {
		s.State = core.Restarting
	}
	s.Ailing = s.State == core.Restarting || p.Health.Status == "unhealthy"
	if s.Policy.StopSignal == "" {
		s.Policy.StopSignal = p.StopSignal
	}
	if s.Policy.StopTimeout == 0 {
		s.Policy.StopTimeout = p.StopTimeout
	}
	gone, err := s.snapshot(ctx, p.ID)
	if err != nil {
		return err
	}
	if !gone {
		s.TagBefore = s.From.ID // until line 3 knows better
	}
	if s.Part != core.Moves {
		return nil
	}
	return s.clearNames(ctx)
}

// crashing tells whether P crashes again and again, also where it was seen in one of
// its short lives.
func (s *swap) crashing(p core.Status) bool {
	return p.State == core.Restarting ||
		p.State == core.Running && p.RestartCount > 0 && time.Since(p.StartedAt) < s.Policy.GateStable
}

// clearNames makes the reserved names free, or says who holds them.
func (s *swap) clearNames(ctx context.Context) error {
	old, err := s.r.Engine.Look(ctx, s.Name+core.OldSuffix)
	if err != nil {
		return engineFailed(err, "look for %s", s.Name+core.OldSuffix)
	}
	if old.Exists() {
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", old.Name)
	}
	left, err := s.r.Engine.Look(ctx, s.Name+core.NewSuffix)
	switch {
	case err != nil:
		return engineFailed(err, "look for %s", s.Name+core.NewSuffix)
	case !left.Exists():
		return nil
	case left.Mark == nil:
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", left.Name)
	case left.Mark.Owner != s.r.Attempt.Owner:
		return fail(core.InProgressElsewhere, "another Refit (%s) is replacing it", left.Mark.Owner)
	}
	if err := s.r.Engine.Remove(ctx, left.ID, true); err != nil {
		return engineFailed(err, "remove %s, left by an earlier attempt", left.Name)
	}
	return nil
}

// create is line 3: each S is made from exactly the image that was checked, with
// the settings of its P but pointing to those that were made before it, and compared.
// No P notices.
func (r *replacement) create(ctx context.Context) error { return r.eachMoving(ctx, (*swap).create) }

func (s *swap) create(ctx context.Context) error {
	s.log.Info("creating", slog.String("name", s.Name+core.NewSuffix), slog.String("image", s.To.Reference.Text))
	id, err := s.createTagged(ctx)
	if err != nil {
		return err
	}
	others := s.r.replaced()
	s.Successor = id
	made, err := s.r.Engine.Look(ctx, id)
	switch {
	case err != nil:
		return engineFailed(err, "inspect the new container")
	case made.ImageID != s.To.ID:
		return fail(core.ChangedMeanwhile, "the tag %s was moved by somebody else while the new container was made", s.To.Reference.Text)
	}
	s.ToVersion = made.Version
	says, _, err := s.r.defaults(ctx, s.To)
	if err != nil {
		return engineFailed(err, "learn what the new image says")
	}
	differences, err := s.r.Engine.Differences(ctx, core.Draft{From: s.Snapshot, Replaced: others, Says: says}, id)
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
func (s *swap) noteTag(ctx context.Context, reference string) (now string, err error) {
	now, err = s.r.Engine.Resolve(ctx, reference)
	if err != nil {
		return "", engineFailed(err, "look up %s", reference)
	}
	if now != "" && (now != s.To.ID || !s.Policy.Pull) {
		s.TagBefore = now
	}
	return now, nil
}

// createTagged makes S while the reference's local tag points to the new image,
// and puts the tag back, also when ctx has ended meanwhile.
func (s *swap) createTagged(ctx context.Context) (id string, err error) {
	reference := s.From.Reference.Text
	defer s.r.references.lock(reference)()
	now, err := s.noteTag(ctx, reference)
	if err != nil {
		return "", err
	}
	// A reference that names a digest has no tag that could be moved, and needs none.
	moves := now != s.To.ID || s.Changes()
	s.TagMoved = moves
	if err := s.r.save(ctx, core.LineCreate); err != nil {
		s.TagMoved = false
		return "", err
	}
	if moves {
		if err := s.r.Engine.Tag(ctx, s.To.ID, reference); err != nil {
			return "", engineFailed(err, "tag the new image as %s", reference)
		}
	}
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	id, err = s.r.Engine.Create(ctx, core.Draft{
		Name: s.Name + core.NewSuffix, From: s.Snapshot, Reference: reference, Replaced: s.r.replaced(), Mark: s.r.MarkOf(*s.Swap),
	})
	var back error
	if moves && s.TagBefore != "" { // else there is nothing to go back to
		back = s.r.Engine.Tag(ctx, s.TagBefore, reference)
	}
	s.TagMoved = back != nil
	switch {
	case nameTaken(err):
		return "", fail(core.InProgressElsewhere, "%s was taken a moment ago: %v", s.Name+core.NewSuffix, err)
	case err != nil:
		return "", fail(core.CreateFailed, "create the new container: %v", err)
	case back != nil:
		return id, engineFailed(back, "point %s back to the old image", reference)
	}
	return id, nil
}
