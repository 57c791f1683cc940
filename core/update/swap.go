package update

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// takePlace waits until few enough containers are between stop and start.
func (r *replacement) takePlace(ctx context.Context, places chan struct{}) error {
	if !r.up() {
		return nil
	}
	select {
	case places <- struct{}{}:
		r.place = sync.OnceFunc(func() { <-places })
		return nil
	case <-ctx.Done():
		return fail(core.Cancelled, "Refit was asked to end")
	}
}

// stop is line 5: each P is checked once more, gets restart policy "no" so that its
// stop cannot bring it back, and is stopped, the last of the group first.
func (r *replacement) stop(ctx context.Context) error {
	if err := r.each(ctx, (*swap).unchanged); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	if !r.up() {
		return nil
	}
	r.Touched = true
	if err := r.save(ctx, core.LineStop); err != nil {
		r.Touched = false
		return err
	}
	for _, s := range slices.Backward(r.swaps) {
		if err := s.stop(ctx); err != nil {
			return s.named(err)
		}
	}
	return nil
}

// stop sees to it that P is down, and stays down.
func (s *swap) stop(ctx context.Context) error {
	if !s.State.Up() {
		return nil
	}
	if err := s.park(ctx); err != nil {
		return err
	}
	s.log.Info("stopping", slog.String("signal", s.Policy.StopSignal))
	s.stopped = time.Now()
	ctx, cancel := uncut(ctx, s.grace()+callLimit)
	defer cancel()
	asked := s.r.Engine.Stop(ctx, s.Predecessor, s.Policy.StopSignal, s.Policy.StopTimeout)
	// What the answer was does not matter: is it down?
	p, err := s.r.Engine.Look(ctx, s.Predecessor)
	switch {
	case err != nil:
		return engineFailed(err, "see that it is down")
	case p.Exists() && !p.State.Up():
		return nil
	case asked != nil:
		return fail(core.StopFailed, "it does not stop: %v", asked)
	default:
		return fail(core.StopFailed, "it is %s after its stop", stateOf(p))
	}
}

// callLimit bounds one call that changes something. No good engine needs half of it.
const callLimit = 2 * time.Minute

// longestGrace bounds a container's own grace: it may say that it waits for ever.
const longestGrace = 24 * time.Hour

// uncut is the context of calls that change something. An engine goes on with
// what it was asked to do when its caller hangs up: whoever undoes it would look
// too early, and miss it. An engine that never answers is given up all the same.
func uncut(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// grace is how long the stops may take before the engine kills.
func (r *replacement) grace() (all time.Duration) {
	for _, s := range r.swaps {
		all += s.grace()
	}
	return all
}

// grace is how long a stop may take before the engine kills.
func (s *swap) grace() time.Duration {
	switch grace := s.Policy.StopTimeout; {
	case grace < 0:
		return longestGrace
	case grace == 0:
		return 10 * time.Second // the engine's own
	default:
		return grace
	}
}

// unchanged looks once more whether P is what was recorded, before it is touched.
func (s *swap) unchanged(ctx context.Context) error {
	p, err := s.r.Engine.Look(ctx, s.Predecessor)
	if err != nil {
		return engineFailed(err, "inspect it")
	}
	if s.old = p; p.Name != s.Name || p.State.Up() != s.State.Up() {
		return fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started meanwhile")
	}
	differences, err := s.r.Engine.Differences(ctx, core.Draft{From: s.Snapshot}, s.Predecessor)
	if err != nil {
		return engineFailed(err, "look for changes")
	}
	if len(differences) > 0 {
		return fail(core.ChangedMeanwhile, "its settings were changed meanwhile: %s", strings.Join(differences, "; "))
	}
	return nil
}

// park sets the restart policy "no", where it was another when it was looked at.
func (s *swap) park(ctx context.Context) error {
	if parked(s.old) {
		return nil
	}
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := s.r.Engine.SetRestartPolicy(ctx, s.Predecessor, core.RestartPolicy{Name: "no"}); err != nil {
		return engineFailed(err, "set its restart policy to no")
	}
	return nil
}

// parked tells whether the engine leaves the container alone when it ends.
func parked(p core.Status) bool {
	return p.RestartPolicy.Name == "no" || p.RestartPolicy.Name == ""
}

func stateOf(s core.Status) string {
	if !s.Exists() {
		return "gone"
	}
	return string(s.State)
}

// rename is line 7: each P is parked beside its name, its S takes it.
func (r *replacement) rename(ctx context.Context) error {
	if err := r.save(ctx, core.LineRename); err != nil {
		return err
	}
	return r.eachMoving(ctx, (*swap).rename)
}

func (s *swap) rename(ctx context.Context) error {
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := s.r.Engine.Rename(ctx, s.Predecessor, s.Name+core.OldSuffix); err != nil {
		return fail(core.NameTaken, "park the old container: %v", err)
	}
	if err := s.r.Engine.Rename(ctx, s.Successor, s.Name); err != nil {
		return fail(core.NameTaken, "give the new container its name: %v", err)
	}
	return nil
}

// start is line 8: one after another they run and pass their gates, those that
// others need first.
func (r *replacement) start(ctx context.Context) error {
	if r.up() {
		r.Ran = time.Now()
	}
	if err := r.save(ctx, core.LineStart); err != nil {
		r.Ran = time.Time{}
		return err
	}
	for i, s := range r.swaps {
		if err := s.start(ctx); err != nil {
			return s.named(err)
		}
		if i == len(r.swaps)-1 {
			r.place() // who is only watched holds none
		}
		if err := s.watch(ctx); err != nil {
			r.startRest(ctx, i+1, err)
			return s.named(err)
		}
	}
	return nil
}

// startRest starts those whose turn has not come when Refit is to end while another
// one is watched: nobody knows when the next start goes on. What does not start now is
// for that one to tell.
func (r *replacement) startRest(ctx context.Context, from int, err error) {
	if !errors.Is(err, errInterrupted) {
		return
	}
	for _, s := range r.swaps[from:] {
		if err := s.start(context.WithoutCancel(ctx)); err != nil {
			s.log.Warn("starting it before Refit ends", slog.Any("error", err))
		}
	}
}

// start starts what is to run in P's place, which may be P itself.
func (s *swap) start(ctx context.Context) error {
	if !s.State.Up() {
		return nil
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	s.log.Info("starting")
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := s.r.Engine.Start(ctx, s.next()); err != nil {
		return s.notStarted(ctx, err)
	}
	if err := s.policyBack(ctx); err != nil {
		return engineFailed(err, "give it its restart policy")
	}
	if !s.stopped.IsZero() {
		s.result.Downtime = time.Since(s.stopped)
	}
	return nil
}

// notStarted says why it does not run. One that somebody has removed is no fault of an
// image, and one that somebody has made anew under its own name is left to whoever did.
func (s *swap) notStarted(ctx context.Context, cause error) error {
	now, err := s.r.Engine.Look(ctx, s.next())
	if err != nil || now.Exists() {
		return fail(core.StartFailed, "start %s: %v", s.what(), cause)
	}
	if s.Part == core.Restarts {
		if now, err = s.r.Engine.Look(ctx, s.Name); err == nil && now.Exists() {
			return s.supersede(ctx)
		}
	}
	return fail(core.ChangedMeanwhile, "somebody removed %s", s.what())
}

// policyBack gives a container that was restarted its policy. A successor has it from
// its creation.
func (s *swap) policyBack(ctx context.Context) error {
	if s.Part != core.Restarts || !s.State.Up() || s.left {
		return nil
	}
	return s.r.Engine.SetRestartPolicy(ctx, s.Predecessor, s.RestartPolicy)
}

// next is the id of what is to run in P's place.
func (s *swap) next() string {
	if s.Part == core.Restarts {
		return s.Predecessor
	}
	return s.Successor
}

// what is how people are told of it.
func (s *swap) what() string {
	if s.Part == core.Restarts {
		return "the container"
	}
	return "the new container"
}

// unjudged tells whether nothing can be told of how it is: it was not well before, and
// has no new image.
func (s *swap) unjudged() bool { return s.Ailing && !s.Changes() }

// halt stops what is to run in P's place. With no signal it is the container's own,
// which always keeps it down.
func (s *swap) halt(ctx context.Context, signal string) error {
	ctx, cancel := uncut(ctx, s.grace()+callLimit)
	defer cancel()
	return s.r.Engine.Stop(ctx, s.next(), signal, s.Policy.StopTimeout)
}

// watch is the gate, for whoever can be judged.
func (s *swap) watch(ctx context.Context) error {
	if !s.State.Up() || s.left {
		return nil
	}
	if s.unjudged() {
		s.r.note("%s was not well before, so that nobody judged how it is now", s.Name)
		return nil
	}
	if err := s.gate(ctx); err != nil {
		return err
	}
	if !s.stopped.IsZero() { // unknown to a process that resumes another's gate
		s.result.DowntimeToHealthy = time.Since(s.stopped)
	}
	return nil
}
