package update_test

import (
	"context"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

func TestCancelling(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call    string
		n       int
		outcome core.Outcome
	}{
		"before the stop leaves the container alone": {"differences", 1, core.OutcomeHeld},
		"at the stop starts it again":                {"stop", 1, core.OutcomeRolledBack},
		"at the start leaves it in its gate":         {"start", 1, core.OutcomeInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.once(test.call, test.n, func(do func() error) error { cancel(); return do() })
				result := b.cycle(ctx)
				if result.Outcome != test.outcome {
					b.Fatalf("got %s (%s), want %s", result.Outcome, result.Reason, test.outcome)
				}
				if test.outcome != core.OutcomeInterrupted {
					b.wantSame()
					return
				}
				want(b.T, b.recover()[0], core.OutcomeRecovered, core.Interrupted)
				if now := b.look("web"); now.ID == b.old.ID || !now.State.Up() {
					b.Errorf("web is %+v, want the new container running", now)
				}
				b.wantTidy()
			})
		})
	}
}
