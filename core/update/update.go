// Package update is the engine room: it looks at what there is and has a plan
// made (Plan), carries a plan out (Apply), and finishes or undoes what an earlier
// process left behind (Recover).
//
// Nothing here knows Docker, HTTP, a file or a flag: the interfaces in engine.go
// say what is needed. Nothing here decides what to update: that is core.MakePlan.
package update

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// Updater makes plans and carries them out. Its fields are set before its first
// use and not changed afterwards; its methods may be called one at a time.
type Updater struct {
	Engine   Engine        // required
	Registry Checker       // required
	Reader   Reader        // nil if nobody can be asked what an image says
	Journal  Journal       // required
	Hooks    Hooks         // nil if there are none
	Deputy   Deputy        // required where Settings.Self is set
	Settings core.Settings // required
	// Policies are of the same Settings, and remember from one plan to the next what
	// labels say; nil remembers it for one plan.
	Policies *core.Policies
	// Owner is this instance's id, 12 hexadecimal digits: the same after a
	// restart, another one for every other Refit on the engine. Required.
	Owner string
	// Impatient tries what a back-off would put off: a person asks, and waits.
	Impatient bool
	// Force tries what is quarantined, too.
	Force bool
	// Adopt lets Recover finish or undo what another Refit began, too. Only a
	// person can know that the other one is gone.
	Adopt bool
	// Only limits Recover to the replacements that a container of this name takes part
	// in; "" means all of them.
	Only string
	// Parallel bounds the containers that are between stop and start at one
	// time; 0 means 4.
	Parallel int
	// PullParallel bounds the pulls that run at one time; 0 means 2.
	PullParallel int
	// Screen shows the pulls; nil has Log told how far they are every ten seconds.
	Screen Screen
	// Log hears of the steps as they happen; nil means silence.
	Log *slog.Logger

	readings   readings
	references keyed // one replacement at a time moves a reference's tag
}

// Plan looks at the engine and asks the registries, and returns what is to be
// done. It changes nothing. Due and only are core.World's.
func (u *Updater) Plan(ctx context.Context, due map[string]bool, only []string) (core.Plan, error) {
	all, err := u.Engine.Containers(ctx)
	if err != nil {
		return core.Plan{}, fmt.Errorf("list containers: %w", err)
	}
	w := core.World{Containers: all, Settings: u.Settings, Policies: u.policies(), Due: due, Only: only}
	if w.Lessons, err = u.lessons(ctx); err != nil {
		return core.Plan{}, err
	}
	if w.Defaults, err = u.remembered(ctx, w); err != nil {
		return core.Plan{}, err
	}
	answers, err := u.ask(ctx, w.Queries())
	if err != nil {
		return core.Plan{}, err
	}
	w.Hooks = u.describe(ctx, w.HookNames())
	return core.MakePlan(w, answers), nil
}

func (u *Updater) policies() *core.Policies {
	if u.Policies != nil {
		return u.Policies
	}
	return u.Settings.Policies()
}

// lessons returns those that hold now.
func (u *Updater) lessons(ctx context.Context) ([]core.Lesson, error) {
	if u.Force {
		return nil, nil
	}
	all, err := u.Journal.Lessons(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	now := time.Now()
	return slices.DeleteFunc(all, func(l core.Lesson) bool {
		return l.Over(now) || u.Impatient && !l.Until.IsZero()
	}), nil
}

// PlanBack returns the plan that moves one container of all to an image that it
// ran before. The image need not be on the engine any more if it has a digest.
// What holds the container back from an update holds it back from this, too.
func (u *Updater) PlanBack(ctx context.Context, all []core.Container, name string, to core.Image) (core.Plan, error) {
	if to.Digest != "" {
		id, err := u.Engine.Resolve(ctx, to.Reference.Repository+"@"+to.Digest)
		if err != nil {
			return core.Plan{}, fmt.Errorf("look up the image: %w", err)
		}
		to.ID = id
	}
	w := core.World{Containers: all, Settings: u.Settings, Policies: u.policies(), Only: []string{name}}
	var err error
	if w.Defaults, err = u.remembered(ctx, w); err != nil {
		return core.Plan{}, err
	}
	w.Hooks = u.describe(ctx, w.HookNames())
	return core.PlanBack(w, to), nil
}

// ask has the registry's questions answered by the registry, and the local ones
// by the engine.
func (u *Updater) ask(ctx context.Context, queries []core.Query) (map[core.Query]core.Answer, error) {
	var remote []core.Query
	answers := map[core.Query]core.Answer{}
	for _, q := range queries {
		if !q.Local {
			remote = append(remote, q)
			continue
		}
		id, err := u.Engine.Resolve(ctx, q.Reference.Text)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", q.Reference.Text, err)
		}
		answers[q] = core.Answer{ImageID: id}
		if id == "" {
			answers[q] = core.Answer{Fault: core.Reason{
				Code: core.NotFound, Text: "the engine has no image " + q.Reference.Text + ", and refit.pull is false",
			}}
		}
	}
	if len(remote) > 0 {
		for q, a := range u.Registry.Check(ctx, remote) {
			answers[q] = a
		}
	}
	return answers, ctx.Err()
}

// Apply carries the plan out and returns one result for each step, in the plan's
// order. Steps that do not wait for one another go in parallel; that which replaces
// Refit itself comes last. Cancelling ctx begins nothing new; what has begun is undone,
// or left in its gate for Recover.
func (u *Updater) Apply(ctx context.Context, plan core.Plan) []core.Result {
	defer u.rest()
	u.remember(ctx, plan)
	v := &voyage{
		Updater: u,
		places:  make(chan struct{}, u.parallel()),
		ended:   map[string]*ending{},
		pulls:   u.newPulls(),
	}
	results := make([]core.Result, len(plan.Steps))
	at := map[string]int{} // container name → where its step is
	for i, s := range plan.Steps {
		at[s.Container.Name], results[i] = i, settled(s)
	}
	put := func(all []core.Result) {
		for _, r := range all {
			if i, there := at[r.Name]; there {
				results[i] = r
			}
		}
	}
	others, self := u.updates(plan)
	for _, s := range others {
		v.expect(s)
	}
	var group sync.WaitGroup
	for _, s := range others {
		group.Go(func() {
			put(v.guarded(ctx, s))
			v.ended[s.Container.ID].end(results[at[s.Container.Name]].Outcome)
			for _, m := range s.Members {
				v.ended[m.Container.ID].end(results[at[m.Container.Name]].Outcome)
			}
		})
	}
	group.Wait()
	for _, s := range self {
		put(v.handOver(ctx, s))
	}
	return results
}

// updates are the plan's, in its order, and apart from them that of Refit itself: for it
// nobody waits.
func (u *Updater) updates(plan core.Plan) (others, self []core.Step) {
	for _, s := range plan.Steps {
		switch {
		case s.Action != core.Update:
		case u.isSelf(s.Container.ID):
			self = append(self, s)
		default:
			others = append(others, s)
		}
	}
	return others, self
}

func (u *Updater) parallel() int {
	if u.Parallel > 0 {
		return u.Parallel
	}
	return 4
}

// log tells of one container.
func (u *Updater) log(name string) *slog.Logger {
	return u.logger().With(slog.String("container", name))
}

func (u *Updater) logger() *slog.Logger {
	if u.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return u.Log
}

// runs is the image that a container runs, with the digest that registries
// know it by.
func runs(c core.Container) core.Image {
	image := c.Image
	image.Digest = c.Digest()
	return image
}

// settled is the result of a step that does nothing.
func settled(s core.Step) core.Result {
	r := core.Result{
		Name: s.Container.Name, ID: s.Container.ID, Reason: s.Reason,
		From: runs(s.Container), To: s.To, Started: time.Now(), RetryAt: s.RetryAt,
		FromVersion: core.VersionOf(s.Container.Labels), Notify: s.Policy.Notify,
	}
	switch s.Action {
	case core.Notify:
		r.Outcome = core.OutcomeAvailable
	case core.Hold:
		r.Outcome = core.OutcomeHeld
	case core.Keep, core.Update, core.Follow:
		r.Outcome = core.OutcomeUnchanged
	}
	return r
}

// panicked makes a failure of a panic.
func (u *Updater) panicked(r *core.Result, p any) {
	r.Outcome, r.Open = core.OutcomeFailed, true
	r.Reason = core.Reason{Code: core.Panicked, Text: fmt.Sprintf("Refit made a mistake, please report it: %v", p)}
	u.log(r.Name).Error("panic", slog.Any("error", p), slog.String("stack", string(debug.Stack())))
}

// keyed is a set of locks by name. They are channels, not mutexes: who waits for
// one waits for an engine, and virtual time in tests goes on meanwhile.
type keyed struct {
	mu    sync.Mutex
	locks map[string]chan struct{}
}

// lock takes the lock of that name; the function that it returns gives it back,
// once, however often it is called.
func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[string]chan struct{}{}
	}
	l := k.locks[name]
	if l == nil {
		l = make(chan struct{}, 1)
		k.locks[name] = l
	}
	k.mu.Unlock()
	l <- struct{}{}
	return sync.OnceFunc(func() { <-l })
}
