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

// patience is how long an undoing tries again when the engine does not answer
// (it may be restarting). After that the record stays, and Recover goes on.
const patience = 2 * time.Minute

// reluctance is how long P may refuse to start before it is called down: an
// engine that has just started itself refuses for a moment.
const reluctance = 20 * time.Second

// undo rolls back, whatever happened and wherever: afterwards P stands under its
// name in the state that it was in. The caller's context must outlive a
// cancellation: once begun, a rollback is not turned round.
func (r *replacement) undo(ctx context.Context, cause error) {
	r.giveUp(cause)
	if err := r.save(ctx, core.LineRollback); err != nil {
		// A ledger that fails never stops a rollback: names and label will do.
		r.noteIf(err)
	}
	err := r.persist(ctx)
	for try := 1; errors.Is(err, errAtRest); try++ {
		r.rollBackHooks(ctx, try) // takes the time that a restore takes
		err = r.persist(ctx)
	}
	var final *failure
	if err != nil && !errors.As(err, &final) {
		r.leave(err)
	}
	switch {
	case err == nil:
	case errors.Is(err, errDown):
		r.result.Outcome = core.OutcomeDown
		r.advise()
		r.log.Error("container is down", slog.Any("error", err))
		r.enterOnce(ctx)
	default:
		r.result.Outcome = core.OutcomeFailed
		r.note("the rollback is not complete, Refit will try again: %v", err)
		r.log.Error("rollback is not complete", slog.Any("error", err))
		r.enterOnce(ctx)
	}
}

// giveUp notes the cause, and what it means for the result.
func (r *replacement) giveUp(cause error) {
	reason := reasonOf(cause, core.EngineFailed)
	var f *failure
	if errors.As(cause, &f) {
		if f.of != "" {
			r.Blamed = f.of
		}
		r.swapOf(r.Blamed).result.Evidence = f.evidence
	}
	r.Cause = &reason
	if r.result.Reason = reason; r.blamed().n > 0 {
		r.result.Reason.Code = core.MemberFailed
	}
	r.result.Outcome = core.OutcomeHeld
	if r.resumed {
		r.result.Outcome = core.OutcomeRecovered
	}
	if r.undone() {
		r.result.Outcome = core.OutcomeRolledBack
		r.log.Warn("rolling back", slog.String("reason", reason.Text), slog.String("code", string(reason.Code)))
	}
}

// undone tells whether giving up means to roll something back: before that, nobody
// has noticed anything.
func (r *replacement) undone() bool { return r.Touched || r.beside() && !r.Ran.IsZero() }

// enterOnce writes into the history that something is left to do. Who tries again
// later does not repeat it.
func (r *replacement) enterOnce(ctx context.Context) {
	if !r.resumed {
		r.noteIf(r.enter(ctx, true))
	}
}

// errDown means that P does not start any more.
var errDown = errors.New("the old container does not start either")

// persist repeats the rollback until it has gone through: each of its steps
// looks before it acts, so that doing it again is safe.
func (r *replacement) persist(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience+2*r.grace())
	defer cancel()
	began, pause := time.Now(), 100*time.Millisecond
	for {
		err := r.rollback(ctx)
		var f *failure
		down := errors.Is(err, errDown) && time.Since(began) > reluctance
		if err == nil || down || errors.Is(err, errAtRest) || errors.As(err, &f) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// rollback is R2 to R8. An error of type *failure is final, and so is errAtRest,
// where R4 is due; any other may be tried again, errDown for a while.
func (r *replacement) rollback(ctx context.Context) error {
	if err := r.each(ctx, (*swap).find); err != nil {
		return err
	}
	if over, err := r.withoutPredecessors(ctx); over || err != nil {
		return err
	}
	if err := r.setAside(ctx); err != nil {
		return err
	}
	if r.Reinstated {
		return r.tidyUndone(ctx)
	}
	if err := r.rebuildLost(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(r.swaps, func(s *swap) bool { return !s.left }) {
		return r.over(ctx)
	}
	if !r.toldOfRollback() {
		return errAtRest
	}
	if err := r.reinstate(ctx); err != nil {
		return err
	}
	r.Reinstated = true
	r.noteIf(r.save(ctx, core.LineRollback))
	return r.tidyUndone(ctx)
}

// find looks for S, and for P or what stands for it.
func (s *swap) find(ctx context.Context) (err error) {
	s.lost = nil
	if s.Part == core.Moves {
		if s.fresh, err = s.successor(ctx); err != nil {
			return err
		}
	}
	if s.old, err = s.r.Engine.Look(ctx, s.Predecessor); err != nil {
		return fmt.Errorf("inspect the old container: %w", err)
	}
	if !s.old.Exists() {
		s.old, err = s.rebuilt(ctx)
	}
	return err
}

// successor finds S, also when its id was never written down.
func (s *swap) successor(ctx context.Context) (core.Status, error) {
	for _, where := range []string{s.Successor, s.Name + core.NewSuffix, s.Name} {
		if where == "" {
			continue
		}
		found, err := s.r.Engine.Look(ctx, where)
		if err != nil {
			return core.Status{}, fmt.Errorf("look for the new container: %w", err)
		}
		if s.made(found) && !found.Mark.Rebuilt {
			s.Successor = found.ID
			return found, nil
		}
	}
	return core.Status{}, nil
}

// made tells whether the container was made in this attempt, for P.
func (s *swap) made(c core.Status) bool {
	return c.Exists() && c.Mark != nil && c.Mark.Attempt == s.r.Attempt.ID && c.Mark.Predecessor == s.Predecessor
}

// setAside is R2 and R3: each S is stopped and gives the name back, and so are those
// that were restarted after one.
func (r *replacement) setAside(ctx context.Context) error {
	served := slices.ContainsFunc(r.swaps, func(s *swap) bool { return s.fresh.State.Up() })
	for _, s := range slices.Backward(r.swaps) {
		found, again := s.fresh, s.Part == core.Restarts && served && r.Touched && !r.Reinstated
		if again {
			found = s.old
		}
		if err := s.putDown(ctx, found); err != nil {
			return err
		}
		if err := s.giveNameBack(ctx); err != nil {
			return err
		}
	}
	return nil
}

// putDown stops the container that was found, so that it stays down.
func (s *swap) putDown(ctx context.Context, found core.Status) error {
	if !found.State.Up() {
		return nil
	}
	if err := s.r.Engine.SetRestartPolicy(ctx, found.ID, core.RestartPolicy{Name: "no"}); err != nil {
		return fmt.Errorf("keep %s from restarting: %w", s.what(), err)
	}
	if s.stopped.IsZero() {
		s.stopped = time.Now()
	}
	if err := s.r.Engine.Stop(ctx, found.ID, s.Policy.StopSignal, s.Policy.StopTimeout); err != nil {
		return fmt.Errorf("stop %s: %w", s.what(), err)
	}
	if found.ID == s.old.ID {
		return s.find(ctx)
	}
	return nil
}

func (s *swap) giveNameBack(ctx context.Context) error {
	if !s.fresh.Exists() || s.fresh.Name != s.Name {
		return nil
	}
	err := s.r.Engine.Rename(ctx, s.fresh.ID, s.Name+core.NewSuffix)
	if nameTaken(err) { // by a stranger, or by another Refit: P must have its name all the same
		err = s.r.Engine.Rename(ctx, s.fresh.ID, s.Name+core.NewSuffix+"-"+s.r.Attempt.ID)
	}
	if err != nil {
		return fmt.Errorf("set the new container aside: %w", err)
	}
	return nil
}

// tidyUndone is R8: the tags back, each S away with the volumes that were made for it,
// the second tags away.
func (r *replacement) tidyUndone(ctx context.Context) error {
	var back error
	for _, s := range slices.Backward(r.swaps) {
		if s.kept {
			continue
		}
		back = errors.Join(back, s.tagBack(ctx))
		if s.fresh.Exists() {
			if err := r.Engine.Remove(ctx, s.fresh.ID, true); err != nil {
				return fmt.Errorf("remove the new container: %w", err)
			}
		}
		if err := s.dropKeptTag(ctx); err != nil {
			return err
		}
		if s.Policy.Cleanup && s.Changes() && back == nil {
			s.cleanImage(ctx, s.To.ID)
		}
	}
	if back != nil {
		return back
	}
	if err := r.over(ctx); err != nil {
		// The containers are as they should be. What is left is the ledger's.
		r.leave(err)
		r.noteIf(err)
	}
	return nil
}

// tagBack undoes what a process that died within line 3 left: the reference
// pointing to an image that was never proven.
func (s *swap) tagBack(ctx context.Context) error {
	if !s.TagMoved || s.TagBefore == "" || s.TagBefore == s.To.ID {
		return nil
	}
	reference := s.From.Reference.Text
	defer s.r.references.lock(reference)()
	now, err := s.r.Engine.Resolve(ctx, reference)
	if err != nil {
		return fmt.Errorf("look up %s: %w", reference, err)
	}
	if now != s.To.ID {
		return nil
	}
	err = s.r.Engine.Tag(ctx, s.TagBefore, reference)
	if err != nil && s.TagBefore != s.From.ID { // a prune took what it pointed to
		err = s.r.Engine.Tag(ctx, s.From.ID, reference)
	}
	if err != nil {
		return fmt.Errorf("point %s back to the old image: %w", reference, err)
	}
	return nil
}

// advise says what is where when nothing runs, and what to type.
func (r *replacement) advise() {
	for _, s := range r.swaps {
		if s.back {
			continue
		}
		r.note("the old container is %s (%s), stopped: docker start %s", s.Name, core.Short(s.Predecessor), s.Name)
		if s.Part == core.Moves {
			r.note("the new container is %s (%s), stopped: docker logs %[1]s", s.Name+core.NewSuffix, core.Short(s.Successor))
		}
	}
	r.note("when the cause is mended: refit recover")
}
