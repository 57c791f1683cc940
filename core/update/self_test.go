package update_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// sent is a deputy that notes what it is asked for.
type sent func(image string) error

func (s sent) Send(_ context.Context, image string) error { return s(image) }

// asSelf makes web the container that the updater runs in.
func asSelf(b *bench, d sent) {
	b.updater.Settings.Self = b.look("web").ID
	b.updater.Deputy = d
}

func TestRefitItselfIsHandedOverWhenAllElseIsDone(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "db"})
		b.run(coretest.Spec{Name: "front", DependsOn: []string{"web"}})
		self := b.look("web")
		var images []string
		asSelf(b, func(image string) error {
			images = append(images, image)
			for _, name := range []string{"db", "front"} {
				if b.look(name).ImageID == self.ImageID {
					t.Errorf("%s had not been updated when Refit itself was handed over", name)
				}
			}
			return nil
		})
		b.publish(coretest.Good)
		results := b.cycleAll(b.Context())
		want := map[string]string{"web": "unchanged handed-over", "db": "updated new-image", "front": "updated new-image"}
		if diff := cmp.Diff(want, outcomes(results)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if at := slices.IndexFunc(results, func(r core.Result) bool { return r.Name == "web" }); !results[at].Open {
			t.Error("nothing asks Recover to look at what the helper did")
		}
		if diff := cmp.Diff([]string{self.ImageID}, images); diff != "" {
			t.Errorf("the images of the helpers that were sent (-want +got):\n%s", diff)
		}
		if now := b.look("web"); now.ID != self.ID || !now.StartedAt.Equal(self.StartedAt) {
			t.Error("Refit's own container was touched")
		}
	})
}

func TestRefitItselfIsHeldWhereNoHelperCanBeSent(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		asSelf(b, func(string) error { return errors.New("no space") })
		b.publish(coretest.Good)
		want(t, b.cycleAll(b.Context())[0], core.OutcomeHeld, core.EngineFailed)
		b.wantSame()
	})
}

func TestRefitItselfWaitsForWhatIsStillOpen(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.engine.Publish(coretest.Reference("db", "1"), coretest.Image{Kind: coretest.Good})
		b.run(coretest.Spec{Name: "other", Reference: "db:1"})
		asSelf(b, func(string) error {
			t.Error("a helper was sent")
			return nil
		})
		open := core.Attempt{ID: "0123456789abcdef", Owner: b.updater.Owner, Line: core.LineRollback}
		open.Name, open.Predecessor = "other", b.look("other").ID
		if err := b.journal.Save(b.Context(), open); err != nil {
			t.Fatal(err)
		}
		b.publish(coretest.Good)
		if got := outcomes(b.cycleAll(b.Context()))["web"]; got != "held in-replacement" {
			t.Errorf("got %s, want it held", got)
		}
		b.updater.Only = "web"
		if results, err := b.updater.Recover(b.Context()); err != nil || len(results) > 0 {
			t.Errorf("a helper recovered %v (error %v), which is none of its business", results, err)
		}
	})
}

func TestRefitItselfIsHeldWhenTheImageHasFailedElsewhere(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "other"})
		asSelf(b, func(string) error {
			t.Error("a helper was sent")
			return nil
		})
		b.publish(coretest.Crash)
		if got := outcomes(b.cycleAll(b.Context()))["web"]; got != "held canary-failed" {
			t.Errorf("got %s, want it held", got)
		}
	})
}

// TestWhatConcernsRefitItselfIsLeftToAHelper cuts an update at its every record, and has
// it recovered by a Refit that runs in the old container, and in the new one.
func TestWhatConcernsRefitItselfIsLeftToAHelper(t *testing.T) {
	t.Parallel()
	for _, line := range []core.Line{core.LineRecord, core.LineCreate, core.LineStop, core.LineRename, core.LineStart, core.LineCommit} {
		for _, who := range []string{"the old one", "the new one"} {
			t.Run(string(line)+" seen by "+who, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(b *bench) {
					b.publish(coretest.Good)
					a, before := cutAt(b, line)
					b.updater.Settings.Self = a.Predecessor
					if who == "the new one" {
						if a.Successor == "" {
							return // there is none yet
						}
						b.updater.Settings.Self = a.Successor
					}
					var images []string
					b.updater.Deputy = sent(func(image string) error {
						images = append(images, image)
						return nil
					})
					results, err := b.updater.Recover(b.Context())
					if err == nil || !strings.Contains(err.Error(), "a helper goes on with it") || len(results) > 0 {
						t.Errorf("got %v and error %v, want the error that a helper goes on", results, err)
					}
					if diff := cmp.Diff([]string{a.From.ID}, images); diff != "" {
						t.Errorf("the images of the helpers (-want +got):\n%s", diff)
					}
					if diff := cmp.Diff(before, names(b)); diff != "" {
						t.Errorf("containers were touched (-before +after):\n%s", diff)
					}
				})
			})
		}
	}
}

// cutAt runs an update until that line has been recorded, and no further. It returns the
// record, and what there was then.
func cutAt(b *bench, line core.Line) (core.Attempt, map[string]string) {
	b.Helper()
	ctx, cut := context.WithCancel(b.Context())
	defer cut()
	dead := errors.New("killed")
	b.updater.Engine, b.updater.Journal = b.engine, b.journal
	over := false
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(_ string, do func() error) error {
		if over {
			return dead
		}
		err := do()
		if attempts, _ := b.journal.Attempts(b.Context()); len(attempts) > 0 && attempts[0].Line == line {
			over = true
		}
		return err
	}}
	b.updater.Engine, b.updater.Journal = i, i
	b.cycleAll(ctx)
	b.updater.Engine, b.updater.Journal = b.engine, b.journal
	attempts, err := b.journal.Attempts(b.Context())
	if err != nil || len(attempts) != 1 {
		b.Fatalf("%d attempts are open (error %v), want one", len(attempts), err)
	}
	return attempts[0], names(b)
}

// names are the containers' states by name.
func names(b *bench) map[string]string {
	b.Helper()
	all, err := b.engine.Containers(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	found := map[string]string{}
	for _, c := range all {
		found[c.Name] = c.ID + " " + string(c.State)
	}
	return found
}
