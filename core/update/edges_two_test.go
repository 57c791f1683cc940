package update_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

// another is a second Refit on the same engine, with a ledger of its own. All its
// calls go through at.
func (b *bench) another(at func(call string, do func() error) error) (*update.Updater, *coretest.Journal) {
	journal := &coretest.Journal{}
	i := coretest.Intercepted{Engine: b.engine, Journal: journal, At: at}
	u := b.newUpdater(i)
	u.Owner, u.Journal = "ffffffffffff", i
	return u, journal
}

// wantClosed asserts that nothing is left open in another's ledger.
func (b *bench) wantClosed(journal *coretest.Journal) {
	b.Helper()
	if open, _ := journal.Attempts(b.Context()); len(open) > 0 {
		b.Errorf("the other's attempts are left over: %d, at line %s", len(open), open[0].Line)
	}
}

// Two Refits have the same container. While the first is about to make its
// successor the second replaces the container and is killed before the start. The
// first has touched nothing: only the second may give back what it parked.
func TestARefitThatTouchedNothingGivesNothingBack(t *testing.T) {
	t.Parallel()
	for name, oursFirst := range map[string]bool{"recovered first": true, "recovered last": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Unhealthy)
				dead := false
				other, journal := b.another(func(call string, do func() error) error {
					if dead = dead || call == "start"; dead {
						return errors.New("the process is dead")
					}
					return do()
				})
				b.once("create", 1, func(do func() error) error {
					plan, err := other.Plan(b.Context(), nil, nil)
					if err != nil {
						b.Fatal(err)
					}
					other.Apply(b.Context(), plan)
					return do()
				})
				if result := b.cycle(b.Context()); result.Outcome != core.OutcomeHeld {
					b.Errorf("got %s (%s), want it held", result.Outcome, result.Reason)
				}
				if p := b.look(b.old.ID); p.Name != "web"+core.OldSuffix {
					b.Fatalf("the old container is %q, want it parked by the other", p.Name)
				}
				if oursFirst {
					b.recover()
				}
				other.Engine, other.Journal = b.engine, journal
				results, err := other.Recover(b.Context())
				if err != nil || len(results) != 1 || results[0].Outcome != core.OutcomeRolledBack {
					b.Errorf("the other recovers %+v, %v; want one that is rolled back", results, err)
				}
				b.recover()
				b.wantSame()
				b.wantClosed(journal)
			})
		})
	}
}

// Two Refits have one container each of the same reference. The second begins
// while the first has the tag at the new image, which is bad, and goes on when it is
// back: the second may not take the new image for what the tag is to go back to.
func TestTwoRefitsOfOneBadImageLeaveTheTagAtTheOldOne(t *testing.T) {
	t.Parallel()
	for pause, outcome := range map[string]string{"save": "rolled-back gate-failed", "create": "held changed-meanwhile"} {
		t.Run("the second pauses at its first "+pause, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.run(coretest.Spec{Name: "web2"})
				b.publish(coretest.Crash)
				b.once("create", 1, func(do func() error) error { time.Sleep(time.Second); return do() })
				pauses := nth(pause, 1)
				other, journal := b.another(func(call string, do func() error) error {
					if pauses(call) {
						time.Sleep(time.Second)
					}
					return do()
				})
				ended := make(chan map[string]string, 1)
				go func() {
					time.Sleep(500 * time.Millisecond)
					ended <- b.only(other, "web2")
				}()
				if got := b.only(b.updater, "web")["web"]; got != "rolled-back gate-failed" {
					b.Errorf("web is %s, want it rolled back", got)
				}
				if got := (<-ended)["web2"]; got != outcome {
					b.Errorf("web2 is %s, want %s", got, outcome)
				}
				b.wantSame()
				b.wantClosed(journal)
			})
		})
	}
}

// only runs a cycle of that updater for one container.
func (b *bench) only(u *update.Updater, name string) map[string]string {
	plan, err := u.Plan(b.Context(), nil, []string{name})
	if err != nil {
		b.Error(err)
	}
	return outcomes(u.Apply(b.Context(), plan))
}

// Refit is asked to end when it stops the first of two containers of one image.
// The second is not held for a failure of the first, for there was none.
func TestACancellationIsNoVerdictForTheOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "web2"})
		b.publish(coretest.Good)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.once("stop", 1, func(do func() error) error { cancel(); return do() })
		count := map[string]int{}
		for _, outcome := range outcomes(b.cycleAll(ctx)) {
			count[outcome]++
		}
		if diff := cmp.Diff(map[string]int{"rolled-back cancelled": 1, "held cancelled": 1}, count); diff != "" {
			b.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if lessons, _ := b.journal.Lessons(b.Context()); len(lessons) > 0 {
			b.Errorf("lessons of a cancellation: %+v", lessons)
		}
		b.wantSame()
	})
}

// A person goes back to the old image, and the process dies in its gate. The
// recovery finishes it, and remembers that the image which was left stays away.
func TestGoingBackThatIsFinishedByARecoveryQuarantinesWhatWasLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		all, err := b.engine.Containers(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		back := core.Image{Reference: coretest.Reference("app", "1"), ID: b.old.ImageID}
		plan, err := b.updater.PlanBack(b.Context(), all, "web", back)
		if err != nil {
			b.Fatal(err)
		}
		dead := false
		b.intercept(func(call string, do func() error) error {
			if dead {
				return errors.New("the process is dead")
			}
			dead = call == "start"
			return do()
		})
		b.updater.Apply(b.Context(), plan)
		want(b.T, b.recover()[0], core.OutcomeRecovered, core.Interrupted)
		b.wantStanding(b.old.ImageID)
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.Quarantined)
	})
}

// A container that follows its local tag is in its gate when the next image is
// built under that tag. The commit must not take the tag from what was built.
func TestABuildDuringTheGateIsTakenUpByTheNextCycle(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.Pull = false
		first, built := b.pullNew(), b.pullNew()
		b.tagByHand(first)
		b.once("start", 1, func(do func() error) error { b.tagByHand(built); return do() })
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		b.wantStanding(first)
		b.wantTag(built)
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		b.wantStanding(built)
		b.wantTag(built)
	})
}

// A stopped container is parked when the process dies, and somebody removes it.
// Its successor, never started, is all there is: it takes the name, and stays stopped.
func TestAStoppedContainerThatIsRemovedWhileParkedIsSucceeded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.IncludeStopped = true
		if err := b.engine.Stop(b.Context(), b.old.ID, "", 0); err != nil {
			b.Fatal(err)
		}
		image := b.publish(coretest.Good)
		b.runUntil(nth("rename", 1), true)
		b.engine.Delete("web" + core.OldSuffix)
		b.recover()
		now := b.look("web")
		if now.ImageID != image.ID || now.State != core.Created || now.RestartPolicy != always {
			b.Errorf("web is %q of image %s, policy %v; want it not started, of %s, %v", now.State, now.ImageID, now.RestartPolicy, image.ID, always)
		}
		if data := b.engine.Volumes(now.ID)["/data"]; data != b.data {
			b.Errorf("web has the volume %q, want its own, %q", data, b.data)
		}
		b.wantTidy()
	})
}

// The process dies when the new container has the name, and somebody removes the
// parked one. The new one is kept and started, but the tag does not vouch for it.
func TestANewContainerWhoseOldOneIsGoneIsKeptUnproven(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		b.runUntil(nth("rename", 2), true)
		b.engine.Delete("web" + core.OldSuffix)
		result := b.recover()[0]
		want(b.T, result, core.OutcomeFailed, core.Interrupted)
		if !strings.Contains(strings.Join(result.Notes, "\n"), "unproven") {
			b.Errorf("notes %q do not say that it is unproven", result.Notes)
		}
		b.wantStanding(image.ID)
		b.wantTag(b.old.ImageID)
	})
}

// A person points the tag to an image of their own before Refit has it point to
// the new one for a moment. When the update fails it goes back to the person's.
func TestATagThatWasMovedBeforeTheCreateGoesBackToWhereItWas(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		theirs := b.pullNew()
		b.publish(coretest.Good)
		record := nth("save", 1)
		b.intercept(func(call string, do func() error) error {
			switch {
			case record(call):
				b.tagByHand(theirs)
			case call == "differences":
				return errors.New("connection reset by peer")
			}
			return do()
		})
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.EngineFailed)
		b.wantStanding(b.old.ImageID)
		b.wantTag(theirs)
	})
}
