package update_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		enumerateAll(t, &cases, &trial{kind: kind})
	}
}

// TestEveryFaultAtEveryCallWithHooks is the same for a container with hooks, one of
// which keeps its data: in the end every hook that was called has been told one
// end, and after a rollback the data is what it was.
func TestEveryFaultAtEveryCallWithHooks(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases enumerated", cases.Load()) })
	for _, tr := range []*trial{
		{kind: coretest.Good, hooks: true},
		{kind: coretest.Crash, hooks: true},
		{kind: coretest.Good, hooks: true, rejects: true},
	} {
		enumerateAll(t, &cases, tr)
	}
}

func enumerateAll(t *testing.T, cases *atomic.Int64, tr *trial) {
	for _, fault := range coretest.Faults() {
		alone := tr.bad || tr.group && tr.kind != coretest.Good
		if alone && fault.Interloper || tr.victim != "" && !fault.Interloper {
			continue // nothing that another trial does not show
		}
		t.Run(tr.String()+", "+fault.Name, func(t *testing.T) {
			t.Parallel()
			for call, more := 1, true; more; call++ {
				more = enumerate(t, cases, tr, fault, call)
			}
		})
	}
}

// enumerate makes the fault at one call, with what may follow it: a recovery, one
// with the ledger lost, and one that is killed itself at each of its calls. With
// hooks there is no killed recovery of a lost ledger, or of what somebody else did. Of
// groups, start-first and paused containers make test kills those of a killed process
// only, and not at each call.
func enumerate(t *testing.T, cases *atomic.Int64, tr *trial, fault coretest.Fault, call int) (more bool) {
	for _, ledgerLost := range []bool{false, true} {
		for killed, dies := 0, true; dies; killed = tr.next(killed, call) {
			cases.Add(1)
			inBubbleWith(t, tr.labels(), func(b *bench) {
				e := &enumeration{bench: b, trial: tr, fault: fault, killed: killed > 0, lost: ledgerLost}
				e.furnish()
				e.what = fmt.Sprintf("call %d, ledger lost %t, recovery killed at its call %d", call, ledgerLost, killed)
				more = e.run(call)
				if ledgerLost {
					b.journal = &coretest.Journal{}
				}
				dies = killed == 0 || e.recoverUntilKilled(killed)
				e.recoverAndCheck()
			})
			if t.Failed() {
				return false
			}
			if testing.Short() || tr.short(fault, ledgerLost) {
				break
			}
		}
	}
	return more
}

// enumeration is one case.
type enumeration struct {
	*bench
	*trial
	fault coretest.Fault
	// killed and lost: the recovery was killed once, the ledger was lost before it.
	killed, lost bool
	image        coretest.Image // what the plan says
	what         string
	call         string // the name of the call at which the fault was
	// near says that a hook was called so soon after the fault that nobody could
	// have noticed it, soon that a container was started so.
	near, soon bool
	// clashed says that a container was started beside another one that writes to the
	// same volume.
	clashed bool
	// strangers are the containers that somebody made when the fault was made.
	strangers []core.Status
	before    map[string]core.Status // those that hang on web
}

// run does a cycle with the fault at the n-th call, and tells whether there was one.
func (e *enumeration) run(n int) bool {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	scene := &coretest.Scene{Engine: e.engine, Name: e.subject(), Cancel: cancel}
	calls, clashes := 0, 0
	defer func() { e.clashed = len(e.engine.Clashes()) > clashes && !e.soon }()
	e.intercept(func(call string, do func() error) error {
		calls++
		switch {
		case calls == n:
			e.call = call
			err := e.fault.Act(scene, do)
			e.strangers = e.findStrangers()
			e.near = strings.HasPrefix(call, "hook ")
			clashes = len(e.engine.Clashes()) // what somebody else has started is theirs
			return err
		case calls > n && e.fault.Fatal:
			return errors.New("the process is dead")
		}
		e.follow(call, calls-n)
		return do()
	})
	plan, err := e.updater.Plan(ctx, nil, nil)
	if err == nil {
		for _, s := range plan.Steps {
			if s.Container.Name == "web" {
				e.image = e.engine.Published(s.To)
			}
		}
		e.updater.Apply(ctx, plan)
	}
	return calls >= n
}

// follow looks at a call that comes so many after the fault.
func (e *enumeration) follow(call string, after int) {
	e.near = e.near || strings.HasPrefix(call, "hook ") && after > 0 && after < 5
	e.soon = e.soon || call == "start" && after > 0 && after < 8
}

// intercept lets at stand in for every call to the engine and the journal.
func (b *bench) intercept(at func(call string, do func() error) error) {
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: at}
	b.updater.Engine, b.updater.Journal = i, i
	if b.hooks != nil {
		i.Hooks = b.hooks
		b.updater.Hooks = coretest.InterceptedHooks{Intercepted: i}
	}
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
	for _, wrong := range slices.Concat(violations(e, all), e.groupViolations(all), e.hookViolations(), e.untold()) {
		e.Errorf("%s (%s): %s", e.what, e.call, wrong)
	}
}

// hookViolations says what is wrong with what hooks were told, and with the data
// that one of them keeps.
func (e *enumeration) hookViolations() []string {
	if !e.trial.hooks {
		return nil
	}
	var wrong []string
	if e.clashed {
		wrong = append(wrong, fmt.Sprintf("two write at the same time: %q", e.engine.Clashes()))
	}
	if !e.fault.Interloper || !e.near {
		wrong = append(wrong, e.bench.hooks.Wrong()...)
	}
	return append(wrong, e.endViolations()...)
}

// endViolations says what is wrong with the ends, and with the data after them.
func (e *enumeration) endViolations() (wrong []string) {
	open, _ := e.journal.Attempts(e.Context())
	if e.lost || len(open) > 0 { // with the ledger went what they were told; and what is not over has no end
		return wrong
	}
	if !e.unheard() {
		repeated := e.killed || e.fault.Fatal || strings.HasSuffix(e.call, string(core.OnRollback))
		wrong = append(wrong, coretest.Unended(e.bench.hooks.Calls(), repeated)...)
	}
	web := e.look("web")
	data := e.engine.Contents(web.ID)["/data"]
	if web.ID == e.old.ID && data != e.old.ImageID && !e.hands() {
		wrong = append(wrong, "web has its data from "+data)
	}
	return wrong
}

// unheard tells whether the fault kept a hook from hearing of the end. That is told
// to people, and not tried again.
func (e *enumeration) unheard() bool {
	return !e.fault.Fatal && (strings.HasSuffix(e.call, string(core.Finished)) || e.call == "describe hooks")
}

// hands tells whether somebody started the old container, or the waiting one, or
// nobody looked for an hour: what was written then is not undone.
func (e *enumeration) hands() bool {
	return strings.HasPrefix(e.fault.Name, "somebody starts") || time.Since(e.began) > time.Hour
}

// violations says how what there is breaks the promise.
func violations(e *enumeration, all []core.Container) []string {
	var wrong []string
	if diff := cmp.Diff(e.strangers, e.findStrangers()); diff != "" {
		wrong = append(wrong, "a stranger's container was touched (-before +after):\n"+diff)
	}
	web := e.look("web")
	if e.stolen() {
		return append(wrong, theft(all, e.subject())...)
	}
	if what := e.standing(web); what != "" {
		wrong = append(wrong, what)
	}
	for _, c := range all {
		if !e.belongs(c.Name) && !isStranger(c.ID) {
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

// untold says what people would not hear of, or hear wrongly: notifications are made
// from the history.
func (e *enumeration) untold() []string {
	web := e.look("web")
	switch {
	case e.lost, len(e.journal.Lines) == 0, e.stolen():
		return nil
	case len(e.journal.History) == 0:
		return []string{"an attempt was begun, and its end is not in the history"}
	}
	last := e.last("web")
	replaced := web.Exists() && web.ID != e.old.ID && web.ImageID != e.old.ImageID
	says := []core.Outcome{core.OutcomeUpdated, core.OutcomeRecovered, core.OutcomeFailed, core.OutcomeDown}
	switch {
	case replaced && !slices.Contains(says, last.Outcome):
		return []string{"web was replaced, and the history says " + string(last.Outcome)}
	case web.ID == e.old.ID && last.Outcome == core.OutcomeUpdated:
		return []string{"web was not replaced, and the history says that it was"}
	default:
		return nil
	}
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
	case e.paused && web.State != core.Paused && !e.fault.Interloper:
		return "web is not paused"
	default:
		return e.identity(web, removed)
	}
}

// identity says what is wrong with the container that stands there.
func (e *enumeration) identity(web core.Status, removed bool) string {
	proven := !e.rejects && (e.image.Kind == coretest.Good || e.image.Kind == coretest.Healthy)
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
