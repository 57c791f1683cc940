package loop

import (
	"context"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
)

func TestWhatAHookPutsOffIsTriedAgainAtItsTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retry time.Duration
		want  []string
	}{
		"sooner than its regular time": {7 * time.Minute, []string{"0s: put-off web", "7m0s: put-off", "1h0m0s: web", "1h7m0s: put-off"}},
		"later than its regular time":  {90 * time.Minute, []string{"0s: put-off web", "1h0m0s: web", "1h30m0s: put-off"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, b *bench) {
				b.engine.all = []core.Container{container("put-off", "schedule=@every 1h"), container("web", "schedule=@every 1h")}
				first := true
				b.updater.apply = func(_ context.Context, plan core.Plan) []core.Result {
					var results []core.Result
					for _, step := range plan.Steps {
						r := core.Result{Name: step.Container.Name, Outcome: core.OutcomeUpdated}
						if r.Name == "put-off" && first {
							first = false
							r.Outcome, r.Reason.Code = core.OutcomeHeld, core.HookDeferred
							r.RetryAt = time.Now().Add(tt.retry)
						}
						results = append(results, r)
					}
					return results
				}
				b.start(t)
				b.sleep(time.Minute)
				if !b.memory.last("put-off").IsZero() || b.memory.last("web").IsZero() {
					t.Errorf("remembered are %v: what was put off is due at the next start", b.memory.runs)
				}
				b.sleep(99 * time.Minute)
				b.want(t, tt.want...)
				b.stop(t)
			})
		})
	}
}
