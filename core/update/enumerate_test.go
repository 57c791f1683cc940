package update_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// TestEveryFaultAtEveryCall is the proof of promise P1: for every call of a
// replacement and every fault, a fresh process afterwards finds or makes exactly
// one container under the name, in the state that it was in, and leaves nothing
// over. What belongs to strangers it leaves as it is.
func TestEveryFaultAtEveryCall(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases enumerated", cases.Load()) })
	for _, kind := range []coretest.Kind{coretest.Good, coretest.Healthy, coretest.Crash, coretest.NoStart, coretest.Unhealthy} {
		for _, fault := range coretest.Faults() {
			t.Run(fmt.Sprintf("%s image, %s", kind, fault.Name), func(t *testing.T) {
				t.Parallel()
				for call, more := 1, true; more; call++ {
					more = enumerate(t, &cases, kind, fault, call)
				}
			})
		}
	}
}

// enumerate makes the fault at one call, with what may follow it: a recovery, one
// with the ledger lost, and one that is killed itself at each of its calls.
func enumerate(t *testing.T, cases *atomic.Int64, kind coretest.Kind, fault coretest.Fault, call int) (more bool) {
	for _, ledgerLost := range []bool{false, true} {
		for killed, dies := 0, true; dies; killed++ {
			cases.Add(1)
			inBubble(t, func(b *bench) {
				e := &enumeration{bench: b, fault: fault}
				b.publish(kind)
				e.what = fmt.Sprintf("call %d, ledger lost %t, recovery killed at its call %d", call, ledgerLost, killed)
				more = e.run(call)
				if ledgerLost {
					b.journal = &coretest.Journal{}
				}
				dies = killed == 0 || e.recoverUntilKilled(killed)
				e.recoverAndCheck()
			})
			if t.Failed() || testing.Short() {
				return more && !t.Failed()
			}
		}
	}
	return more
}

// enumeration is one case.
type enumeration struct {
	*bench
	fault coretest.Fault
	image coretest.Image // what the plan says
	what  string
	call  string // the name of the call at which the fault was
	// strangers are the containers that somebody made when the fault was made.
	strangers []core.Status
}

// run does a cycle with the fault at the n-th call, and tells whether there was one.
func (e *enumeration) run(n int) bool {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	scene := &coretest.Scene{Engine: e.engine, Name: "web", Cancel: cancel}
	calls := 0
	e.intercept(func(call string, do func() error) error {
		calls++
		switch {
		case calls == n:
			e.call = call
			err := e.fault.Act(scene, do)
			e.strangers = e.findStrangers()
			return err
		case calls > n && e.fault.Fatal:
			return errors.New("the process is dead")
		default:
			return do()
		}
	})
	plan, err := e.updater.Plan(ctx, nil, nil)
	if err == nil {
		for _, s := range plan.Steps {
			e.image = e.engine.Published(s.To)
		}
		e.updater.Apply(ctx, plan)
	}
	return calls >= n
}

// intercept lets at stand in for every call to the engine and the journal.
func (b *bench) intercept(at func(call string, do func() error) error) {
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: at}
	b.updater.Engine, b.updater.Journal = i, i
}

func isStranger(id string) bool { return strings.HasPrefix(id, "stranger") }

// findStrangers looks at every container that somebody else made.
func (b *bench) findStrangers() []core.Status {
	b.Helper()
	all, err := b.engine.Containers(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var found []core.Status
	for _, c := range all {
		if isStranger(c.ID) {
			found = append(found, b.look(c.ID))
		}
	}
	return found
}

// recoverUntilKilled runs a recovery that is killed at its n-th call, and tells
// whether it made that many.
func (e *enumeration) recoverUntilKilled(n int) bool {
	e.updater = e.newUpdater(e.engine)
	calls := 0
	e.intercept(func(_ string, do func() error) error {
		if calls++; calls >= n {
			return errors.New("the process is dead")
		}
		return do()
	})
	_, _ = e.updater.Recover(e.Context())
	return calls >= n
}

// recoverAndCheck lets a fresh process recover, and asserts the invariant.
func (e *enumeration) recoverAndCheck() {
	e.Helper()
	e.updater = e.newUpdater(e.engine)
	if _, err := e.updater.Recover(e.Context()); err != nil {
		e.Errorf("recover: %v", err)
	}
	all, err := e.engine.Containers(e.Context())
	if err != nil {
		e.Fatal(err)
	}
	for _, wrong := range violations(e, all) {
		e.Errorf("%s (%s): %s", e.what, e.call, wrong)
	}
}

// violations says how what there is breaks the promise.
func violations(e *enumeration, all []core.Container) []string {
	var wrong []string
	if diff := cmp.Diff(e.strangers, e.findStrangers()); diff != "" {
		wrong = append(wrong, "a stranger's container was touched (-before +after):\n"+diff)
	}
	web := e.look("web")
	if e.fault.Will == coretest.Theft && isStranger(web.ID) {
		return append(wrong, theft(all)...)
	}
	if what := e.standing(web); what != "" {
		wrong = append(wrong, what)
	}
	for _, c := range all {
		if c.Name != "web" && !isStranger(c.ID) {
			wrong = append(wrong, fmt.Sprintf("%s is left over, %s", c.Name, c.State))
		}
	}
	if volumes := e.engine.Volumes(web.ID); web.Exists() && volumes["/data"] != e.data {
		wrong = append(wrong, "web has lost its data")
	}
	if tags, _ := e.engine.TagsOf(e.Context(), core.KeptRepository); len(tags) > 0 {
		wrong = append(wrong, fmt.Sprintf("tags are left over: %v", tags))
	}
	if open, _ := e.journal.Attempts(e.Context()); len(open) > 0 {
		wrong = append(wrong, "an attempt is left over, at line "+string(open[0].Line))
	}
	return wrong
}

// standing says what is wrong with the container under the name, "" if nothing is.
func (e *enumeration) standing(web core.Status) string {
	removed, halted := e.fault.Will == coretest.Removal, e.fault.Will == coretest.Halt
	switch {
	case !web.Exists() && removed:
		return ""
	case !web.Exists():
		return "the container is lost"
	case !web.State.Up() && !halted && !removed:
		return "web is " + string(web.State)
	default:
		return e.identity(web, removed)
	}
}

// identity says what is wrong with the container that stands there.
func (e *enumeration) identity(web core.Status, removed bool) string {
	proven := e.image.Kind == coretest.Good || e.image.Kind == coretest.Healthy
	switch {
	case web.RestartPolicy != always:
		return fmt.Sprintf("web has restart policy %v", web.RestartPolicy)
	case web.ImageID == e.old.ImageID:
		return ""
	case web.ImageID != e.image.ID:
		return "web runs an image that nobody checked: " + web.ImageID
	case !proven && !removed:
		return "web runs an image that cannot have passed"
	default:
		return ""
	}
}

// theft is what must hold when a stranger has the name: the predecessor or a
// successor is still there, beside it.
func theft(all []core.Container) []string {
	for _, c := range all {
		if strings.HasPrefix(c.Name, "web.refit-") && !isStranger(c.ID) {
			return nil
		}
	}
	return []string{"a stranger has the name, and the container is lost"}
}
