package update_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// Web's image only moved for another platform, and side's cannot be pulled: that is
// not told as if there were nothing new, and proves nothing.
func TestAMemberWhoseImageCannotBeHadIsNotToldToBeUpToDate(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(coretest.Spec{Name: "side", Reference: "side:1", Shares: []string{"web"}, Labels: map[string]string{"refit.enable": "true"}})
		b.publish(coretest.Good)
		b.publishAs("side:1", coretest.Good)
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(_ string, do func() error) error { return do() }}
		b.updater.Engine = samePull{i, b.old.ImageID}
		for _, r := range b.cycleAll(b.Context()) {
			if r.Name == "side" && (r.Outcome != core.OutcomeHeld || strings.Contains(r.Reason.Text, "same content")) {
				b.Errorf("side is %s (%s), want it held because its image cannot be had", r.Outcome, r.Reason)
			}
		}
	})
}

// samePull is an engine whose pulls of app bring the image that is there already, and
// whose other pulls fail.
type samePull struct {
	coretest.Intercepted
	id string
}

func (s samePull) Pull(_ context.Context, image core.Image, _ func(done, of core.Size)) (string, error) {
	if image.Reference.Repository == "app" {
		return s.id, nil
	}
	return "", errors.New("connection refused")
}

// Web's image only moved for another platform, and side's is bad. What depends on
// side does not go on, and side is told of its own image.
func TestWhatDependsOnAMemberThatFailedIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(coretest.Spec{Name: "side", Reference: "side:1", Shares: []string{"web"}, Labels: map[string]string{"refit.enable": "true"}})
		b.hang(coretest.Spec{Name: "front", Reference: "front:1", DependsOn: []string{"side"}, Labels: map[string]string{"refit.enable": "true"}})
		b.publish(coretest.Good)
		b.publishAs("side:1", coretest.Crash)
		b.publishAs("front:1", coretest.Good)
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(_ string, do func() error) error { return do() }}
		b.updater.Engine = sameApp{i, b.old.ImageID}
		got := outcomes(b.cycleAll(b.Context()))
		wanted := map[string]string{"web": "unchanged up-to-date", "side": "rolled-back gate-failed", "front": "held dependency-held"}
		if diff := cmp.Diff(wanted, got); diff != "" {
			b.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// sameApp is an engine whose pulls of app bring the image that is there already.
type sameApp struct {
	coretest.Intercepted
	id string
}

func (s sameApp) Pull(ctx context.Context, image core.Image, hear func(done, of core.Size)) (string, error) {
	if image.Reference.Repository == "app" {
		return s.id, nil
	}
	return s.Intercepted.Pull(ctx, image, hear)
}

// The same, with a good image: side is told of its own image, not of web's.
func TestAMemberThatMovesAloneIsToldOfItsOwnImage(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(coretest.Spec{Name: "side", Reference: "side:1", Shares: []string{"web"}, Labels: map[string]string{"refit.enable": "true"}})
		b.publish(coretest.Good)
		b.publishAs("side:1", coretest.Good)
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(_ string, do func() error) error { return do() }}
		b.updater.Engine = sameApp{i, b.old.ImageID}
		for _, r := range b.cycleAll(b.Context()) {
			if r.Name == "side" && (r.Outcome != core.OutcomeUpdated || !strings.Contains(r.Reason.Text, "side:1")) {
				b.Errorf("side is %s (%s), want it updated to side:1", r.Outcome, r.Reason)
			}
		}
	})
}

// In a rollback web comes back and side does not: only side is told to be down.
func TestOnlyWhatDoesNotStartIsToldToBeDown(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(hangers[0])
		b.publish(coretest.Unhealthy)
		side := b.look("side").ID
		e := noStart{coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(_ string, do func() error) error { return do() }}, side}
		b.updater.Engine = e
		got := map[string]core.Outcome{}
		for _, r := range b.cycleAll(b.Context()) {
			got[r.Name] = r.Outcome
		}
		if diff := cmp.Diff(map[string]core.Outcome{"web": core.OutcomeRolledBack, "side": core.OutcomeDown}, got); diff != "" {
			b.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// noStart is an engine that does not start one container.
type noStart struct {
	coretest.Intercepted
	id string
}

func (n noStart) Start(ctx context.Context, id string) error {
	if id == n.id {
		return errors.New("port is already allocated")
	}
	return n.Intercepted.Start(ctx, id)
}

// Side's own label shortens its gate, in which it fails after web was updated. That
// is no verdict for all that have web's image.
func TestAGateThatAMemberShortenedSpeaksOfTheGroupOnly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(coretest.Spec{Name: "side", Reference: "side:1", Shares: []string{"web"}, Labels: map[string]string{"refit.gate-stable": "2s"}})
		b.publish(coretest.Good)
		b.once("start", 2, func(func() error) error { return errors.New("exec format error") })
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.StartFailed)
		lessons, _ := b.journal.Lessons(b.Context())
		if len(lessons) != 1 || lessons[0].Container != "web" {
			b.Errorf("lessons %+v, want one for web alone", lessons)
		}
	})
}

// What side left behind when it failed after web's update is told of side.
func TestTheEvidenceOfAMemberIsItsOwn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.hang(hangers[0])
		b.publish(coretest.Good)
		second := nth("start", 2)
		b.intercept(func(call string, do func() error) error {
			if call == "signalled" {
				return errors.New("403 Forbidden")
			}
			if second(call) {
				defer b.engine.Halt("side")
			}
			return do()
		})
		for _, r := range b.cycleAll(b.Context()) {
			if r.Outcome != core.OutcomeRolledBack || (r.Evidence != nil) != (r.Name == "side") {
				b.Errorf("%s is %s (%s) with the evidence %+v, want it rolled back, with that of side alone", r.Name, r.Outcome, r.Reason, r.Evidence)
			}
		}
	})
}
