package loop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
)

// limited has the updater hold the containers of one registry until a time, as often
// as they are due before it, and what depends on them with them.
func (b *bench) limited(until time.Time) {
	b.updater.apply = func(_ context.Context, plan core.Plan) []core.Result {
		var results []core.Result
		for _, step := range plan.Steps {
			r := core.Result{Name: step.Container.Name, Outcome: core.OutcomeUnchanged, Reason: step.Reason}
			held := step.Reason.Code == core.NewImage && time.Now().Before(until)
			switch {
			case held && step.Container.Labels["registry"] == "busy":
				r.Outcome, r.Reason.Code, r.RetryAt = core.OutcomeHeld, core.RateLimited, until
			case held && step.Container.Labels["registry"] == "behind":
				r.Outcome, r.Reason.Code, r.RetryAt = core.OutcomeHeld, core.DependencyHeld, until
			}
			results = append(results, r)
		}
		return results
	}
}

func from(registry string, c core.Container) core.Container {
	c.Labels["registry"] = registry
	return c
}

func TestWhatARegistryPutOffIsTriedAgainWhenItMayBeAsked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		schedule string
		catchUp  bool
		want     []string
	}{
		"on an interval":                  {"@every 6h", true, []string{"0s: behind db web", "1h7m0s: behind db", "6h0m0s: web", "7h7m0s: behind db"}},
		"on a schedule":                   {"0 1 * * *", true, []string{"1h0m0s: behind db web", "1h7m0s: behind db"}},
		"on a schedule, without catch-up": {"0 1 * * *", false, []string{"1h0m0s: behind db web"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				b.loop.CatchUp = tt.catchUp
				for name, registry := range map[string]string{"db": "busy", "behind": "behind", "web": "other"} {
					b.engine.all = append(b.engine.all, from(registry, container(name, "schedule="+tt.schedule)))
				}
				b.limited(time.Now().Add(67 * time.Minute))
				b.start(t)
				b.sleep(65 * time.Minute)
				if done := b.memory.last("db").Equal(b.memory.last("web")); done == tt.catchUp {
					t.Errorf("the run that was put off is remembered as done: %t", done)
				}
				b.sleep(7 * time.Hour)
				b.want(t, tt.want...)
				b.stop(t)
			})
		})
	}
}

// Hundreds that one registry has put off come back in one cycle, also where each has a
// jitter and a schedule of its own.
func TestAThousandThatARegistryPutOffAreOneCycle(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *bench) {
		b.loop.CatchUp, b.loop.Jitter, b.loop.OnStart = true, 10*time.Minute, true
		for n := range 1000 {
			text := fmt.Sprintf("schedule=%d %d * * *", n%60, 12+n%6)
			b.engine.all = append(b.engine.all, from("busy", container(fmt.Sprintf("c%d", n), text)))
		}
		b.limited(time.Now().Add(2 * time.Hour))
		b.start(t)
		b.sleep(time.Minute)
		if got := b.updater.take(); len(got) != 1 {
			t.Fatalf("there were %d cycles at the start, want 1", len(got))
		}
		looks, _ := b.engine.counts()
		b.sleep(118 * time.Minute)
		if after, _ := b.engine.counts(); after != looks {
			t.Errorf("while the registry wants to be left alone, the engine was asked %d times", after-looks)
		}
		b.sleep(30 * time.Minute)
		if got := b.updater.take(); len(got) != 1 {
			t.Errorf("there were %d cycles when the registry could be asked again, want 1", len(got))
		}
		b.stop(t)
	})
}
