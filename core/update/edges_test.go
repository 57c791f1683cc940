package update_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

var errBusy = errors.New("device or resource busy")

// nth tells of the n-th call of that name.
func nth(call string, n int) func(string) bool {
	seen := 0
	return func(c string) bool {
		if c == call {
			seen++
		}
		return c == call && seen == n
	}
}

// wantStanding asserts that web runs that image, with its own restart policy and
// data, and that nothing is left over.
func (b *bench) wantStanding(image string) {
	b.Helper()
	now := b.look("web")
	if now.ImageID != image || now.State != core.Running || now.RestartPolicy != b.old.RestartPolicy {
		b.Errorf("web is %q of image %s, policy %v; want it running %s, %v", now.State, now.ImageID, now.RestartPolicy, image, b.old.RestartPolicy)
	}
	if data := b.engine.Volumes(now.ID)["/data"]; data != b.data {
		b.Errorf("web has the volume %q, want its own, %q", data, b.data)
	}
	b.wantTidy()
}

// wantTag asserts where the local tag points.
func (b *bench) wantTag(image string) {
	b.Helper()
	if id, _ := b.engine.Resolve(b.Context(), reference); id != image {
		b.Errorf("%s points to %q, want %s", reference, id, image)
	}
}

// pullNew publishes a good image, pulls it, and returns its id.
func (b *bench) pullNew() string {
	b.Helper()
	id, err := b.engine.Pull(b.Context(), b.publish(coretest.Good), nil)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

// tagByHand points the local tag to the image, as a person does.
func (b *bench) tagByHand(image string) {
	b.Helper()
	if err := b.engine.Tag(b.Context(), image, reference); err != nil {
		b.Fatal(err)
	}
}

// setPolicy gives web another restart policy before anything begins.
func (b *bench) setPolicy(name string) {
	b.Helper()
	if err := b.engine.SetRestartPolicy(b.Context(), b.old.ID, core.RestartPolicy{Name: name}); err != nil {
		b.Fatal(err)
	}
	b.old = b.look("web")
}

// While a bad image is watched somebody prunes everything unused: the parked
// container, its image, and the second tag that keeps it from lesser prunes.
func TestAPruneOfEverythingDuringABadGateBringsTheOldImageBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		b.once("start", 1, func(do func() error) error {
			err := do()
			b.engine.PruneAll()
			if id, _ := b.engine.Resolve(b.Context(), reference); id != "" || b.look(b.old.ID).Exists() {
				b.Fatal("the prune is to take the old container and its image")
			}
			return err
		})
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		b.wantStanding(b.old.ImageID)
		b.wantTag(b.old.ImageID)
		if left := b.recover(); len(left) != 0 {
			b.Errorf("left to recover: %+v", left)
		}
	})
}

// The new container is proven, but the engine cannot remove the old one, neither
// in the cycle nor in the first recovery. As long as it is there nothing new begins.
func TestAnOldContainerThatIsBusyIsRemovedByALaterRecovery(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		busy := func(func() error) error { return errBusy }
		b.once("remove", 1, busy)
		if result := b.cycle(b.Context()); result.Outcome != core.OutcomeUpdated || !result.Open {
			b.Errorf("got %s, open %t, want updated with something left to do", result.Outcome, result.Open)
		}
		b.updater = b.newUpdater(b.engine)
		b.once("remove", 1, busy)
		if _, err := b.updater.Recover(b.Context()); !errors.Is(err, errBusy) {
			b.Errorf("recover says %v, want the cause why something is left to do", err)
		}
		newer := b.publish(coretest.Good)
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.InReplacement)
		b.recover()
		b.wantStanding(image.ID)
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		b.wantStanding(newer.ID)
	})
}

// While a bad image is watched a stranger takes the name that the new container
// is to be set aside under. The old one must have its own name all the same.
func TestAReservedNameThatIsTakenDuringABadGateStopsNoRollback(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		var stranger core.Status
		b.once("start", 1, func(do func() error) error {
			b.engine.Steal("web" + core.NewSuffix)
			stranger = b.look("web" + core.NewSuffix)
			return do()
		})
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		b.recover()
		if diff := cmp.Diff(stranger, b.look("web"+core.NewSuffix)); diff != "" || !isStranger(stranger.ID) {
			b.Errorf("the stranger's container changed (-before +after):\n%s", diff)
		}
		b.engine.Delete("web" + core.NewSuffix)
		b.wantSame()
	})
}

// The process dies when all but the record of the end is done, the image that it
// left is cleaned away, and the host boots: the new container is down, and does
// not start at once.
func TestACommittedContainerThatStartsLateIsNotTurnedRound(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.Cleanup = true
		image := b.publish(coretest.Good)
		b.runUntil(nth("record", 1), false)
		b.engine.Halt("web")
		b.updater = b.newUpdater(b.engine)
		b.once("start", 1, func(func() error) error { return errors.New("network not found") })
		results, err := b.updater.Recover(b.Context())
		if err != nil || len(results) != 1 {
			b.Fatalf("recover: %+v, %v", results, err)
		}
		want(b.T, results[0], core.OutcomeRecovered, core.Interrupted)
		b.wantStanding(image.ID)
		b.wantTag(image.ID)
	})
}

// As before, but the new container does not start for longer than a recovery
// waits. It is reported down, stays what it is, and the next recovery tries again.
func TestACommittedContainerThatDoesNotStartIsKeptAndTriedAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		b.runUntil(nth("remove", 1), false)
		b.engine.Halt("web")
		committed := b.look("web")
		b.updater = b.newUpdater(b.engine)
		b.intercept(func(call string, do func() error) error {
			if call == "start" {
				return errors.New("network not found")
			}
			return do()
		})
		results, err := b.updater.Recover(b.Context())
		if err == nil || len(results) != 1 || results[0].Outcome != core.OutcomeDown {
			b.Fatalf("recover: %+v, %v; want it down, and to be tried again", results, err)
		}
		if now := b.look("web"); now.ID != committed.ID {
			b.Errorf("web is %s, want the committed one, %s", now.ID, committed.ID)
		}
		b.recover()
		b.wantStanding(image.ID)
		b.wantTag(image.ID)
	})
}

// The commit is recorded and the tag moved when the process dies. Somebody then
// removes the new container: with the old one its image gets the tag back.
func TestANewContainerThatIsRemovedAfterTheCommitTakesTheTagWithIt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		b.runUntil(nth("remove", 1), false)
		b.wantTag(image.ID)
		b.engine.Delete("web")
		want(b.T, b.recover()[0], core.OutcomeRolledBack, core.ChangedMeanwhile)
		b.wantSame()
	})
}

// A person had pulled an image that no container uses. The process dies while the
// tag is away from it, and a prune takes it: the tag can only go to the old image.
func TestATagWhoseImageWasPrunedMeanwhileGoesToTheOldImage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		pulled := b.pullNew()
		b.tagByHand(pulled)
		image := b.publish(coretest.Good)
		b.runUntil(nth("create", 1), false)
		b.wantTag(image.ID)
		b.engine.Prune()
		if err := b.engine.Tag(b.Context(), pulled, "other:1"); err == nil {
			b.Fatal("the prune is to take the image that the tag pointed to")
		}
		b.recover()
		b.wantSame()
	})
}

// The rollback of a bad image is done, but not its record. A person then stops the
// container and changes its policy: what the next process has yet to do is write.
func TestARollbackThatLacksOnlyItsRecordIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Crash)
		b.once("record", 1, func(func() error) error { return errors.New("no space left on device") })
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		b.setPolicy("no")
		if err := b.engine.Stop(b.Context(), b.old.ID, "", 0); err != nil {
			b.Fatal(err)
		}
		stopped := b.look("web")
		want(b.T, b.recover()[0], core.OutcomeRolledBack, core.GateFailed)
		if diff := cmp.Diff(stopped, b.look("web")); diff != "" {
			b.Errorf("a person's will was undone (-before +after):\n%s", diff)
		}
		if lessons, _ := b.journal.Lessons(b.Context()); len(lessons) != 1 {
			b.Errorf("lessons %+v, want the one of the failed gate", lessons)
		}
		b.wantTidy()
	})
}

// Refit ends while it watches, and the new container crashes for good before it is
// back. That is a verdict like any other.
func TestACrashWhileNobodyWatchedIsAVerdict(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.setPolicy("no")
		b.publish(coretest.CrashLater)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.once("start", 1, func(do func() error) error { defer cancel(); return do() })
		want(b.T, b.cycle(ctx), core.OutcomeInterrupted, core.Interrupted)
		time.Sleep(time.Minute)
		want(b.T, b.recover()[0], core.OutcomeRolledBack, core.GateFailed)
		b.wantSame()
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.Quarantined)
	})
}

// The process dies when it has started a container that runs to its end, and no
// stable time is asked for. It ended well: it has passed, and is not run twice.
func TestAOneShotThatEndedWhileNobodyWatchedHasPassed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.GateStable = 0
		b.setPolicy("no")
		image := b.publish(coretest.OneShot)
		b.runUntil(nth("start", 1), true)
		ended := b.look("web")
		want(b.T, b.recover()[0], core.OutcomeRecovered, core.Interrupted)
		now := b.look("web")
		if now.ID != ended.ID || now.ImageID != image.ID || now.State != core.Exited || !now.StartedAt.Equal(ended.StartedAt) {
			b.Errorf("web is %+v, want what ended while nobody watched, %+v", now, ended)
		}
		b.wantTag(image.ID)
		b.wantTidy()
	})
}

// A proxy before the engine's socket refuses its events, so nobody can tell who
// ended a container. What crashes is at fault all the same, and not tried again.
func TestACrashIsAVerdictWithoutTheEngineEvents(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Crash)
		asked := 0
		b.intercept(func(call string, do func() error) error {
			if call == "signalled" {
				asked++
				return errors.New("403 Forbidden")
			}
			return do()
		})
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		if asked == 0 {
			b.Error("nobody asked for the events")
		}
		b.wantSame()
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.Quarantined)
		b.wantSame()
	})
}
