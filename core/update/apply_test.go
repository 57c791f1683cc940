package update_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// outcomes are "outcome code" by container name.
func outcomes(results []core.Result) map[string]string {
	m := map[string]string{}
	for _, r := range results {
		m[r.Name] = string(r.Outcome) + " " + string(r.Reason.Code)
	}
	return m
}

func TestOneContainerOfABadImageFailsAndTheOthersAreHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		for _, name := range []string{"web2", "web3", "web4"} {
			b.run(coretest.Spec{Name: name})
		}
		b.publish(coretest.Crash)
		count := map[string]int{}
		for _, outcome := range outcomes(b.cycleAll(b.Context())) {
			count[outcome]++
		}
		want := map[string]int{"rolled-back gate-failed": 1, "held canary-failed": 3} // which one goes first is open
		if diff := cmp.Diff(want, count); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		b.wantTidy()
	})
}

func TestTheOthersFollowWhenTheFirstHasPassed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		var between, most atomic.Int32
		for i := range 10 {
			b.run(coretest.Spec{Name: fmt.Sprintf("app%d", i)})
		}
		b.publish(coretest.Good)
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
			switch call {
			case "stop":
				most.Store(max(most.Load(), between.Add(1)))
			case "start":
				defer between.Add(-1)
			}
			return do()
		}}
		b.updater.Engine, b.updater.Parallel = i, 3
		for name, outcome := range outcomes(b.cycleAll(b.Context())) {
			if outcome != "updated new-image" {
				t.Errorf("%s: %s", name, outcome)
			}
		}
		if most.Load() != 3 {
			t.Errorf("at most %d containers were between stop and start, want 3: --parallel", most.Load())
		}
		b.wantTidy()
	})
}

func TestADependantIsHeldWhenWhatItNeedsFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.engine.Publish(coretest.Reference("db", "1"), coretest.Image{Kind: coretest.Good})
		b.run(coretest.Spec{Name: "db", Reference: "db:1"})
		b.run(coretest.Spec{Name: "front", DependsOn: []string{"db"}})
		b.publish(coretest.Good)
		b.engine.Publish(coretest.Reference("db", "1"), coretest.Image{Kind: coretest.Crash})
		want := map[string]string{
			"db": "rolled-back gate-failed", "front": "held dependency-held", "web": "updated new-image",
		}
		if diff := cmp.Diff(want, outcomes(b.cycleAll(b.Context()))); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestWhatIsNeededIsUpdatedFirst(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "db"})
		b.run(coretest.Spec{Name: "front", DependsOn: []string{"db"}})
		b.publish(coretest.Good)
		b.cycleAll(b.Context())
		if db, front := b.look("db"), b.look("front"); !db.StartedAt.Before(front.StartedAt) {
			t.Errorf("db started at %s, front, which needs it, at %s", db.StartedAt, front.StartedAt)
		}
	})
}

func TestACancelledApplyBeginsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		plan, err := b.updater.Plan(b.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		want(t, b.updater.Apply(ctx, plan)[0], core.OutcomeHeld, core.Cancelled)
		b.wantSame()
	})
}

func TestAFaultOfTheRegistryHoldsItsOwnContainersOnly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.engine.Publish(coretest.Reference("db", "1"), coretest.Image{Kind: coretest.Good})
		b.run(coretest.Spec{Name: "db", Reference: "db:1"})
		b.publish(coretest.Good)
		b.engine.Fail("db:1", core.Reason{Code: core.Unauthorized, Text: "db:1 needs a login"})
		want := map[string]string{"db": "held unauthorized", "web": "updated new-image"}
		if diff := cmp.Diff(want, outcomes(b.cycleAll(b.Context()))); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestCleanUpRemovesTheOldImageAfterTheLastOfItsContainers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.Cleanup = true
		b.run(coretest.Spec{Name: "web2"})
		b.publish(coretest.Good)
		b.cycleAll(b.Context())
		if removed, _ := b.engine.RemoveImage(b.Context(), b.old.ImageID); removed {
			t.Error("the old image was still there")
		}
		bad := b.publish(coretest.Crash)
		b.cycleAll(b.Context())
		if removed, _ := b.engine.RemoveImage(b.Context(), bad.ID); removed {
			t.Error("the image that failed was still there")
		}
		b.wantTidy()
	})
}

func TestAPullFalseContainerFollowsTheLocalTag(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.Pull = false
		want(t, b.cycle(b.Context()), core.OutcomeUnchanged, core.UpToDate)
		image := b.publish(coretest.Good)
		if _, err := b.engine.Pull(b.Context(), image, nil); err != nil {
			t.Fatal(err)
		}
		want(t, b.cycle(b.Context()), core.OutcomeUnchanged, core.UpToDate)
		if err := b.engine.Tag(b.Context(), image.ID, reference); err != nil {
			t.Fatal(err)
		}
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if now := b.look("web"); now.ImageID != image.ID {
			t.Errorf("web runs %s, want %s", now.ImageID, image.ID)
		}
		b.wantTidy()
	})
}

func TestAStoppedContainerIsReplacedAndNotStarted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		if err := b.engine.Stop(b.Context(), b.old.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		image := b.publish(coretest.Good)
		want(t, b.cycle(b.Context()), core.OutcomeUnchanged, core.NotRunning)
		b.updater.Settings.IncludeStopped = true
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if now := b.look("web"); now.State != core.Created || now.ImageID != image.ID || now.RestartPolicy != always {
			t.Errorf("web is %+v", now)
		}
		b.wantTidy()
	})
}

func TestAPanicIsTheFailureOfOneContainer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "other"})
		b.publish(coretest.Good)
		first := true
		b.intercept(func(call string, do func() error) error {
			if call == "rename" && first {
				first = false
				panic("a mistake")
			}
			return do()
		})
		got := outcomes(b.cycleAll(b.Context()))
		want := map[string]int{"failed panicked": 1, "updated new-image": 1} // which one goes first is open
		count := map[string]int{}
		for _, outcome := range got {
			count[outcome]++
		}
		if diff := cmp.Diff(want, count); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		b.recover()
		b.wantTidy()
		if !b.look("web").State.Up() || !b.look("other").State.Up() {
			t.Error("a container does not run after recovery")
		}
	})
}

func TestTheResultTellsWhatTheImagesSayOfThemselves(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, map[string]string{"org.opencontainers.image.version": "1.0", "refit.notify": "ops"}, func(b *bench) {
		b.engine.Publish(coretest.Reference("app", "1"), coretest.Image{
			Kind: coretest.Good, Labels: map[string]string{"org.opencontainers.image.version": "1.1", "org.opencontainers.image.revision": "abc"},
		})
		r := b.cycle(b.Context())
		if r.FromVersion.Version != "1.0" || r.ToVersion != (core.Version{Version: "1.1", Revision: "abc"}) {
			b.Errorf("from %+v to %+v", r.FromVersion, r.ToVersion)
		}
		if !slices.Equal(r.Notify, []string{"ops"}) {
			b.Errorf("the channels are %q", r.Notify)
		}
	})
}
