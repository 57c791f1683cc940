package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/refit-dev/refit/core"
)

// withoutPredecessors goes on with a rollback when a P is gone: a person or a prune
// removed it while it was parked. Over means that nothing is left to do; what is to be
// made anew is made by rebuildLost.
func (r *replacement) withoutPredecessors(ctx context.Context) (over bool, err error) {
	var lost, moving []*swap
	for _, s := range r.swaps {
		s.left = s.left || !s.old.Exists() && s.givenUp()
		switch {
		case s.left || s.Part != core.Moves:
			continue
		case !s.old.Exists():
			lost = append(lost, s)
		}
		moving = append(moving, s)
	}
	switch {
	case len(moving) == 0:
		r.result.Outcome = core.OutcomeHeld
		r.result.Reason = core.Reason{Code: core.ChangedMeanwhile, Text: "somebody removed both the old and the new container"}
		if !r.Touched {
			r.result.Reason.Text = "somebody removed it while its successor was prepared"
		}
		return true, r.endWithout(ctx)
	case len(lost) > 0 && r.adoptable(lost, moving):
		return true, r.adopt(ctx, moving)
	default:
		return false, nil
	}
}

// givenUp tells whether nothing stands for a P that is gone, by somebody's will. While
// others of its group stand it was a prune that took what was down for their sake.
func (s *swap) givenUp() bool {
	return !s.r.Touched && s.State.Up() || !s.fresh.Exists() && (len(s.Snapshot) == 0 || s.r.resumed && !s.r.stands())
}

// stands tells whether anything was found of those of the group that move.
func (r *replacement) stands() bool {
	return slices.ContainsFunc(r.swaps, func(s *swap) bool {
		return s.Part == core.Moves && (s.old.Exists() || s.fresh.Exists())
	})
}

// endWithout tidies up after containers that somebody has removed, and gives the
// others back what they had.
func (r *replacement) endWithout(ctx context.Context) error {
	if err := r.setAside(ctx); err != nil {
		return err
	}
	if err := r.reinstate(ctx); err != nil {
		return err
	}
	return r.tidyUndone(ctx)
}

// adoptable tells whether the new containers are to be kept, unproven as they are,
// because an old one is gone: they are all there is, or had no chance yet. In a group
// that would cost the others theirs, so it is done only if nothing else can be.
func (r *replacement) adoptable(lost, moving []*swap) bool {
	there := !slices.ContainsFunc(moving, func(s *swap) bool { return !s.fresh.Exists() })
	unknown := slices.ContainsFunc(lost, func(s *swap) bool { return len(s.Snapshot) == 0 })
	return there && (unknown || len(r.swaps) == 1 && !r.provenBad())
}

// provenBad tells whether S had its chance.
func (r *replacement) provenBad() bool {
	return r.Cause != nil && r.Cause.SpeaksOfImage()
}

// rebuilt finds what an earlier try of rebuild made.
func (s *swap) rebuilt(ctx context.Context) (core.Status, error) {
	c, err := s.r.Engine.Look(ctx, s.Name)
	if err != nil {
		return core.Status{}, fmt.Errorf("look for a rebuilt container: %w", err)
	}
	if !s.made(c) || !c.Mark.Rebuilt {
		return core.Status{}, nil
	}
	return c, nil
}

// rebuildLost makes those anew that are gone, from the record and the images that
// were kept: other ids, the same settings. So are those that hang on one of them. What
// cannot be made keeps the others from nothing; the error says that there are none, or
// that a hook is to restore its data, which cannot be done before.
func (r *replacement) rebuildLost(ctx context.Context) (err error) {
	others, standing := map[string]string{}, false
	for _, s := range r.swaps {
		if s.left {
			continue
		}
		if !s.old.Exists() || s.hangsOn(others) && s.old.ID == s.Predecessor && len(s.Snapshot) > 0 {
			s.lost = s.rebuild(ctx, others)
		}
		if s.old.Exists() && s.old.ID != s.Predecessor {
			others[s.Predecessor] = s.old.ID
		}
		standing, err = standing || s.lost == nil, cmp.Or(err, s.lost)
	}
	if standing && !r.owesLost() {
		return nil
	}
	return err
}

// hangsOn tells whether P hangs on one of the others, by the ids that they had.
func (s *swap) hangsOn(others map[string]string) bool {
	return s.Part == core.Moves && slices.ContainsFunc(s.Needs, func(id string) bool { return others[id] != "" })
}

// owesLost tells whether there is a hook to be told of the rollback of one that could
// not be made anew.
func (r *replacement) owesLost() bool {
	return !r.Told && slices.ContainsFunc(r.Attempt.Hooks, func(h core.HookState) bool {
		return !h.Ended && r.stoppedFor(h) && r.swapOf(h.Container).lost != nil
	})
}

// rebuild makes P anew. Others are those whose place another one has.
func (s *swap) rebuild(ctx context.Context, others map[string]string) error {
	if err := s.keepOldImage(ctx); err != nil {
		if s.fresh.Exists() { // bad as it is, it is all there is
			s.r.note("the old image is gone, too: %v", err)
			s.left = true
			return s.adopt(ctx)
		}
		return err
	}
	if s.old.Exists() {
		if err := s.putDown(ctx, s.old); err != nil {
			return err
		}
		if err := s.r.Engine.Remove(ctx, s.old.ID, false); err != nil {
			return fmt.Errorf("remove a container that hangs on one that is gone: %w", err)
		}
	}
	s.log.Warn("making the old container again, somebody removed it")
	id, err := s.createFromRecord(ctx, others)
	switch {
	case nameTaken(err) && s.Part == core.Restarts:
		return s.supersede(ctx)
	case nameTaken(err):
		return s.named(fail(core.Stranger, "somebody removed the old container and has a new one of the name %s", s.Name))
	case err != nil:
		return fmt.Errorf("make the old container again: %w", err)
	}
	s.note("somebody removed the old container meanwhile: it was made again, with a new id and the same settings")
	if s.old, err = s.r.Engine.Look(ctx, id); err != nil {
		return fmt.Errorf("inspect the container that was made again: %w", err)
	}
	return nil
}

// supersede leaves a container that somebody has made anew, which had kept its name all
// the while, to whoever did.
func (s *swap) supersede(ctx context.Context) error {
	now, err := s.r.Engine.Look(ctx, s.Name)
	if err != nil {
		return fmt.Errorf("inspect the container that was made anew: %w", err)
	}
	s.left, s.result.ID = true, now.ID
	s.note("somebody made it anew meanwhile: it was left alone")
	return nil
}

// keepOldImage makes sure that P's image is on the engine: a prune of everything
// unused takes it with its tags when P is gone. Its digest brings it back.
func (s *swap) keepOldImage(ctx context.Context) error {
	err := s.r.Engine.Tag(ctx, s.From.ID, s.keptTag())
	if err == nil || s.From.Digest == "" {
		return err
	}
	id, err := s.r.Engine.Pull(ctx, s.From, nil)
	if err != nil {
		return fmt.Errorf("pull the old image again: %w", err)
	}
	s.From.ID = id
	return s.r.Engine.Tag(ctx, id, s.keptTag())
}

func (s *swap) createFromRecord(ctx context.Context, others map[string]string) (id string, err error) {
	reference, engine := s.From.Reference.Text, s.r.Engine
	defer s.r.references.lock(reference)()
	before, err := engine.Resolve(ctx, reference)
	if err != nil {
		return "", err
	}
	if before != s.From.ID {
		if err := engine.Tag(ctx, s.From.ID, reference); err != nil {
			return "", err
		}
	}
	mark := s.r.MarkOf(*s.Swap)
	mark.Rebuilt = true
	id, err = engine.Create(ctx, core.Draft{Name: s.Name, From: s.Snapshot, Reference: reference, Replaced: others, Mark: mark})
	if before != "" && before != s.From.ID && (before != s.To.ID || !s.Changes()) {
		err = errors.Join(err, engine.Tag(ctx, before, reference))
	}
	return id, err
}

// adopt keeps the new containers, unproven as they are.
func (r *replacement) adopt(ctx context.Context, moving []*swap) error {
	for _, s := range moving {
		if err := s.adopt(ctx); err != nil {
			return err
		}
	}
	for _, s := range r.swaps {
		if s.Part == core.Restarts {
			if err := s.reinstate(ctx); err != nil {
				return err
			}
		}
	}
	return r.over(ctx)
}

// adopt keeps S, unproven as it is: it is all there is.
func (s *swap) adopt(ctx context.Context) error {
	r := s.r
	if s.old.Exists() { // another one of the group is gone, and this one cannot be without it
		if err := s.putDown(ctx, s.old); err != nil {
			return err
		}
		if err := r.Engine.Remove(ctx, s.old.ID, false); err != nil {
			return fmt.Errorf("remove the old container: %w", err)
		}
	}
	err := r.Engine.Rename(ctx, s.fresh.ID, s.Name)
	if nameTaken(err) { // somebody made a new container of that name: ours goes
		return s.discard(ctx)
	}
	if err != nil {
		return fmt.Errorf("give the new container its name: %w", err)
	}
	if err := r.Engine.SetRestartPolicy(ctx, s.fresh.ID, s.RestartPolicy); err != nil {
		return fmt.Errorf("give the new container its restart policy: %w", err)
	}
	s.kept, s.result.ID, r.result.Outcome = true, s.fresh.ID, core.OutcomeFailed
	r.note("somebody removed the old container meanwhile: the new one was kept, unproven")
	if s.State.Up() && !s.fresh.State.Up() {
		if err := r.Engine.Start(ctx, s.fresh.ID); err != nil {
			r.result.Outcome = core.OutcomeDown
			r.note("the new container does not start: %v; see docker logs %s", err, s.Name)
		}
	}
	return s.dropKeptTag(ctx)
}

// discard removes an S that has no place any more.
func (s *swap) discard(ctx context.Context) error {
	if err := s.putDown(ctx, s.fresh); err != nil {
		return err
	}
	if err := errors.Join(s.tagBack(ctx), s.r.Engine.Remove(ctx, s.fresh.ID, true)); err != nil {
		return fmt.Errorf("remove the new container: %w", err)
	}
	return s.dropKeptTag(ctx)
}
