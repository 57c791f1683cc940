// Package loop is the core loop: it knows which containers are due when, hears
// of new ones from the engine's events, and runs a cycle for those whose time has
// come. It goes on whatever the engine does, until it is told to stop.
//
// Nothing here decides what is done to a container (core), does it (core/update),
// or tells people of it: plan and results are handed on.
package loop

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// Engine is what the loop must know of a container engine.
type Engine interface {
	// Containers returns every container of the engine, running or not.
	Containers(ctx context.Context) ([]core.Container, error)
	// Watch calls seen with what happens to containers until the stream is lost
	// or ctx ends, and has made its last call when it returns. It calls seen once
	// with the zero Event as soon as the stream stands: what happens from then on
	// is not missed.
	Watch(ctx context.Context, seen func(core.Event)) error
}

// Updater does the work of a cycle. update.Updater is the real one.
type Updater interface {
	// Plan reads; its error means that the engine did not answer. Due names the
	// containers whose time has come, nil means all.
	Plan(ctx context.Context, due map[string]bool, only []string) (core.Plan, error)
	// Apply writes. When ctx ends it returns soon, with everything in a state
	// that it can be left in.
	Apply(ctx context.Context, plan core.Plan) []core.Result
}

// Memory keeps the last runs across restarts, by container name.
type Memory interface {
	LastRuns(ctx context.Context) (map[string]time.Time, error)
	// SetLastRuns adds to what is known; the zero time drops a name.
	SetLastRuns(ctx context.Context, runs map[string]time.Time) error
}

// Loop is the configuration of a loop. Its fields are set before it runs.
type Loop struct {
	Engine   Engine        // required
	Updater  Updater       // required
	Memory   Memory        // required
	Settings core.Settings // required
	// Policies are of the same Settings, and may be the Updater's, too: it is not called
	// at the same time. Nil reads all labels at every look.
	Policies *core.Policies

	// Default is for containers whose policy names no schedule. Required.
	Default schedule.Schedule
	// Zone is that of schedules which name none; nil means the machine's.
	Zone *time.Location
	// Only limits the loop to containers of these names; empty means all.
	Only []string
	// OnStart asks for a cycle over all containers at once.
	OnStart bool
	// CatchUp makes up, once, for the times that went by while nothing ran.
	CatchUp bool
	// Jitter delays each due time by a random part of it.
	Jitter time.Duration

	// Lock makes this process the only one that changes containers; a cycle
	// that has something to change waits until it can be had. Nil means that
	// there is nobody else.
	Lock func(context.Context) (unlock func() error, err error)
	// Recover finishes or undoes what was left half done: by a process before, by
	// an engine that went away, or by a cycle that could not put things right. It is
	// called, from the goroutine of Run and between cycles, at the start and after
	// each of these, and again until it returns nil. Nil means that there is no need.
	Recover func(context.Context) error
	// Report hears of every cycle, from the goroutine of Run. Nil means nobody.
	Report func(core.Plan, []core.Result)
	// Beat is told until when the loop is to be taken for alive: some minutes
	// ahead while it is idle, an hour when a cycle begins. Nil means nobody.
	Beat func(until time.Time) error
	// Log hears of the loop's own troubles, once when they begin and once when
	// they end; nil means silence.
	Log *slog.Logger
}

const (
	// debounce gathers the events of something that happens all at once.
	debounce = time.Second
	// pause lies between two looks at the engine that events ask for: a host
	// that starts jobs by the second must not keep the engine busy with us.
	pause = 5 * time.Second
	// patience bounds one look at an engine that takes the question and does
	// not answer.
	patience = time.Minute
	// pulse is how often the loop wakes while it is idle. It also bounds how late
	// it notices that the machine slept, or that its clock was set.
	pulse = 30 * time.Second
	// margin is how long the loop may be late before it is taken for dead; it
	// has room for one look at an engine that does not answer.
	margin = 2 * time.Minute
	// longestCycle is how long a cycle may take before the loop is taken for dead.
	longestCycle = time.Hour
)

// Run runs the loop until ctx ends, and then returns nil as soon as a cycle that
// is under way has come to its end. Nothing else ends it.
func (l *Loop) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	box := newInbox()
	var group sync.WaitGroup
	group.Go(func() { l.watch(ctx, box) })
	defer group.Wait()
	defer stop()

	r := l.begin(box)
	defer func() { r.alive(wall()) }() // who has ended is not alive for another minute
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-box.bell:
			r.hear(box.take())
		case <-timer.C:
		}
		timer.Reset(r.turn(ctx))
	}
}

// RunOnce runs one cycle over all containers, due or not. The error says why
// there was none, or what could not be remembered of it.
func (l *Loop) RunOnce(ctx context.Context) (core.Plan, []core.Result, error) {
	start := wall()
	plan, results, err := l.cycle(ctx, nil)
	if err != nil {
		return plan, results, err
	}
	runs := map[string]time.Time{}
	for _, step := range plan.Steps {
		if _, ok := l.watched(step.Container); ok {
			runs[step.Container.Name] = start
		}
	}
	l.forgetUndone(ctx, runs, results)
	return plan, results, l.Memory.SetLastRuns(context.WithoutCancel(ctx), runs)
}

// cycle plans and applies. A plan that changes nothing needs no lock, so that
// a look does not get in the way of another process.
func (l *Loop) cycle(ctx context.Context, due map[string]bool) (plan core.Plan, results []core.Result, err error) {
	plan, err = l.Updater.Plan(ctx, due, l.Only)
	if err != nil {
		return plan, nil, err
	}
	if l.Lock != nil && changes(plan) {
		unlock, lockErr := l.Lock(ctx)
		if lockErr != nil {
			return plan, nil, lockErr
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	results = l.Updater.Apply(ctx, plan)
	if l.Report != nil {
		l.Report(plan, results)
	}
	return plan, results, nil
}

func changes(plan core.Plan) bool {
	for _, step := range plan.Steps {
		if step.Action == core.Update {
			return true
		}
	}
	return false
}

// forgetUndone takes out the containers that a cancelled cycle did not get to, and
// those that were put off: they are due again at the next start.
func (l *Loop) forgetUndone(ctx context.Context, runs map[string]time.Time, results []core.Result) {
	for _, result := range results {
		cut := ctx.Err() != nil && (result.Outcome == core.OutcomeInterrupted || result.Reason.Code == core.Cancelled)
		if cut || l.putOff(result) {
			delete(runs, result.Name)
		}
	}
}

// putOff tells whether the container is due again out of its turn. A hook that asks
// for it is obeyed. What a registry did not answer is a missed run, to be caught up or not.
func (l *Loop) putOff(result core.Result) bool {
	missed := result.Reason.Code == core.RateLimited || result.Reason.Code == core.DependencyHeld
	return !result.RetryAt.IsZero() && (l.CatchUp || !missed)
}

// halfDone tells whether a cycle left something for Recover.
func halfDone(results []core.Result) bool {
	return slices.ContainsFunc(results, func(r core.Result) bool { return r.Open })
}

// wall is the present as the clock on the wall shows it. With Go's second, hidden
// reading, comparisons would not notice that the clock was set or the machine slept.
func wall() time.Time { return time.Now().Round(0) }

func (l *Loop) log() *slog.Logger {
	if l.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Log
}
