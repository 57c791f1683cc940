package update_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// pulling is an engine whose pulls go through at, which may make them by do.
type pulling struct {
	*coretest.Engine
	at func(ctx context.Context, hear func(done, of core.Size), do func() (string, error)) (string, error)
}

func (p pulling) Pull(ctx context.Context, image core.Image, hear func(done, of core.Size)) (string, error) {
	return p.at(ctx, hear, func() (string, error) { return p.Engine.Pull(ctx, image, hear) })
}

func TestContainersOfOneImageHaveItPulledOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		for i := range 5 {
			b.run(coretest.Spec{Name: fmt.Sprintf("app%d", i)})
		}
		b.run(coretest.Spec{Name: "side", Shares: []string{"web"}})
		b.publish(coretest.Good)
		pulls, told := 0, 0
		b.updater.Engine = pulling{b.engine, func(_ context.Context, _ func(done, of core.Size), do func() (string, error)) (string, error) {
			pulls++
			return do()
		}}
		for _, r := range b.cycleAll(b.Context()) {
			if r.Outcome != core.OutcomeUpdated {
				t.Errorf("%s is %s (%s)", r.Name, r.Outcome, r.Reason)
			}
			if r.Pull.Bytes > 0 {
				told++
			}
		}
		if pulls != 1 || told != 1 {
			t.Errorf("it was pulled %d times, and %d results tell of that; want one of each", pulls, told)
		}
	})
}

func TestThoseWhoWaitForAPullShareItsFailure(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "web2"})
		b.publish(coretest.Good)
		pulls := 0
		b.updater.Engine = pulling{b.engine, func(context.Context, func(done, of core.Size), func() (string, error)) (string, error) {
			pulls++
			return "", errors.New("denied")
		}}
		for name, outcome := range outcomes(b.cycleAll(b.Context())) {
			if outcome != "held pull-failed" {
				t.Errorf("%s: %s", name, outcome)
			}
		}
		if pulls != 1 {
			t.Errorf("it was asked for %d times, want once", pulls)
		}
		b.wantSame()
	})
}

func TestAnImageThatWasRemovedMeanwhileIsPulledAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "web2"})
		image := b.publish(coretest.Good)
		pulls := 0
		b.updater.Engine = pulling{b.engine, func(_ context.Context, _ func(done, of core.Size), do func() (string, error)) (string, error) {
			pulls++
			return do()
		}}
		i := coretest.Intercepted{Engine: b.updater.Engine, Journal: b.journal}
		i.At = func(call string, do func() error) error {
			err := do()
			if call == "record" {
				b.engine.Lose(image.ID)
			}
			return err
		}
		b.updater.Engine, b.updater.Journal = i, i
		for name, outcome := range outcomes(b.cycleAll(b.Context())) {
			if outcome != "updated new-image" {
				t.Errorf("%s: %s", name, outcome)
			}
		}
		if pulls != 2 {
			t.Errorf("it was pulled %d times, want twice", pulls)
		}
	})
}

func TestSoManyPullsRunAtOnce(t *testing.T) {
	t.Parallel()
	for parallel, want := range map[int]int32{0: 2, 1: 1, 3: 3} {
		t.Run(fmt.Sprintf("--pull-parallel %d", parallel), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				for i := range 6 {
					b.publishAt(fmt.Sprintf("app%d", i), coretest.Good)
					b.run(coretest.Spec{Name: fmt.Sprintf("app%d", i), Reference: fmt.Sprintf("app%d:1", i)})
					b.publishAt(fmt.Sprintf("app%d", i), coretest.Good)
				}
				var now, most atomic.Int32
				b.updater.PullParallel = parallel
				b.updater.Engine = pulling{b.engine, func(_ context.Context, _ func(done, of core.Size), do func() (string, error)) (string, error) {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					time.Sleep(time.Minute)
					return do()
				}}
				b.cycleAll(b.Context())
				if most.Load() != want {
					t.Errorf("%d pulls ran at once, want %d", most.Load(), want)
				}
			})
		})
	}
}

// One pull hangs, and the other one waits for a place, when Refit is asked to end.
func TestWhoWaitsForAPlaceToPullEndsWithRefit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publishAt("other", coretest.Good)
		b.run(coretest.Spec{Name: "other", Reference: "other:1"})
		b.publishAt("other", coretest.Good)
		b.publish(coretest.Good)
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		defer cancel()
		b.updater.PullParallel = 1
		b.updater.Engine = pulling{b.engine, func(ctx context.Context, _ func(done, of core.Size), _ func() (string, error)) (string, error) {
			time.Sleep(time.Hour)
			return "", ctx.Err()
		}}
		var least time.Duration
		for _, r := range b.cycleAll(ctx) {
			want(t, r, core.OutcomeHeld, core.Cancelled)
			if least == 0 || r.Took < least {
				least = r.Took
			}
		}
		if least != time.Minute {
			t.Errorf("the one that waited ended after %s, want a minute", least)
		}
		b.wantSame()
	})
}

// cut is the error of a pull that was cut off.
type cut struct{ error }

func (cut) Temporary() bool { return true }

func TestAPullThatIsCutOffIsTriedAgain(t *testing.T) {
	t.Parallel()
	for cuts, want := range map[int]string{1: "updated new-image", 3: "updated new-image", 4: "held pull-failed"} {
		t.Run(fmt.Sprint(cuts, " cuts"), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				tries, began := 0, time.Now()
				var waited time.Duration
				b.updater.Engine = pulling{b.engine, func(_ context.Context, hear func(done, of core.Size), do func() (string, error)) (string, error) {
					if tries++; tries > cuts {
						waited = time.Since(began)
						return do()
					}
					hear(400_000, 1_500_000)
					return "", cut{errors.New("unexpected EOF")}
				}}
				r := b.cycle(b.Context())
				if got := outcomes([]core.Result{r})["web"]; got != want || tries > 4 {
					t.Fatalf("%s after %d tries, want %s after four at most", got, tries, want)
				}
				if r.Outcome != core.OutcomeUpdated {
					return
				}
				// What came in the tries before was downloaded, too.
				if got, want := r.Pull.Bytes, core.Size(1_500_000+400_000*cuts); got != want {
					t.Errorf("pulled %s, want %s", got, want)
				}
				if least := time.Duration(1<<cuts-1) * time.Second / 2; waited < least || waited > 3*least {
					t.Errorf("it waited %s in all, want %s to %s", waited, least, 3*least)
				}
			})
		})
	}
}

func TestALongPullTellsTheLogHowFarItIs(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		var log bytes.Buffer
		b.updater.Log = slog.New(slog.NewTextHandler(&log, nil))
		b.updater.Engine = pulling{b.engine, func(_ context.Context, hear func(done, of core.Size), do func() (string, error)) (string, error) {
			hear(12_300_000, 40_100_000)
			time.Sleep(25 * time.Second)
			return do()
		}}
		b.cycle(b.Context())
		for says, want := range map[string]int{
			`msg=pulling container=web image=app:1 digest=`:                             1,
			`msg="still pulling" container=web image=app:1 done="12.3 MB" of="40.1 MB"`: 2,
			`msg=pulled container=web image=app:1 size="1.5 MB" took=25s`:               1,
		} {
			if got := strings.Count(log.String(), says); got != want {
				t.Errorf("%d times %s, want %d", got, says, want)
			}
		}
	})
}

// shown is a screen that writes down what it is to show.
type shown struct{ strings.Builder }

func (s *shown) Pulling(i core.Image, done, of core.Size) {
	fmt.Fprintf(s, "%s %s of %s, ", i.Reference.Text, done, of)
}

func (s *shown) Pulled(i core.Image) { fmt.Fprintf(s, "%s is over", i.Reference.Text) }

func TestWhereThereIsAScreenAPullIsShownThere(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		var log bytes.Buffer
		var screen shown
		b.updater.Log, b.updater.Screen = slog.New(slog.NewTextHandler(&log, nil)), &screen
		b.updater.Engine = pulling{b.engine, func(_ context.Context, _ func(done, of core.Size), do func() (string, error)) (string, error) {
			time.Sleep(25 * time.Second)
			return do()
		}}
		b.cycle(b.Context())
		if got, want := screen.String(), "app:1 0 B of 0 B, app:1 1.5 MB of 1.5 MB, app:1 is over"; got != want {
			t.Errorf("it showed %q, want %q", got, want)
		}
		if strings.Contains(log.String(), "still pulling") {
			t.Error("the log is told as well")
		}
	})
}
