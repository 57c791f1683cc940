package update_test

import (
	"errors"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

func TestAnImageThatFailedItsGateIsQuarantined(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "web2"})
		b.publish(coretest.Crash)
		b.cycleAll(b.Context())
		b.updater = b.newUpdater(b.engine) // a restart forgets nothing
		for name, outcome := range outcomes(b.cycleAll(b.Context())) {
			if outcome != "held quarantined" {
				t.Errorf("%s: %s, want it held", name, outcome)
			}
		}
		b.updater.Force = true
		if result := b.cycle(b.Context()); result.Outcome == core.OutcomeHeld && result.Reason.Code == core.Quarantined {
			t.Errorf("with force: %s", result.Reason)
		}
		b.updater.Force = false
		b.publish(coretest.Good)
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
	})
}

func TestAGateShortenedByALabelQuarantinesForThatContainerOnly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "hasty", Labels: map[string]string{"refit.gate-timeout": "1s"}})
		slow := b.publish(coretest.Unhealthy)
		b.updater.Settings.Defaults.Enabled = false
		plan, err := b.updater.Plan(b.Context(), nil, []string{"hasty"})
		if err != nil {
			t.Fatal(err)
		}
		b.updater.Apply(b.Context(), plan)
		lessons, _ := b.journal.Lessons(b.Context())
		if len(lessons) != 1 || lessons[0].Container != "hasty" || lessons[0].Image.Digest != slow.Digest {
			t.Errorf("lessons %+v, want one for hasty alone", lessons)
		}
	})
}

func TestAFailureThatIsNoVerdictBacksOff(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		broken := func(func() error) error { return errors.New("no space left on device") }
		for times := 1; times <= 3; times++ {
			b.once("create", 1, broken)
			want(t, b.cycle(b.Context()), core.OutcomeHeld, core.CreateFailed)
			b.updater = b.newUpdater(b.engine)
			want(t, b.cycle(b.Context()), core.OutcomeHeld, core.BackingOff)
			pause := 5 * time.Minute << (times - 1)
			time.Sleep(pause - time.Second)
			want(t, b.cycle(b.Context()), core.OutcomeHeld, core.BackingOff)
			time.Sleep(time.Second)
		}
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if lessons, _ := b.journal.Lessons(b.Context()); len(lessons) > 0 {
			t.Errorf("lessons after the success: %+v", lessons)
		}
	})
}

func TestGoingBackQuarantinesWhatWasLeft(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		result := b.cycle(b.Context())
		want(t, result, core.OutcomeUpdated, core.NewImage)
		all, err := b.engine.Containers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		plan, err := b.updater.PlanBack(b.Context(), all, "web", result.From)
		if err != nil {
			t.Fatal(err)
		}
		want(t, b.updater.Apply(b.Context(), plan)[0], core.OutcomeUpdated, core.AskedBack)
		if now := b.look("web"); now.ImageID != b.old.ImageID {
			t.Errorf("web runs %s, want the image before, %s", now.ImageID, b.old.ImageID)
		}
		b.wantTidy()
		want(t, b.cycle(b.Context()), core.OutcomeHeld, core.Quarantined)
		b.publish(coretest.Good)
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
	})
}

func TestAnEngineThatIsAwayDuringTheGateIsNoVerdict(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		var since time.Time
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
			if call == "start" && since.IsZero() {
				since = time.Now()
			}
			away := time.Since(since)
			if !since.IsZero() && away > 3*time.Second && away < 30*time.Second {
				b.engine.Halt("web") // the engine takes its containers down
				return errors.New("connection refused")
			}
			return do()
		}}
		b.updater.Engine, b.updater.Journal = i, i
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if now := b.look("web"); now.ImageID != image.ID || !now.State.Up() {
			t.Errorf("web is %+v", now)
		}
		b.wantTidy()
	})
}

func TestSomebodyWhoStopsTheNewContainerIsNoVerdict(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		looks := 0
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
			if now, _ := b.engine.Look(b.Context(), "web"); call == "look" && now.ImageID == image.ID && now.State.Up() {
				if looks++; looks == 5 {
					b.engine.Halt("web")
				}
			}
			return do()
		}}
		b.updater.Engine, b.updater.Journal = i, i
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if looks < 5 {
			t.Fatal("nobody stopped it")
		}
	})
}

func TestTheHistoryTellsTheTruth(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Crash)
		b.cycle(b.Context())
		good := b.publish(coretest.Good)
		b.cycle(b.Context())
		b.cycle(b.Context()) // nothing new is nothing to remember
		if len(b.journal.History) != 2 {
			t.Fatalf("%d results in the history, want 2", len(b.journal.History))
		}
		first, second := b.journal.History[0], b.journal.History[1]
		if first.Outcome != core.OutcomeRolledBack || first.Reason.Code != core.GateFailed || first.Evidence == nil {
			t.Errorf("first: %+v", first)
		}
		if second.Outcome != core.OutcomeUpdated || second.To.Digest != good.Digest || second.From.Digest == "" || second.Downtime <= 0 || second.Took < second.Downtime {
			t.Errorf("second: %+v", second)
		}
	})
}
