package loop

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
)

func TestANewContainerIsSeenWithoutWaiting(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		b.start(t)
		b.sleep(time.Hour)
		b.want(t, "0s: web")
		b.engine.run("new")
		b.engine.run("late", "schedule=0 4 * * *")
		b.engine.run("none", "enable=false")
		b.sleep(2 * time.Second)
		b.want(t, "1h0m1s: new")
		b.sleep(4 * time.Hour)
		b.want(t, "4h0m0s: late")
		b.stop(t)
	})
}

func TestManyEventsAreOneLook(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.start(t)
		b.sleep(time.Minute)
		before, _ := b.engine.counts()
		for n := range 50 {
			b.engine.run(fmt.Sprintf("batch%d", n), "schedule=0 4 * * *")
			time.Sleep(10 * time.Millisecond)
		}
		b.sleep(30 * time.Second)
		if after, _ := b.engine.counts(); after-before != 1 {
			t.Errorf("50 new containers made %d looks, want 1", after-before)
		}
		for range 60 { // a host that starts a job every second
			b.engine.change(func(all []core.Container) []core.Container { return all }, core.Event{Action: "create", Name: "job"})
			time.Sleep(time.Second)
		}
		if after, _ := b.engine.counts(); after-before > 14 {
			t.Errorf("a minute of jobs made %d looks, want one in five seconds", after-before)
		}
		b.stop(t)
	})
}

func TestWhatHappensInAReplacementIsNoNews(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		same := func(all []core.Container) []core.Container { return all }
		b.updater.apply = func(context.Context, core.Plan) []core.Result {
			// As an update does: the name stays, the id is another.
			b.engine.change(same, core.Event{Action: "create", Name: "web" + core.NewSuffix}, core.Event{Action: "rename", Name: "web" + core.OldSuffix})
			b.engine.change(func(all []core.Container) []core.Container {
				all[0].ID = "id-successor"
				return all
			}, core.Event{Action: "rename", Name: "web"}, core.Event{Action: "start", Name: "web"}, core.Event{Action: "destroy", Name: "web"})
			return []core.Result{{Name: "web", Outcome: core.OutcomeUpdated}}
		}
		b.start(t)
		b.want(t, "0s: web")
		// The stream stands, the cycle plans, and looks once afterwards: some of
		// these fall together at the start.
		b.sleep(time.Minute)
		before, _ := b.engine.counts()
		if before > 4 {
			t.Errorf("there were %d looks in one cycle, want at most 4", before)
		}
		// Somebody else's replacement, and a crash loop.
		for range 20 {
			b.engine.change(same, core.Event{Action: "create", Name: "db" + core.NewSuffix},
				core.Event{Action: "die", Name: "web"}, core.Event{Action: "start", Name: "web"})
			b.sleep(10 * time.Second)
		}
		if after, _ := b.engine.counts(); after != before {
			t.Errorf("there were %d looks, want none", after-before)
		}
		b.engine.change(func(all []core.Container) []core.Container {
			return append(all, container("db"+core.NewSuffix), container("db"+core.OldSuffix))
		}, core.Event{Action: "rename", Name: "db"})
		b.sleep(time.Hour)
		b.want(t)
		b.stop(t)
	})
}

func TestAContainerThatDoesNotRunIsLookedAtWhenItStarts(t *testing.T) {
	t.Parallel()
	set := func(state core.State) func([]core.Container) []core.Container {
		return func(all []core.Container) []core.Container {
			all[0].State = state
			return all
		}
	}
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		b.start(t)
		b.sleep(time.Hour)
		b.want(t, "0s: web")
		b.engine.change(set(core.Exited), core.Event{Action: "die", Name: "web"})
		b.sleep(6 * time.Hour)
		b.want(t, "6h0m0s: web") // the plan says that it does not run
		b.engine.change(set(core.Running), core.Event{Action: "start", Name: "web"})
		b.sleep(time.Minute)
		b.want(t, "7h0m1s: web")
		b.stop(t)
	})
}

func TestAStreamThatIsLostComesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.start(t)
		b.sleep(time.Hour)
		b.engine.fail(nil)
		b.engine.run("new") // nobody hears of it
		b.sleep(3 * time.Second)
		if got := b.updater.take(); len(got) != 1 {
			t.Errorf("got the cycles %q, want one for the container that was missed", got)
		}
		if lost, back := b.log.count("does not work"), b.log.count("works again"); lost != 1 || back != 1 {
			t.Errorf("it was logged %d times that it was lost and %d times that it is back, want 1 and 1", lost, back)
		}
		b.stop(t)
	})
}

func TestAnEngineThatComesBackIsRecovered(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		calls := 0
		b.loop.Recover = func(context.Context) error {
			calls++
			if calls == 1 {
				return errors.New("not yet")
			}
			return nil
		}
		b.start(t)
		b.sleep(time.Hour)
		if calls != 2 {
			t.Errorf("recovered %d times at the start, want 2: once in vain, then well", calls)
		}
		b.engine.fail(nil)
		b.sleep(time.Hour)
		if calls != 3 {
			t.Errorf("recovered %d times when the engine had come back, want once more", calls)
		}
		b.stop(t)
	})
}

func TestAnEngineThatComesBackDuringACycleIsRecovered(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		calls := 0
		b.loop.Recover = func(context.Context) error { calls++; return nil }
		b.engine.all = []core.Container{container("web")}
		b.loop.Report = func(core.Plan, []core.Result) {
			time.Sleep(time.Minute) // the events stand by now
			b.engine.fail(nil)
			time.Sleep(time.Minute)
		}
		b.start(t)
		b.sleep(time.Hour)
		if calls != 2 {
			t.Errorf("recovered %d times, want once at the start and once afterwards", calls)
		}
		b.stop(t)
	})
}

func TestWhatACycleCouldNotPutRightIsRecovered(t *testing.T) {
	t.Parallel()
	for open, want := range map[bool]int{true: 2, false: 1} {
		t.Run(fmt.Sprintf("open %t", open), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				calls := 0
				b.loop.Recover = func(context.Context) error { calls++; return nil }
				b.engine.all = []core.Container{container("web")}
				b.updater.apply = func(context.Context, core.Plan) []core.Result {
					return []core.Result{{Name: "web", Outcome: core.OutcomeFailed, Open: open}}
				}
				b.start(t)
				b.sleep(time.Hour)
				if calls != want {
					t.Errorf("recovered %d times, want %d", calls, want)
				}
				b.stop(t)
			})
		})
	}
}

func TestAnEngineThatHangsUpIsNotCalledEverySecond(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.start(t)
		_, before := b.engine.counts()
		for range 3600 {
			b.engine.fail(nil)
			b.sleep(time.Second)
		}
		if _, after := b.engine.counts(); after-before > 100 {
			t.Errorf("it was called %d times in an hour, want about 70", after-before)
		}
		b.stop(t)
	})
}

func TestAnEngineThatIsDownForAnHour(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web", "schedule=*/10 * * * *")}
		b.loop.CatchUp = true
		b.start(t)
		b.sleep(5 * time.Minute)
		before, calls := b.engine.counts()
		b.engine.fail(errors.New("connection refused"))
		b.sleep(time.Hour)
		b.want(t)
		looks, tries := b.engine.counts()
		if looks-before > 100 || tries-calls > 100 {
			t.Errorf("there were %d looks and %d tries to watch in an hour, want at most some 80", looks-before, tries-calls)
		}
		b.engine.fail(nil)
		b.sleep(2 * time.Minute)
		if got := b.updater.take(); len(got) != 1 {
			t.Errorf("got the cycles %q, want one for all that was missed", got)
		}
		b.sleep(10 * time.Minute)
		b.want(t, "1h10m0s: web")
		// The stream and the look, or the cycle: one line for each when it begins and when it ends.
		if lost, back := b.log.count("does not work"), b.log.count("works again"); lost > 3 || lost != back {
			t.Errorf("%d troubles and %d ends were logged, want at most 3 of each", lost, back)
		}
		b.stop(t)
	})
}

func TestAnEngineThatIsDownOrHangsAtTheStart(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		var alive atomic.Int64
		b.loop.Beat = func(until time.Time) error {
			alive.Store(until.Unix())
			return nil
		}
		b.engine.all = []core.Container{container("web")}
		b.engine.down, b.engine.hang = errors.New("no such socket"), true
		b.start(t)
		for range 30 {
			b.sleep(time.Minute)
			if alive.Load() <= time.Now().Unix() {
				t.Fatalf("after %s the loop is taken for dead", time.Since(b.updater.start))
			}
		}
		b.engine.mu.Lock()
		b.engine.down, b.engine.hang = nil, false
		b.engine.mu.Unlock()
		b.sleep(3 * time.Minute)
		if got := b.updater.take(); len(got) != 1 {
			t.Errorf("got the cycles %q, want one", got)
		}
		b.stop(t)
	})
}
