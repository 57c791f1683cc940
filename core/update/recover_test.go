package update_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// runUntilLost runs a cycle in which the engine and the ledger are lost for good
// at the n-th call, before or after its effect: what is then on the engine is
// what a process that is killed there leaves behind. It tells whether there was
// an n-th call.
func (b *bench) runUntilLost(n int, after bool) bool {
	calls := 0
	b.runUntil(func(string) bool { calls++; return calls == n }, after)
	return calls >= n
}

// runUntil runs a cycle in which everything is lost from the call on of which
// lost says so.
func (b *bench) runUntil(lost func(call string) bool, after bool) {
	gone := false
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
		last := lost(call)
		if !gone && (!last || after) {
			gone = last
			return do()
		}
		gone = true
		return errors.New("connection lost")
	}}
	b.updater.Engine, b.updater.Journal = i, i
	plan, err := b.updater.Plan(b.Context(), nil, nil)
	if err == nil {
		b.updater.Apply(b.Context(), plan)
	}
}

func TestAProcessLostAtAnyCallIsRecovered(t *testing.T) {
	t.Parallel()
	for _, kind := range []coretest.Kind{coretest.Good, coretest.Crash, coretest.NoStart} {
		for _, ledgerLost := range []bool{false, true} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s image, ledger lost %t, after effect %t", kind, ledgerLost, after), func(t *testing.T) {
					t.Parallel()
					cases := 0
					for more := true; more; {
						cases++
						inBubble(t, func(b *bench) {
							more = b.lostAndRecovered(cases, kind, ledgerLost, after)
							if b.Failed() {
								b.Fatalf("at call %d", cases)
							}
						})
					}
					if cases < 20 {
						t.Fatalf("%d calls: too few to be the whole of a replacement", cases)
					}
				})
			}
		}
	}
}

// lostAndRecovered loses the process at the n-th call, and asserts that a fresh
// one leaves exactly one container under the name, running, with nothing left over.
func (b *bench) lostAndRecovered(n int, kind coretest.Kind, ledgerLost, after bool) (more bool) {
	image := b.publish(kind)
	more = b.runUntilLost(n, after)
	if ledgerLost {
		b.journal = &coretest.Journal{}
	}
	b.recover()
	now := b.look("web")
	if !now.State.Up() || now.RestartPolicy != always {
		b.Errorf("web is %q with restart policy %v, want it running with %v", now.State, now.RestartPolicy, always)
	}
	if now.ID != b.old.ID && (kind != coretest.Good || now.ImageID != image.ID) {
		b.Errorf("web is %s with image %s: neither the old container nor a proven one", now.ID, now.ImageID)
	}
	tag, _ := b.engine.Resolve(b.Context(), reference)
	if tag != now.ImageID && (!ledgerLost || tag != b.old.ImageID) {
		b.Errorf("the tag points to %s, web runs %s", tag, now.ImageID)
	}
	b.wantTidy()
	return more
}

func TestAnothersReplacementIsReportedAndNotTouched(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		b.runUntil(func(call string) bool { return call == "stop" }, false)
		left := b.look("web" + core.NewSuffix)
		if !left.Exists() {
			b.Fatal("the test is to leave a successor behind")
		}
		b.journal = &coretest.Journal{}
		b.updater = b.newUpdater(b.engine)
		b.updater.Owner = "another00000"
		results, err := b.updater.Recover(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if len(results) != 1 || results[0].Reason.Code != core.Foreign {
			b.Errorf("results %+v, want one that says foreign", results)
		}
		if !b.look(left.ID).Exists() {
			t.Error("the other's successor was removed")
		}
	})
}

func TestRecoverWithNothingToDoDoesNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		if results := b.recover(); len(results) != 0 {
			b.Errorf("got %+v, want nothing", results)
		}
		b.wantSame()
	})
}
