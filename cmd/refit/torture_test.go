package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

const (
	// hands are the trials that go on at the same time: most of one is waiting.
	hands = 6
	// sample is how many of them make test tries, groupSample how many of groups; make
	// torture tries them all.
	sample, groupSample = 48, 8
	// grace is what the documentation asks for: a refit that was asked to end has ended.
	grace = time.Minute
)

// tortured tells whether everything is to be tried.
func tortured() bool { return os.Getenv("REFIT_TORTURE") == "full" }

// record is what a run of trials has shown.
type record struct {
	mu      sync.Mutex
	cases   int
	struck  int // the fault's call was made
	lost    int
	longest time.Duration
}

func (r *record) add(struck bool, v verdict, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cases++
	if struck {
		r.struck++
	}
	if v.lost {
		r.lost++
	}
	r.longest = max(r.longest, took)
}

func (r *record) tell(t *testing.T, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Logf("%s: cases tried: %d (%d with the fault struck)", what, r.cases, r.struck)
	t.Logf("%s: containers lost: %d", what, r.lost)
	t.Logf("%s: longest recovery: %s", what, r.longest.Round(10*time.Millisecond))
	if r.struck == 0 {
		t.Errorf("%s: no fault was ever struck", what)
	}
}

// torment is one case: a fault at a call of an update, and how refit starts again.
type torment struct {
	good       bool
	group      bool // another container shares the network of the one that is updated
	fault      fault
	call       int // 0 where nothing goes wrong
	ledgerLost bool
}

func (c torment) String() string {
	what, ledger := "bad image, ", "kept"
	if c.good {
		what = "good image, "
	}
	if c.group {
		what = "a group, " + what
	}
	if c.call == 0 {
		return what + "nothing goes wrong"
	}
	if c.ledgerLost {
		ledger = "lost"
	}
	return fmt.Sprintf("%s%s, call %d, ledger %s", what, c.fault.name, c.call, ledger)
}

// TestTorture is the proof of promise P1 on a real engine: whatever goes wrong
// at any call of an update, and wherever refit is killed, a fresh one leaves
// exactly one container under the name, running, with its settings and its data.
func TestTorture(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t, registrytest.Options{})
	b := newBench(t, dockertest.New(t), registry.Host)
	all := slices.Concat(torments(t, b, false, sample), torments(t, b, true, groupSample))
	var r record
	var workers sync.WaitGroup
	queue := make(chan torment)
	for range hands {
		workers.Go(func() {
			for c := range queue {
				t.Run(c.String(), func(t *testing.T) { torture(t, b, &r, c) })
			}
		})
	}
	for _, c := range all {
		queue <- c
	}
	close(queue)
	workers.Wait()
	r.tell(t, "faults at the engine's calls")
}

// torments are all that there are of single containers, or of groups; n of them, where
// not everything is to be tried.
func torments(t *testing.T, b *bench, group bool, n int) (all []torment) {
	for _, good := range []bool{true, false} {
		c := torment{good: good, group: group}
		calls := 0
		t.Run(c.String(), func(t *testing.T) { calls = undisturbed(t, b, c) })
		if t.Failed() {
			t.FailNow()
		}
		for c.call = 1; c.call <= calls+1; c.call++ {
			for _, c.fault = range faults() {
				for _, c.ledgerLost = range []bool{false, true} {
					all = append(all, c)
				}
			}
		}
	}
	if !tortured() {
		all = some(all, n)
	}
	return all
}

// some picks n of them, evenly, so that every fault has its turn.
func some[T any](all []T, n int) []T {
	if n >= len(all) {
		return all
	}
	picked := make([]T, 0, n)
	for i := range n {
		picked = append(picked, all[i*len(all)/n])
	}
	return slices.Clip(picked)
}

// undisturbed runs an update with which nothing goes wrong, and returns how many
// calls it makes.
func undisturbed(t *testing.T, b *bench, c torment) int {
	x := c.begin(t, b)
	p := intercept(t, b.socket)
	want, image := exitDone, x.new
	if !c.good {
		want, image = exitRolledBack, x.old
	}
	if code, out := x.update(p).wait(); code != want {
		t.Fatalf("refit update: exit code %d, want %d:\n%s", code, want, out)
	}
	for _, wrong := range x.violations(false).wrong {
		t.Error(wrong)
	}
	if now := x.engine.Inspect(x.name); now.Image != image {
		t.Errorf("the container runs %s", x.image(now.Image))
	}
	t.Logf("%d calls", len(p.made()))
	return len(p.made())
}

// begin makes a trial on the machine's engine that is tidied up with its test.
func begin(t *testing.T, b *bench, good bool) *trial {
	t.Helper()
	return torment{good: good}.begin(t, b)
}

func (c torment) begin(t *testing.T, b *bench) *trial {
	t.Helper()
	var x *trial
	t.Cleanup(func() { // after the engine has removed the containers
		if x != nil {
			x.forget()
		}
	})
	x = b.trial(t, dockertest.New(t), "web", c.good)
	if c.group {
		x.invite()
	}
	x.prepare()
	return x
}

// torture is one case, from a running container to the verdict.
func torture(t *testing.T, b *bench, r *record, c torment) {
	x := c.begin(t, b)
	p := intercept(t, b.socket)
	p.at, p.fault = c.call, c.fault
	began := time.Now()
	code, said := x.update(p).wait()
	if took := time.Since(began); c.fault.asks && took > grace {
		t.Errorf("refit took %s to end", took)
	}
	if code == exitDown {
		t.Errorf("refit update says that the container is down")
	}
	if c.fault.ends && p.struck() != "" && code != -1 {
		t.Errorf("refit was not killed, exit code %d", code)
	}
	if c.ledgerLost {
		x.loseLedger()
	}
	took, recovered := x.recover()
	v := x.violations(c.ledgerLost)
	r.add(p.struck() != "", v, took)
	for _, wrong := range v.wrong {
		t.Error(wrong)
	}
	if t.Failed() {
		t.Logf("struck %q; refit update said:\n%s\nrefit recover said:\n%s\nthe calls were:\n%v", p.struck(), said, recovered, p.made())
	}
}
