package update_test

import (
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// A container that crashes again and again is found in one of its short lives, or
// between two of them. After a rollback it does what it did before.
func TestAContainerThatCrashesAgainAndAgainGoesOnSo(t *testing.T) {
	t.Parallel()
	for at := time.Duration(0); at < 2*time.Second; at += 70 * time.Millisecond {
		t.Run("found after "+at.String(), func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publishAt("looping", coretest.CrashLater)
				b.run(coretest.Spec{Name: "loop", Reference: "looping:1", RestartPolicy: always})
				before := b.look("loop")
				time.Sleep(500*time.Millisecond + at) // it has been restarted once by then
				b.publishAt("looping", coretest.Unhealthy)
				for _, r := range b.cycleAll(b.Context()) {
					if r.Name == "loop" && r.Outcome != core.OutcomeRolledBack {
						b.Errorf("got %s (%s), want it rolled back", r.Outcome, r.Reason)
					}
				}
				first := b.look("loop")
				time.Sleep(time.Minute)
				now := b.look("loop")
				if now.ID != before.ID || now.RestartPolicy != always || now.RestartCount <= first.RestartCount {
					b.Errorf("it is %s with the policy %s after %d crashes (%d before), want it to go on crashing",
						now.State, now.RestartPolicy.Name, now.RestartCount, first.RestartCount)
				}
			})
		})
	}
}

// publishAt is publish for another reference than the bench's.
func (b *bench) publishAt(repository string, kind coretest.Kind) core.Image {
	return b.engine.Publish(coretest.Reference(repository, "1"), coretest.Image{Kind: kind})
}
