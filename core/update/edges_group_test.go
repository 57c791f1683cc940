package update_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// inGroup is inBubble with side, which shares web's namespace, leaf, which shares
// side's, and dep, which is restarted after web. None of them has a label.
func inGroup(t *testing.T, test func(b *bench)) {
	t.Helper()
	inBubble(t, func(b *bench) {
		for _, s := range hangers {
			b.hang(s)
		}
		test(b)
	})
}

// hang publishes a good image for the container and runs it.
func (b *bench) hang(s coretest.Spec) {
	b.Helper()
	b.publishAs(s.Reference, coretest.Good)
	s.RestartPolicy = always
	time.Sleep(time.Second)
	if _, err := b.engine.Run(s); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) publishAs(reference string, kind coretest.Kind) core.Image {
	repository, tag, _ := strings.Cut(reference, ":")
	return b.engine.Publish(coretest.Reference(repository, tag), coretest.Image{Kind: kind, Volumes: []string{"/data"}})
}

// wantUp asserts that the containers of those names run, each in the present life of
// what it shares, and have their restart policy.
func (b *bench) wantUp(names ...string) {
	b.Helper()
	all, err := b.engine.Containers(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		now := b.look(name)
		if now.State != core.Running || now.RestartPolicy != always {
			b.Errorf("%s is %q, policy %v; want it running, %v", name, now.State, now.RestartPolicy, always)
		}
		i := slices.IndexFunc(all, func(c core.Container) bool { return c.Name == name })
		if i < 0 {
			continue
		}
		if len(all[i].Obstacles) > 0 {
			b.Errorf("%s shares the namespace of one that is gone", name)
		}
		for _, on := range all[i].Tethers {
			if b.look(on).StartedAt.After(now.StartedAt) {
				b.Errorf("%s shares an earlier life of %s", name, on)
			}
		}
	}
}

// killedAt lets the process die at the n-th call of that name, without its effect.
func (b *bench) killedAt(call string, n int) { b.runUntil(nth(call, n), false) }

// compose makes the container anew, as "docker compose up" does.
func (b *bench) compose(s coretest.Spec) {
	b.engine.Delete(s.Name)
	s.RestartPolicy = always
	if _, err := b.engine.Run(s); err != nil {
		b.Error(err)
	}
}

// dep is the one that is restarted after web.
var dep = hangers[2]

// While a bad image is watched compose makes dep anew, which is down for its sake.
// That is somebody's will, and the others get back what they had.
func TestOneThatComposeMadeAnewKeepsNobodyFromComingBack(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		b.once("start", 1, func(do func() error) error { defer b.compose(dep); return do() })
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		b.wantUp("web", "side", "leaf", "dep")
		b.wantSame()
	})
}

// While a bad image is watched a prune takes dep, and its network, so that it cannot
// be made again. The others come back all the same.
func TestOneThatCannotBeMadeAgainKeepsNobodyFromComingBack(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		pruned := false
		started := nth("start", 1)
		b.intercept(func(call string, do func() error) error {
			if pruned && call == "create" {
				return errors.New("network back not found")
			}
			err := do()
			if started(call) {
				b.engine.Delete("dep")
				pruned = true
			}
			return err
		})
		result := b.cycle(b.Context())
		b.wantUp("web", "side", "leaf")
		if result.Outcome != core.OutcomeFailed && result.Outcome != core.OutcomeRolledBack {
			b.Errorf("got %s (%s)", result.Outcome, result.Reason)
		}
		b.recover()
		b.wantUp("web", "side", "leaf", "dep")
		b.wantTidy()
	})
}

// While a good image is watched compose makes dep anew. Nothing of that is the
// image's fault.
func TestOneThatComposeMadeAnewIsNoFaultOfTheImage(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		image := b.publish(coretest.Good)
		b.once("start", 1, func(do func() error) error { defer b.compose(dep); return do() })
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		b.wantUp("web", "side", "leaf", "dep")
		b.wantStanding(image.ID)
		if lessons, _ := b.journal.Lessons(b.Context()); len(lessons) > 0 {
			b.Errorf("lessons: %+v", lessons)
		}
	})
}

// Long after an update a person stops dep. The mark that web still has says how dep
// was at the time of the update: that is over.
func TestTheMarkOfAnOldUpdateStartsNobody(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Good)
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		time.Sleep(24 * time.Hour)
		b.engine.Halt("dep")
		stopped := b.look("dep")
		if results := b.recover(); len(results) > 0 {
			b.Errorf("recover: %+v, want nothing", results)
		}
		if diff := cmp.Diff(stopped, b.look("dep")); diff != "" {
			b.Errorf("a person's will was undone (-before +after):\n%s", diff)
		}
	})
}

// In a rollback side had to be made anew. The mark that it has since is not taken
// for an update that was interrupted.
func TestTheMarkOfOneThatWasMadeAnewIsNoInterruptedUpdate(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		b.once("start", 1, func(do func() error) error { b.engine.Delete("side" + core.OldSuffix); return do() })
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.GateFailed)
		b.wantUp("web", "side", "leaf", "dep")
		b.wantSame()
		b.engine.Halt("web")
		stopped := b.look("web")
		if results := b.recover(); len(results) > 0 {
			b.Errorf("recover: %+v, want nothing", results)
		}
		if diff := cmp.Diff(stopped, b.look("web")); diff != "" {
			b.Errorf("a person's will was undone (-before +after):\n%s", diff)
		}
	})
}

// Refit is asked to end while web's successor is watched. Nobody knows when it is
// back: those that wait for their turn do not stay down so long.
func TestThoseThatWaitForTheirTurnAreStartedWhenRefitEnds(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		image := b.publish(coretest.Good)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.once("start", 1, func(do func() error) error { defer cancel(); return do() })
		want(b.T, b.cycle(ctx), core.OutcomeInterrupted, core.Interrupted)
		b.wantUp("web", "side", "leaf", "dep")
		want(b.T, b.recover()[0], core.OutcomeRecovered, core.Interrupted)
		b.wantUp("web", "side", "leaf", "dep")
		b.wantStanding(image.ID)
	})
}

// beside are the labels of one whose successor proves itself beside it.
var beside = map[string]string{"refit.strategy": "start-first", "refit.start-first-shared": "true"}

// Start-first: Refit is asked to end when P is stopped, and S has proved itself: what
// is left to do is done.
func TestASecondOneThatHasProvedItselfTakesThePlaceWhenRefitEnds(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, beside, func(b *bench) {
		image := b.publish(coretest.Good)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.once("stop", 1, func(do func() error) error { defer cancel(); return do() })
		want(b.T, b.cycle(ctx), core.OutcomeUpdated, core.NewImage)
		b.wantStanding(image.ID)
	})
}

// Start-first: Refit is asked to end while S proves itself beside P. No second one
// stays behind, and nobody promises that the next start goes on.
func TestNoSecondOneRunsOnWhenRefitEnds(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, beside, func(b *bench) {
		b.publish(coretest.Good)
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.once("start", 1, func(do func() error) error { defer cancel(); return do() })
		result := b.cycle(ctx)
		if result.Reason.Code != core.Cancelled {
			b.Errorf("got %s (%s), want it cancelled", result.Outcome, result.Reason)
		}
		b.wantSame()
		if now := b.look("web"); !now.StartedAt.Equal(b.old.StartedAt) {
			b.Error("web was restarted")
		}
	})
}

// Start-first, and the ledger is lost when S is made: nobody has touched P, whose
// restart policy is "no".
func TestOneThatNobodyTouchedIsNotRestartedBecauseTheLedgerIsLost(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, beside, func(b *bench) {
		b.setPolicy("no")
		b.old = b.look("web")
		b.publish(coretest.Good)
		b.killedAt("start", 1)
		*b.journal = coretest.Journal{}
		b.recover()
		b.wantSame()
		if now := b.look("web"); !now.StartedAt.Equal(b.old.StartedAt) {
			b.Error("web was restarted")
		}
	})
}

// The process dies when it has begun to stop a group, and a person removes web by
// force. It is made again, and so are those that hang on it, though they run.
func TestThoseThatRunOnOneThatWasRemovedAreMadeAgainToo(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Good)
		b.killedAt("stop", 2)
		b.engine.Delete("web")
		b.recover()
		b.wantUp("web", "side", "leaf", "dep")
		b.wantTidy()
	})
}

// The process dies while web's successor is watched, and a prune takes everything
// that is down: nobody wanted dep, side and leaf to be gone.
func TestAPruneWhileRefitIsAwayLosesNobodyOfAGroup(t *testing.T) {
	t.Parallel()
	inGroup(t, func(b *bench) {
		b.publish(coretest.Good)
		b.runUntil(nth("start", 1), true)
		b.engine.Prune()
		b.recover()
		b.wantUp("web", "side", "leaf", "dep")
		b.wantTidy()
	})
}

// The process dies in the gate of a group, and web's successor ends before it is
// back: side, which runs, is in the namespace of an earlier life of it.
func TestOneThatSharesAnEarlierLifeIsRestartedWithTheGate(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]struct {
		call string
		n    int
	}{"in the gate": {"start", 4}, "after the commit": {"remove", 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inGroup(t, func(b *bench) {
				b.publish(coretest.Good)
				b.killedAt(line.call, line.n)
				b.engine.Halt("web")
				time.Sleep(time.Minute)
				b.recover()
				b.wantUp("web", "side", "leaf", "dep")
				b.wantTidy()
			})
		})
	}
}
