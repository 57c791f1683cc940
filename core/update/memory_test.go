package update_test

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

func TestAContainerWhoseImageIsGoneIsUpdatedByWhatIsRemembered(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kind coretest.Kind
		want core.Outcome
	}{
		"to an image that works":  {coretest.Good, core.OutcomeUpdated},
		"and back from a bad one": {coretest.Crash, core.OutcomeRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.cycle(b.Context()) // nothing new: web's image is seen for the first time
				b.engine.Lose(b.old.ImageID)
				b.publish(test.kind)
				r := b.cycle(b.Context())
				if r.Outcome != test.want {
					t.Fatalf("%s: %s", r.Outcome, r.Reason)
				}
				if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "cannot be kept") }) {
					t.Errorf("no word of the old image in %q", r.Notes)
				}
				if !b.look("web").State.Up() {
					t.Error("web is down")
				}
				b.wantTidy()
			})
		})
	}
}

func TestAnImageThatIsGoneIsReadFromItsRegistryByTheDigestThatTheEngineKept(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.engine.KeepsDigests = true
		b.engine.Lose(b.old.ImageID)
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeUnchanged || r.Reason.Code != core.UpToDate {
			t.Errorf("with nothing new: %s: %s", r.Outcome, r.Reason)
		}
		b.remembers("once it was read", b.old.ImageID)
		b.publish(coretest.Good)
		b.updater.Reader = nil
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeUpdated {
			t.Errorf("with a new image: %s: %s", r.Outcome, r.Reason)
		}
		b.wantTidy()
	})
}

func TestAGroupIsHeldForAMemberThatCannotBeMadeAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		other := b.engine.Publish(coretest.Reference("other", "1"), coretest.Image{Kind: coretest.Good})
		b.run(coretest.Spec{Name: "child", Reference: "other:1", Shares: []string{"web"}})
		b.cycle(b.Context())
		b.engine.Lose(other.ID)
		b.publish(coretest.Good)
		r := b.cycle(b.Context())
		if r.Outcome != core.OutcomeHeld || !strings.Contains(r.Reason.Text, "child: it cannot be made again") {
			t.Errorf("%s: %s", r.Outcome, r.Reason)
		}
		if now := b.look("web"); now.ID != b.old.ID || !now.StartedAt.Equal(b.old.StartedAt) {
			t.Errorf("web noticed: %+v", now)
		}
		b.wantTidy()
	})
}

func TestAContainerWhoseImageIsGoneAndUnknownIsHeld(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.engine.Lose(b.old.ImageID)
		b.publish(coretest.Good)
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeHeld || r.Reason.Code != core.Unsupported {
			t.Errorf("%s: %s", r.Outcome, r.Reason)
		}
	})
}

func TestImagesOfEnabledContainersAreRememberedWhileInUse(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		other := b.engine.Publish(coretest.Reference("other", "1"), coretest.Image{Kind: coretest.Good})
		b.run(coretest.Spec{Name: "off", Reference: "other:1", Labels: map[string]string{"refit.enable": "false"}})
		b.remembers("before the first cycle")
		if _, err := b.updater.Plan(b.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		b.remembers("after a plan alone")
		b.cycle(b.Context())
		b.remembers("after a cycle", b.old.ImageID)
		newer := b.publish(coretest.Good)
		b.cycle(b.Context())
		b.cycle(b.Context())
		b.remembers("after an update and the next cycle", newer.ID)
		b.run(coretest.Spec{Name: "on", Reference: "other:1"})
		b.cycle(b.Context())
		b.remembers("with one more container", newer.ID, other.ID)
	})
}

func (b *bench) remembers(when string, want ...string) {
	b.Helper()
	got := slices.Sorted(maps.Keys(b.journal.Remembered))
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("%s it remembers (-want +got):\n%s", when, diff)
	}
}

func TestACycleWritesNothingWhenAllIsRemembered(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		count := map[string]int{}
		i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
			count[call]++
			return do()
		}}
		b.updater = b.newUpdater(i)
		b.updater.Journal = i
		b.cycle(b.Context())
		if count["recall"] != 1 || count["remember"] != 1 {
			t.Errorf("the first cycle: %v", count)
		}
		clear(count)
		b.cycle(b.Context())
		if count["recall"] != 1 || count["remember"]+count["defaults"] != 0 {
			t.Errorf("the second cycle: %v", count)
		}
	})
}

func TestAMemoryThatFailsHoldsNoUpdate(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"recall", "remember"} {
		t.Run(failing, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
					if call == failing {
						return errors.New("the disk is full")
					}
					return do()
				}}
				b.updater = b.newUpdater(i)
				b.updater.Journal = i
				if r := b.cycle(context.Background()); r.Outcome != core.OutcomeUpdated {
					t.Errorf("%s: %s", r.Outcome, r.Reason)
				}
			})
		})
	}
}

// counts has the updater count what it asks registries about images that are gone.
func (b *bench) counts(trouble error) map[string]int {
	asked := map[string]int{}
	b.engine.KeepsDigests = true
	b.updater.Reader = reader(func(image core.Image) (core.Defaults, error) {
		asked[image.Reference.Text]++
		if trouble != nil {
			return core.Defaults{}, trouble
		}
		return b.engine.Config(b.Context(), image)
	})
	return asked
}

func TestOnlyWhatMayMoveIsAskedForWhenItsImageIsGoneAndOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		asked := b.counts(nil)
		b.run(coretest.Spec{Name: "twin"})
		for name, labels := range map[string]map[string]string{
			"off": {"refit.enable": "false"}, "elsewhere": {"refit.scope": "another"}, "later": {},
		} {
			image := b.engine.Publish(coretest.Reference(name, "1"), coretest.Image{Kind: coretest.Good})
			b.run(coretest.Spec{Name: name, Reference: name + ":1", Labels: labels})
			b.engine.Lose(image.ID)
		}
		b.engine.Lose(b.old.ImageID)
		due := map[string]bool{"web": true, "twin": true, "off": true, "elsewhere": true}
		for range 3 {
			plan, err := b.updater.Plan(b.Context(), due, nil)
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range b.updater.Apply(b.Context(), plan) {
				if r.Outcome == core.OutcomeHeld {
					b.Errorf("%s: %s", r.Name, r.Reason)
				}
			}
		}
		if diff := cmp.Diff(map[string]int{reference: 1}, asked); diff != "" {
			b.Error(diff)
		}
	})
}

func TestARegistryThatDoesNotHaveAnImageThatIsGoneIsNotAskedAgainThatDay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code       core.Code
		want, then int
	}{
		"it says so":         {core.NotFound, 2, 4},            // one for each image, and one a day later
		"it does not answer": {core.RegistryUnreachable, 3, 4}, // one in each plan, and no second one that would wait as long
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				asked := b.counts(refused{core.Reason{Code: test.code}})
				for _, name := range []string{"registry.test/a", "registry.test/b"} {
					ref := coretest.Reference(name, "1")
					image := b.engine.Publish(ref, coretest.Image{Kind: coretest.Good})
					b.run(coretest.Spec{Name: path.Base(name), Reference: ref.Text})
					b.engine.Lose(image.ID)
				}
				for range 3 {
					b.cycle(b.Context())
				}
				soon := total(asked)
				time.Sleep(absence)
				b.cycle(b.Context())
				if then := total(asked); soon != test.want || then != test.then {
					b.Errorf("asked %d times in three cycles and %d with one on the next day, want %d and %d", soon, then, test.want, test.then)
				}
			})
		})
	}
}

// absence is how long a registry is believed that it has no such image.
const absence = 24 * time.Hour

func total(counts map[string]int) (n int) {
	for _, one := range counts {
		n += one
	}
	return n
}

// refused is what a registry's adapter says.
type refused struct{ reason core.Reason }

func (r refused) Error() string       { return string(r.reason.Code) }
func (r refused) Reason() core.Reason { return r.reason }
