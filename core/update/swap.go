package update

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// takePlace waits until few enough containers are between stop and start.
func (r *replacement) takePlace(ctx context.Context, places chan struct{}) error {
	if !r.State.Up() {
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

// stop is line 5: P is checked once more, gets restart policy "no" so that its
// stop cannot bring it back, and is stopped.
func (r *replacement) stop(ctx context.Context) error {
	p, err := r.unchanged(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	if !r.State.Up() {
		return nil
	}
	r.Touched = true
	if err := r.save(ctx, core.LineStop); err != nil {
		r.Touched = false
		return err
	}
	if err := r.park(ctx, p); err != nil {
		return err
	}
	r.log.Info("stopping", slog.String("signal", r.Policy.StopSignal))
	r.stopped = time.Now()
	ctx, cancel := uncut(ctx, r.grace()+callLimit)
	defer cancel()
	asked := r.Engine.Stop(ctx, r.Predecessor, r.Policy.StopSignal, r.Policy.StopTimeout)
	// What the answer was does not matter: is it down?
	p, err = r.Engine.Look(ctx, r.Predecessor)
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

// grace is how long a stop may take before the engine kills.
func (r *replacement) grace() time.Duration {
	switch grace := r.Policy.StopTimeout; {
	case grace < 0:
		return longestGrace
	case grace == 0:
		return 10 * time.Second // the engine's own
	default:
		return grace
	}
}

// unchanged looks once more whether P is what was recorded, before it is touched.
func (r *replacement) unchanged(ctx context.Context) (core.Status, error) {
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return p, engineFailed(err, "inspect it")
	}
	if p.Name != r.Name || p.State.Up() != r.State.Up() {
		return p, fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started meanwhile")
	}
	differences, err := r.Engine.Differences(ctx, core.Draft{From: r.Snapshot}, r.Predecessor)
	if err != nil {
		return p, engineFailed(err, "look for changes")
	}
	if len(differences) > 0 {
		return p, fail(core.ChangedMeanwhile, "its settings were changed meanwhile: %s", strings.Join(differences, "; "))
	}
	return p, nil
}

// park sets the restart policy "no", where it is another.
func (r *replacement) park(ctx context.Context, p core.Status) error {
	if parked(p) {
		return nil
	}
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := r.Engine.SetRestartPolicy(ctx, p.ID, core.RestartPolicy{Name: "no"}); err != nil {
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

// rename is line 7: P is parked beside its name, S takes it.
func (r *replacement) rename(ctx context.Context) error {
	if err := r.save(ctx, core.LineRename); err != nil {
		return err
	}
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := r.Engine.Rename(ctx, r.Predecessor, r.Name+core.OldSuffix); err != nil {
		return fail(core.NameTaken, "park the old container: %v", err)
	}
	if err := r.Engine.Rename(ctx, r.Successor, r.Name); err != nil {
		return fail(core.NameTaken, "give the new container its name: %v", err)
	}
	return nil
}

// start is line 8, first half: S runs.
func (r *replacement) start(ctx context.Context) error {
	if r.State.Up() {
		r.Ran = time.Now()
	}
	if err := r.save(ctx, core.LineStart); err != nil {
		r.Ran = time.Time{}
		return err
	}
	if !r.State.Up() {
		return nil
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	r.log.Info("starting")
	ctx, cancel := uncut(ctx, callLimit)
	defer cancel()
	if err := r.Engine.Start(ctx, r.Successor); err != nil {
		return fail(core.StartFailed, "start the new container: %v", err)
	}
	r.result.Downtime = time.Since(r.stopped)
	r.place()
	return nil
}

// watch is line 8, second half: the gate.
func (r *replacement) watch(ctx context.Context) error {
	if !r.State.Up() {
		return nil
	}
	if err := r.gate(ctx); err != nil {
		return err
	}
	if !r.stopped.IsZero() { // unknown to a process that resumes another's gate
		r.result.DowntimeToHealthy = time.Since(r.stopped)
	}
	return nil
}
