package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	reason := reasonOf(cause, core.EngineFailed)
	var f *failure
	if errors.As(cause, &f) {
		r.result.Evidence = f.evidence
	}
	r.Cause = &reason
	r.result.Reason = reason
	r.result.Outcome = core.OutcomeHeld
	if r.resumed {
		r.result.Outcome = core.OutcomeRecovered
	}
	if r.Touched {
		r.result.Outcome = core.OutcomeRolledBack
		r.log.Warn("rolling back", slog.String("reason", reason.Text), slog.String("code", string(reason.Code)))
	}
	if err := r.save(ctx, core.LineRollback); err != nil {
		// A ledger that fails never stops a rollback: names and label will do.
		r.result.Notes = append(r.result.Notes, err.Error())
	}
	err := r.persist(ctx)
	for try := 1; errors.Is(err, errAtRest); try++ {
		r.rollBackHooks(ctx, try) // takes the time that a restore takes
		err = r.persist(ctx)
	}
	if err != nil && !errors.As(err, &f) {
		r.leave(err)
	}
	switch {
	case err == nil:
	case errors.Is(err, errDown):
		r.result.Outcome = core.OutcomeDown
		r.result.Notes = append(r.result.Notes, r.advice()...)
		r.log.Error("container is down", slog.Any("error", err))
		r.enterOnce(ctx)
	default:
		r.result.Outcome = core.OutcomeFailed
		r.result.Notes = append(r.result.Notes, "the rollback is not complete, Refit will try again: "+err.Error())
		r.log.Error("rollback is not complete", slog.Any("error", err))
		r.enterOnce(ctx)
	}
}

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
	s, err := r.successor(ctx)
	if err != nil {
		return err
	}
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return fmt.Errorf("inspect the old container: %w", err)
	}
	if !p.Exists() {
		if p, err = r.withoutPredecessor(ctx, s); err != nil {
			return err
		}
		if !p.Exists() {
			return nil
		}
	}
	if err := r.setAside(ctx, s); err != nil {
		return err
	}
	if r.Reinstated {
		return r.tidyUndone(ctx, s)
	}
	if r.atRest = p.ID; !r.toldOfRollback() {
		return errAtRest
	}
	if err := r.reinstate(ctx, p); err != nil {
		return err
	}
	r.Reinstated = true
	r.noteIf(r.save(ctx, core.LineRollback))
	return r.tidyUndone(ctx, s)
}

// successor finds S, also when its id was never written down.
func (r *replacement) successor(ctx context.Context) (core.Status, error) {
	for _, where := range []string{r.Successor, r.Name + core.NewSuffix, r.Name} {
		if where == "" {
			continue
		}
		s, err := r.Engine.Look(ctx, where)
		if err != nil {
			return core.Status{}, fmt.Errorf("look for the new container: %w", err)
		}
		// A rebuilt predecessor has the mark too, but the old image. So may a
		// successor that was made after the tag had been put back.
		rebuilt := s.Name == r.Name && s.ImageID == r.From.ID
		if s.Exists() && s.Mark != nil && s.Mark.Attempt == r.Attempt.ID && !rebuilt {
			r.Successor = s.ID
			return s, nil
		}
	}
	return core.Status{}, nil
}

// setAside is R2 and R3: S is stopped and gives the name back.
func (r *replacement) setAside(ctx context.Context, s core.Status) error {
	if !s.Exists() {
		return nil
	}
	if s.State.Up() || s.State == core.Paused {
		if err := r.Engine.SetRestartPolicy(ctx, s.ID, core.RestartPolicy{Name: "no"}); err != nil {
			return fmt.Errorf("keep the new container from restarting: %w", err)
		}
		if r.stopped.IsZero() {
			r.stopped = time.Now()
		}
		if err := r.Engine.Stop(ctx, s.ID, r.Policy.StopSignal, r.Policy.StopTimeout); err != nil {
			return fmt.Errorf("stop the new container: %w", err)
		}
	}
	if s.Name != r.Name {
		return nil
	}
	err := r.Engine.Rename(ctx, s.ID, r.Name+core.NewSuffix)
	if nameTaken(err) { // by a stranger, or by another Refit: P must have its name all the same
		err = r.Engine.Rename(ctx, s.ID, r.Name+core.NewSuffix+"-"+r.Attempt.ID)
	}
	if err != nil {
		return fmt.Errorf("set the new container aside: %w", err)
	}
	return nil
}

// reinstate is R5 to R7: P has its name, runs if it ran, and has its policy.
func (r *replacement) reinstate(ctx context.Context, p core.Status) error {
	if !r.Touched && r.State.Up() {
		return nil // it was never parked by us: whatever its name is, it is somebody's will
	}
	if p.Name == r.Name+core.OldSuffix {
		err := r.Engine.Rename(ctx, p.ID, r.Name)
		if nameTaken(err) {
			return fail(core.Stranger, "somebody else's container has the name %s; the old one is parked as %s", r.Name, p.Name)
		}
		if err != nil {
			return fmt.Errorf("give the old container its name: %w", err)
		}
	}
	if !r.Touched {
		return nil
	}
	if err := r.runAgain(ctx, p); err != nil {
		return err
	}
	// Set even where p had it when it was looked at: the process before may have
	// died while the engine was about to change it.
	if err := r.Engine.SetRestartPolicy(ctx, p.ID, r.RestartPolicy); err != nil {
		return fmt.Errorf("give the old container its restart policy: %w", err)
	}
	return nil
}

// runAgain is R6: P runs, and still runs a moment later.
func (r *replacement) runAgain(ctx context.Context, p core.Status) error {
	up := p.State.Up()
	if up && r.stopMayBeUnderWay(p) {
		// Asking once more joins the stop that is under way, and waits for it.
		// A container that will not stop runs, which is what is wanted here.
		if err := r.Engine.Stop(ctx, p.ID, r.Policy.StopSignal, r.Policy.StopTimeout); err != nil {
			r.log.Debug("stop again", slog.Any("error", err))
		}
		now, err := r.Engine.Look(ctx, p.ID)
		if err != nil {
			return fmt.Errorf("inspect the old container: %w", err)
		}
		up = now.State.Up()
	}
	if !up {
		r.log.Info("starting the old container again")
		if err := r.Engine.Start(ctx, p.ID); err != nil {
			return r.startFailed(ctx, p.ID, err)
		}
		if !r.stopped.IsZero() {
			r.result.Downtime = time.Since(r.stopped)
		}
		if err := r.seeItRun(ctx, p.ID); err != nil {
			return err
		}
	}
	r.result.ID = p.ID
	return nil
}

// stopMayBeUnderWay tells whether line 5 may have asked P to stop without
// anybody having seen the end of it: the engine goes on when its caller is gone.
func (r *replacement) stopMayBeUnderWay(p core.Status) bool {
	return p.Name == r.Name && parked(p) &&
		(r.RunningSince.IsZero() || r.RunningSince.Equal(p.StartedAt))
}

// seeItRun looks a moment after the start whether P is still up.
func (r *replacement) seeItRun(ctx context.Context, id string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
	}
	p, err := r.Engine.Look(ctx, id)
	if err != nil {
		return fmt.Errorf("see the old container run: %w", err)
	}
	if p.Exists() && !p.State.Up() && r.State == core.Running {
		return r.startFailed(ctx, id, fmt.Errorf("it ended at once with exit code %d", p.ExitCode))
	}
	return nil
}

// startFailed tells an engine that does not answer from a container that does
// not start. The policy goes back all the same: an engine's restart may help.
func (r *replacement) startFailed(ctx context.Context, id string, cause error) error {
	p, err := r.Engine.Look(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("start the old container: %w", cause)
	case p.State.Up():
		return fmt.Errorf("start the old container, which runs: %w", cause) // tried again, and found running
	}
	if err := r.Engine.SetRestartPolicy(ctx, id, r.RestartPolicy); err != nil {
		return fmt.Errorf("give the old container its restart policy: %w", err)
	}
	return fmt.Errorf("%w: %w", errDown, cause)
}

// tidyUndone is R8: the tag back, S away with the volumes that were made for it,
// the second tag away.
func (r *replacement) tidyUndone(ctx context.Context, s core.Status) error {
	back := r.tagBack(ctx)
	if s.Exists() {
		if err := r.Engine.Remove(ctx, s.ID, true); err != nil {
			return fmt.Errorf("remove the new container: %w", err)
		}
	}
	if err := r.dropKeptTag(ctx); err != nil {
		return err
	}
	if back != nil {
		return back
	}
	if r.Policy.Cleanup {
		r.cleanImage(ctx, r.To.ID)
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
func (r *replacement) tagBack(ctx context.Context) error {
	if !r.TagMoved || r.TagBefore == "" || r.TagBefore == r.To.ID {
		return nil
	}
	defer r.references.lock(r.From.Reference.Text)()
	now, err := r.Engine.Resolve(ctx, r.From.Reference.Text)
	if err != nil {
		return fmt.Errorf("look up %s: %w", r.From.Reference.Text, err)
	}
	if now != r.To.ID {
		return nil
	}
	err = r.Engine.Tag(ctx, r.TagBefore, r.From.Reference.Text)
	if err != nil && r.TagBefore != r.From.ID { // a prune took what it pointed to
		err = r.Engine.Tag(ctx, r.From.ID, r.From.Reference.Text)
	}
	if err != nil {
		return fmt.Errorf("point %s back to the old image: %w", r.From.Reference.Text, err)
	}
	return nil
}

// advice says what is where when nothing runs, and what to type.
func (r *replacement) advice() []string {
	return []string{
		fmt.Sprintf("the old container is %s (%s), stopped: docker start %s", r.Name, core.Short(r.Predecessor), r.Name),
		fmt.Sprintf("the new container is %s (%s), stopped: docker logs %[1]s", r.Name+core.NewSuffix, core.Short(r.Successor)),
		"when the cause is mended: refit recover",
	}
}
