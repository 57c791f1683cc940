package loop

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/schedule"
	"github.com/refit-dev/refit/core/update"
)

// whole is an engine with its events, a ledger and a registry, behind the real updater.
// It counts what all of them are asked.
type whole struct {
	coretest.Intercepted
	engine  *coretest.Engine
	started time.Time

	limited time.Time // set before the start

	mu sync.Mutex
	counts
}

// counts is what all of them were asked so far.
type counts struct {
	calls  int      // of the engine and the ledger
	checks []string // of the registry: "2h0m0s: 1000"
	read   int      // schedules in labels
}

func (w *whole) soFar() counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return counts{w.calls, slices.Clone(w.checks), w.read}
}

// newWhole is put into a bench's loop.
func newWhole(b *bench) *whole {
	w := &whole{engine: coretest.NewEngine(), started: time.Now()}
	w.Intercepted = coretest.Intercepted{Engine: w.engine, Journal: &coretest.Journal{}, At: func(_ string, do func() error) error {
		w.mu.Lock()
		w.calls++
		w.mu.Unlock()
		return do()
	}}
	settings := core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: func(text string) error {
		w.mu.Lock()
		w.read++
		w.mu.Unlock()
		return schedule.Check(text)
	}}
	u := &update.Updater{
		Engine: w, Registry: w, Journal: w.Intercepted, Settings: settings, Owner: "0123456789ab",
		Policies: settings.Policies(),
	}
	b.loop.Engine, b.loop.Updater, b.loop.Settings, b.loop.Policies = w, u, settings, u.Policies
	return w
}

// Watch stands until ctx ends, and has nothing to tell.
func (w *whole) Watch(ctx context.Context, seen func(core.Event)) error {
	seen(core.Event{})
	<-ctx.Done()
	return ctx.Err()
}

// Check answers as a registry that wants to be left alone until limited.
func (w *whole) Check(ctx context.Context, queries []core.Query) map[core.Query]core.Answer {
	w.mu.Lock()
	w.checks = append(w.checks, fmt.Sprintf("%s: %d", time.Since(w.started), len(queries)))
	w.mu.Unlock()
	if !time.Now().Before(w.limited) {
		return w.engine.Check(ctx, queries)
	}
	answers := map[core.Query]core.Answer{}
	for _, q := range queries {
		answers[q] = core.Answer{Fault: core.Reason{Code: core.RateLimited, Text: "not now"}, RetryAt: w.limited}
	}
	return answers
}

// furnish makes 1,000 containers on as many schedules, all of them in the afternoon.
func (w *whole) furnish(t *testing.T) {
	t.Helper()
	for n := range 1000 {
		ref := coretest.Reference(fmt.Sprintf("app%d", n%200), "1")
		if n < 200 {
			w.engine.Publish(ref, coretest.Image{Kind: coretest.Good})
		}
		labels := map[string]string{"refit.enable": "true", "refit.schedule": fmt.Sprintf("%d %d %d * * *", n%60, n/60, 13+n%6)}
		if _, err := w.engine.Run(coretest.Spec{Name: fmt.Sprintf("c%d", n), Reference: ref.Text, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnIdleHourAsksNobodyAnything(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		w := newWhole(b)
		w.furnish(t)
		b.loop.OnStart = true
		b.start(t)
		b.sleep(time.Minute)
		first := w.soFar()
		if want := []string{"0s: 200"}; !slices.Equal(first.checks, want) {
			t.Errorf("the registry was asked %q at the start, want %q", first.checks, want)
		}
		if first.read != 1000 {
			t.Errorf("1,000 labels were read %d times, by the loop and by the updater", first.read)
		}
		b.sleep(time.Hour)
		if idle := w.soFar(); idle.calls != first.calls || len(idle.checks) != 1 {
			t.Errorf("in an idle hour the engine and the ledger were asked %d times, the registry %q", idle.calls-first.calls, idle.checks[1:])
		}
		b.sleep(12 * time.Hour)
		last := w.soFar()
		if last.calls == first.calls || len(last.checks) < 10 {
			t.Errorf("when they were due, the registry was asked %d times", len(last.checks))
		}
		if last.read != 1000 {
			t.Errorf("after %d cycles 1,000 labels were read %d times", len(last.checks), last.read)
		}
		b.stop(t)
	})
}

func TestWhenARegistrysHoldEndsAllOfItsContainersAreOneCheck(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		w := newWhole(b)
		w.furnish(t)
		w.limited = w.started.Add(3 * time.Hour)
		b.loop.OnStart, b.loop.CatchUp = true, true
		b.start(t)
		b.sleep(2 * time.Hour)
		before := w.soFar().calls
		b.sleep(time.Hour - time.Second)
		if after := w.soFar().calls; after != before {
			t.Errorf("while the registry wants to be left alone, the engine was asked %d times", after-before)
		}
		b.sleep(9 * time.Hour)
		if got, want := w.soFar().checks, []string{"0s: 200", "3h0m0s: 200"}; !slices.Equal(got, want) {
			t.Errorf("the registry was asked %q, want %q", got, want)
		}
		b.stop(t)
	})
}
