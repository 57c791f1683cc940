package loop

import (
	"context"
	"log/slog"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// run is a loop that runs. Only the goroutine of Run touches it.
type run struct {
	*Loop
	box    *inbox
	agenda agenda
	last   map[string]time.Time // nil until the memory has answered
	up     map[string]bool      // the containers at the last look: whether each ran

	listAt    time.Time // when to look at the engine again; zero if there is no need
	listed    time.Time // when that was done last; zero if never
	notBefore time.Time // no cycle before: the last one did not come about
	beatAt    time.Time
	previous  time.Time // the turn before

	stood bool // the events have stood before
	mend  bool // something may be half done: at the start, and whenever the engine has come back

	listing, cycling, mending, remembering, beating *condition
	listWait, cycleWait, mendWait                   backoff
}

func (l *Loop) begin(box *inbox) *run {
	now := wall()
	return &run{
		Loop: l, box: box, listAt: now, previous: now, mend: l.Recover != nil,
		listing:     &condition{log: l.log(), what: "look at the containers"},
		cycling:     &condition{log: l.log(), what: "run a cycle"},
		mending:     &condition{log: l.log(), what: "recover"},
		remembering: &condition{log: l.log(), what: "remember last runs"},
		beating:     &condition{log: l.log(), what: "give a sign of life"},
	}
}

// hear plans a look at the engine where the news call for one.
func (r *run) hear(n news) {
	now := wall()
	switch {
	case n.standing > 0: // whatever happened before the stream stood was missed
		r.stand(n)
		r.lookAt(now)
	case n.changed || r.unknown(n.started):
		at := now.Add(debounce)
		if next := r.listed.Add(pause); next.After(at) {
			at = next
		}
		r.lookAt(at)
	}
}

// stand notes how often the events came to stand. If it is not for the first
// time, there may be something to recover: a replacement that the engine's end
// cut short could neither go forward nor back.
func (r *run) stand(n news) {
	again := n.standing > 1 || n.standing == 1 && r.stood
	r.stood = r.stood || n.standing > 0
	r.mend = r.mend || again && r.Recover != nil
}

// unknown tells whether one of the containers did not run at the last look. The
// others only came back up: a crash loop is no reason to look again.
func (r *run) unknown(started map[string]bool) bool {
	for name := range started {
		if !r.up[name] {
			return true
		}
	}
	return false
}

func (r *run) lookAt(at time.Time) {
	if r.listAt.IsZero() || at.Before(r.listAt) {
		r.listAt = at
	}
}

// turn does what is to be done now, and returns how long there is nothing more.
func (r *run) turn(ctx context.Context) time.Duration {
	now := wall()
	if now.Before(r.previous.Add(-time.Minute)) { // the clock was set back
		r.agenda.replan(r, now)
		r.notBefore, r.beatAt = time.Time{}, time.Time{}
		r.lookAt(now)
	}
	r.previous = now
	r.beat(now)
	if !r.listAt.IsZero() && !now.Before(r.listAt) {
		r.look(ctx, now)
	}
	if due := r.agenda.due(wall()); len(due) > 0 && r.able() && ctx.Err() == nil {
		r.cycle(ctx, due)
	}
	return max(0, r.wake().Sub(wall()))
}

// able tells whether a cycle can come about. While the engine does not answer it
// cannot: the next look that succeeds is followed by one.
func (r *run) able() bool { return !r.listing.trouble && !wall().Before(r.notBefore) }

// wake is when the next turn is due.
func (r *run) wake() time.Time {
	at := r.beatAt
	if !r.listAt.IsZero() && r.listAt.Before(at) {
		at = r.listAt
	}
	if next := r.agenda.next(); next != nil && !r.listing.trouble {
		due := next.due
		if due.Before(r.notBefore) {
			due = r.notBefore
		}
		if due.Before(at) {
			at = due
		}
	}
	return at
}

func (r *run) beat(now time.Time) {
	if now.Before(r.beatAt) {
		return
	}
	r.beatAt = now.Add(pulse)
	r.alive(r.beatAt.Add(margin))
}

func (r *run) alive(until time.Time) {
	if r.Beat != nil {
		r.beating.tell(r.Beat(until))
	}
}

// look brings the agenda up to date with the engine.
func (r *run) look(ctx context.Context, now time.Time) {
	all, err := r.ask(ctx)
	if ctx.Err() != nil {
		return
	}
	r.listing.tell(err)
	if err != nil {
		r.listAt = wall().Add(r.listWait.next())
		return
	}
	r.listWait.reset()
	first := r.listed.IsZero()
	r.listAt, r.listed = time.Time{}, wall()
	r.up = map[string]bool{}
	for _, c := range all {
		r.up[c.Name] = c.State.Up()
	}
	r.Policies.Keep(all)
	r.remember(ctx, r.agenda.update(r, all, now))
	if first {
		r.start(len(all), now)
	}
	if r.mend {
		r.recover(ctx)
	}
}

// recover is called when the engine answers, first or again.
func (r *run) recover(ctx context.Context) {
	r.alive(wall().Add(longestCycle))
	err := r.Recover(ctx)
	r.beatAt = time.Time{}
	r.beat(wall())
	if ctx.Err() != nil {
		return
	}
	r.mending.tell(err)
	r.mend = err != nil
	if r.mend {
		r.lookAt(wall().Add(r.mendWait.next()))
		return
	}
	r.mendWait.reset()
}

func (r *run) ask(ctx context.Context) ([]core.Container, error) {
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if r.last == nil {
		last, err := r.Memory.LastRuns(short)
		if err != nil {
			return nil, err
		}
		r.last = map[string]time.Time{}
		for name, at := range last {
			r.last[name] = at
		}
	}
	return r.Engine.Containers(short)
}

// start says once what there is to watch.
func (r *run) start(containers int, now time.Time) {
	if r.OnStart {
		r.agenda.all(now)
	}
	next := r.agenda.next()
	if next == nil {
		r.log().Warn("no container is enabled: label them refit.enable=true, or use --all",
			slog.Int("enabled", 0), slog.Int("containers", containers))
		return
	}
	r.log().Info("watching containers", slog.Int("enabled", len(r.agenda)), slog.Int("containers", containers),
		slog.String("next", schedule.When(next.due, now)), slog.String("schedule", next.schedule.String()))
}

// cycle runs one for the containers that are due. Where it does not come about
// they stay due.
func (r *run) cycle(ctx context.Context, due map[string]bool) {
	start := wall()
	r.alive(start.Add(longestCycle))
	plan, results, err := r.Loop.cycle(ctx, due)
	r.beatAt = time.Time{}
	r.beat(wall())
	// What was heard meanwhile was mostly our own doing: one look tells the rest.
	r.stand(r.box.take())
	r.lookAt(wall())
	if ctx.Err() == nil {
		r.cycling.tell(err)
	}
	if err != nil && results == nil {
		r.notBefore = wall().Add(r.cycleWait.next())
		return
	}
	r.cycleWait.reset()
	runs := map[string]time.Time{}
	for name := range due {
		runs[name] = start
	}
	for _, step := range plan.Steps {
		if step.Reason.Code == core.NotRunning { // it is looked at when it starts
			delete(runs, step.Container.Name)
		}
	}
	r.forgetUndone(ctx, runs, results)
	r.mend = r.mend || r.Recover != nil && halfDone(results)
	r.remember(ctx, runs)
	r.agenda.ran(r, runs, wall())
	r.agenda.deferred(r, results)
}

// remember keeps last runs, here and in the memory, also where ctx has ended. A
// memory that does not work costs catching up after a restart, not the cycle.
func (r *run) remember(ctx context.Context, runs map[string]time.Time) {
	for name, at := range runs {
		r.last[name] = at
	}
	r.sweep(runs)
	if len(runs) == 0 {
		return
	}
	r.remembering.tell(r.Memory.SetLastRuns(context.WithoutCancel(ctx), runs))
}

// sweep drops the names of containers that are long gone. A short absence is
// none: between removing a container and making it anew compose takes its time.
func (r *run) sweep(runs map[string]time.Time) {
	const gone = 30 * 24 * time.Hour
	for name, at := range r.last {
		if _, there := r.up[name]; !there && wall().Sub(at) > gone {
			delete(r.last, name)
			runs[name] = time.Time{}
		}
	}
}
