package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

const day = 24 * time.Hour

// A bubble's clock begins at midnight UTC on Saturday 1 January 2000.
func TestWhenContainersAreDue(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		labels []string
		loop   func(*Loop)
		last   time.Duration // before the start; 0 means never
		during time.Duration
		want   []string
	}{
		"an interval begins at the start": {
			during: 13 * time.Hour, want: []string{"0s: web", "6h0m0s: web", "12h0m0s: web"},
		},
		"an interval waits until the last run is old enough": {
			last: 2 * time.Hour, during: 11 * time.Hour, want: []string{"4h0m0s: web", "10h0m0s: web"},
		},
		"a schedule waits for its time": {
			labels: []string{"schedule=0 4 * * *"}, during: 2 * day, want: []string{"4h0m0s: web", "28h0m0s: web"},
		},
		"the default schedule comes from the settings": {
			loop:   func(l *Loop) { l.Settings.Defaults.Schedule = "0 5 * * *" },
			during: day, want: []string{"5h0m0s: web"},
		},
		"a schedule that names no zone is in the loop's": {
			labels: []string{"schedule=0 4 * * *"},
			loop:   func(l *Loop) { l.Zone = time.FixedZone("east", 3*3600) },
			during: day, want: []string{"1h0m0s: web"},
		},
		"on start asks for a cycle at once": {
			labels: []string{"schedule=0 4 * * *"}, loop: func(l *Loop) { l.OnStart = true },
			last: time.Hour, during: day, want: []string{"0s: web", "4h0m0s: web"},
		},
		"what was missed is caught up once": {
			labels: []string{"schedule=0 4 * * *"}, loop: func(l *Loop) { l.CatchUp = true },
			last: 5 * day, during: day, want: []string{"0s: web", "4h0m0s: web"},
		},
		"what was missed is left alone without catch-up": {
			labels: []string{"schedule=0 4 * * *"}, last: 5 * day, during: day, want: []string{"4h0m0s: web"},
		},
		"a container that was never seen has missed nothing": {
			labels: []string{"schedule=0 4 * * *"}, loop: func(l *Loop) { l.CatchUp = true },
			during: day, want: []string{"4h0m0s: web"},
		},
		"labels that cannot be read are told at the default's times": {
			labels: []string{"schedule=never"}, during: 7 * time.Hour, want: []string{"0s: web", "6h0m0s: web"},
		},
		"a container that is switched off is never due": {
			labels: []string{"enable=false"}, during: day,
		},
		"a container of another scope is never due": {
			labels: []string{"scope=theirs"}, during: day,
		},
		"a container that was not named is never due": {
			loop: func(l *Loop) { l.Only = []string{"db"} }, during: day,
		},
		"Refit that can send a helper is due like any other": {
			loop:   func(l *Loop) { l.Settings.Self = "id-web" },
			labels: []string{"schedule=0 4 * * *"}, during: 5 * time.Hour, want: []string{"4h0m0s: web"},
		},
		"Refit that cannot is never due": {
			loop: func(l *Loop) { l.Settings.Self, l.Settings.SelfBar = "id-web", "why" }, during: day,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				b.engine.all = []core.Container{container("web", tt.labels...)}
				if tt.loop != nil {
					tt.loop(b.loop)
				}
				if tt.last > 0 {
					b.memory.runs = map[string]time.Time{"web": time.Now().Add(-tt.last)}
				}
				b.start(t)
				b.sleep(tt.during)
				b.want(t, tt.want...)
				b.stop(t)
			})
		})
	}
}

func TestTheFirstSightIsRememberedForCatchingUp(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web", "schedule=0 4 * * *")}
		b.loop.CatchUp = true
		b.start(t)
		b.stop(t)
		b.want(t)
		time.Sleep(5 * time.Hour) // the host is down at four
		b.start(t)
		b.want(t, "5h0m0s: web")
		b.stop(t)
	})
}

// A thousand schedules are a thousand entries behind one timer: the engine is
// not asked, and the loop does not wake, more often than for one.
func TestAThousandSchedules(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		for n := range 1000 {
			text := fmt.Sprintf("schedule=%d %d %d * * *", n%60, n/60, 1+n%20)
			b.engine.all = append(b.engine.all, container(fmt.Sprintf("c%d", n), text))
		}
		var beats atomic.Int64
		b.loop.Beat = func(time.Time) error {
			beats.Add(1)
			return nil
		}
		b.start(t)
		b.sleep(time.Hour - time.Second)
		looks, _ := b.engine.counts()
		if looks > 2 || beats.Load() > 121 {
			t.Errorf("an idle hour cost %d looks and %d beats, want at most 2 and 121", looks, beats.Load())
		}
		b.want(t)
		b.sleep(time.Hour)
		if got := b.updater.take(); len(got) != 50 {
			t.Errorf("there were %d cycles in the next hour, want one for each of the 50 that are due in it", len(got))
		}
		b.stop(t)
	})
}

func TestJitterSpreadsAndStaysInItsBounds(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		for n := range 50 {
			b.engine.all = append(b.engine.all, container(fmt.Sprintf("c%d", n), "schedule=0 4 * * *"))
		}
		b.loop.Jitter = time.Hour
		b.start(t)
		b.sleep(4*time.Hour - time.Second)
		b.want(t)
		b.sleep(time.Hour + 2*time.Second)
		cycles := b.updater.take()
		if len(cycles) < 40 {
			t.Errorf("50 containers ran in %d cycles, want them spread", len(cycles))
		}
		b.sleep(18 * time.Hour)
		b.want(t)
		b.stop(t)
	})
}

func TestShutdownWaitsForTheCycle(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("done"), container("cut")}
		var reported []core.Result
		b.loop.Report = func(_ core.Plan, results []core.Result) { reported = results }
		b.updater.apply = func(ctx context.Context, _ core.Plan) []core.Result {
			<-ctx.Done()
			time.Sleep(20 * time.Second) // it puts things in order first
			return []core.Result{
				{Name: "done", Outcome: core.OutcomeUpdated},
				{Name: "cut", Outcome: core.OutcomeHeld, Reason: core.Reason{Code: core.Cancelled}},
			}
		}
		b.start(t)
		stopped := time.Now()
		b.stop(t)
		if waited := time.Since(stopped); waited != 20*time.Second {
			t.Errorf("Run returned after %s, want it to wait for Apply", waited)
		}
		if len(reported) != 2 {
			t.Errorf("the report has %d results, want 2", len(reported))
		}
		if !b.memory.last("done").Equal(b.updater.start) || !b.memory.last("cut").IsZero() {
			t.Errorf("remembered are %v, want only the one that was done", b.memory.runs)
		}
	})
}

func TestALockThatIsHeldPostponesTheCycle(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		held, applied := 0, 0
		var busy atomic.Bool
		busy.Store(true)
		b.loop.Lock = func(context.Context) (func() error, error) {
			if busy.Load() {
				return nil, errors.New("another refit (pid 7) is changing containers with this ledger")
			}
			held++
			return func() error { held--; return nil }, nil
		}
		b.updater.apply = func(context.Context, core.Plan) []core.Result {
			applied += held
			return []core.Result{{Name: "web"}}
		}
		b.start(t)
		b.sleep(10 * time.Minute)
		if applied != 0 || len(b.updater.take()) > 25 {
			t.Errorf("applied %d times without the lock, or tried too often", applied)
		}
		busy.Store(false)
		b.sleep(time.Minute)
		if applied != 1 || held != 0 {
			t.Errorf("applied %d times with the lock, and it is held %d times afterwards; want 1 and 0", applied, held)
		}
		if got := b.log.count("pid 7"); got != 1 {
			t.Errorf("the holder was named %d times, want once", got)
		}
		b.stop(t)
	})
}

func TestBeat(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		var ahead []time.Duration
		b.loop.Beat = func(until time.Time) error {
			ahead = append(ahead, time.Until(until))
			return errors.New("disk full") // which stops nothing
		}
		b.updater.apply = func(context.Context, core.Plan) []core.Result {
			time.Sleep(40 * time.Minute)
			return []core.Result{{Name: "web"}}
		}
		b.start(t)
		b.sleep(41 * time.Minute)
		idle := pulse + margin
		if want := []time.Duration{idle, time.Hour, idle, idle, idle}; !slices.Equal(ahead, want) {
			t.Errorf("the signs of life reach %v ahead, want %v", ahead, want)
		}
		if got := b.log.count("disk full"); got != 1 {
			t.Errorf("the trouble was logged %d times, want once", got)
		}
		b.stop(t)
		if last := ahead[len(ahead)-1]; last > 0 {
			t.Errorf("after its end the loop is alive for %v", last)
		}
	})
}

func TestTheStartSaysWhatThereIsToWatch(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		labels string
		want   string
	}{
		"nothing": {"enable=false", `level=WARN msg="no container is enabled: label them refit.enable=true, or use --all" enabled=0 containers=1`},
		"one":     {"schedule=0 4 * * *", `msg="watching containers" enabled=1 containers=1 next="today 04:00`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				b.engine.all = []core.Container{container("web", tt.labels)}
				b.start(t)
				b.sleep(time.Hour)
				if got := b.log.count(tt.want); got != 1 {
					t.Errorf("%q was logged %d times, want once, in:\n%s", tt.want, got, b.log.buf.String())
				}
				b.stop(t)
			})
		})
	}
}

func TestAClockThatWasSetBackDoesNotPutTheLoopToSleep(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web")}
		b.memory.runs = map[string]time.Time{"web": time.Now().Add(-time.Hour)}
		r := b.loop.begin(newInbox())
		r.turn(t.Context())
		// As if all that had been a year ahead, when the clock was wrong.
		r.agenda["web"].due = r.agenda["web"].due.AddDate(1, 0, 0)
		r.last["web"] = r.last["web"].AddDate(1, 0, 0)
		r.previous, r.beatAt = r.previous.AddDate(1, 0, 0), r.beatAt.AddDate(1, 0, 0)
		if wait := r.turn(t.Context()); wait > pulse {
			t.Errorf("the loop sleeps for %s", wait)
		}
		if want := wall().Add(6 * time.Hour); !r.agenda["web"].due.Equal(want) {
			t.Errorf("it is due at %s, want %s", r.agenda["web"].due, want)
		}
	})
}

func TestContainersThatAreLongGoneAreForgotten(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.engine.all = []core.Container{container("web", "schedule=0 4 1 * *")}
		now := time.Now()
		b.memory.runs = map[string]time.Time{"web": now.Add(-40 * day), "gone": now.Add(-31 * day), "away": now.Add(-29 * day)}
		b.start(t)
		if b.memory.last("web").IsZero() || !b.memory.last("gone").IsZero() || b.memory.last("away").IsZero() {
			t.Errorf("remembered are %v, want only gone to be forgotten", b.memory.runs)
		}
		b.stop(t)
	})
}

func TestRunOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.loop.Default = schedule.Every(day)
		b.memory.runs = map[string]time.Time{"web": time.Now().Add(-time.Minute)}
		b.engine.all = []core.Container{container("web"), container("late", "schedule=0 4 * * *"), container("none", "enable=false")}
		plan, results, err := b.loop.RunOnce(t.Context())
		if err != nil || len(plan.Steps) != 3 || len(results) != 3 {
			t.Errorf("got %d steps, %d results and error %v, want 3, 3 and none", len(plan.Steps), len(results), err)
		}
		b.want(t, "0s: ") // nil is everything
		for name, ran := range map[string]bool{"web": true, "late": true, "none": false} {
			if got := b.memory.last(name).Equal(time.Now()); got != ran {
				t.Errorf("%s: remembered as run: %v, want %v", name, got, ran)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.updater.apply = func(context.Context, core.Plan) []core.Result {
			cancel()
			return []core.Result{{Name: "web", Outcome: core.OutcomeInterrupted}}
		}
		before := b.memory.last("web")
		time.Sleep(time.Hour)
		if _, _, err := b.loop.RunOnce(ctx); err != nil {
			t.Error(err)
		}
		if got := b.memory.last("web"); !got.Equal(before) {
			t.Errorf("an update that was interrupted is remembered as run at %s", got)
		}
		b.engine.down = errors.New("connection refused")
		if _, _, err := b.loop.RunOnce(t.Context()); err == nil {
			t.Error("an engine that is down made no error")
		}
	})
}
