package notify_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
	"github.com/refit-dev/refit/notify/notifytest"
)

// killer is an outbox whose process is killed at the nth call, before the call did
// anything or when it had done all. After that every call fails.
type killer struct {
	*notifytest.Outbox
	nth    int
	after  bool
	killed bool
}

var errKilled = errors.New("killed")

func (k *killer) call(do func() error) error {
	if k.killed {
		return errKilled
	}
	k.nth--
	if k.nth == 0 {
		k.killed = true
	}
	if k.killed && !k.after {
		return errKilled
	}
	err := do()
	if k.killed {
		return errKilled
	}
	return err
}

func (k *killer) Untold(ctx context.Context) (results []core.Result, mark uint64, err error) {
	err = k.call(func() error {
		results, mark, err = k.Outbox.Untold(ctx)
		return err
	})
	return results, mark, err
}

func (k *killer) Told(ctx context.Context) (facts map[string]core.Fact, err error) {
	err = k.call(func() error {
		facts, err = k.Outbox.Told(ctx)
		return err
	})
	return facts, err
}

func (k *killer) Post(ctx context.Context, p core.Posting) error {
	return k.call(func() error { return k.Outbox.Post(ctx, p) })
}

// TestCrashes kills the process at every call of the outbox, before the call did
// anything and after. In the end all is told, and each of it once to each channel.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for nth := 1; nth <= 40; nth++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("at call %d, done %t", nth, after), func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				k := &killer{Outbox: d.box, nth: nth, after: after}
				d.Outbox = k
				hold := settled("held", core.OutcomeHeld, core.BadLabel)
				for cycle := range 4 {
					sail(t, d, k, cycle, hold)
				}
				must(t, d.anew().ReportSome(t.Context(), []core.Result{hold}))
				if diff := cmp.Diff(allOf(4), count(d.read(t))); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// sail does one cycle; a process that is killed in it is followed by another, which
// knows of the cycle what the ledger has.
func sail(t *testing.T, d *desk, k *killer, cycle int, hold core.Result) {
	results := []core.Result{
		attempted(fmt.Sprintf("up%d", cycle), core.OutcomeUpdated, core.NewImage),
		open(attempted(fmt.Sprintf("down%d", cycle), core.OutcomeDown, core.GateFailed)),
		attempted(fmt.Sprintf("back%d", cycle), core.OutcomeRolledBack, core.GateFailed),
	}
	errs := make([]error, 0, 3)
	for _, r := range results {
		d.box.Record(r)
		errs = append(errs, d.Urgent(t.Context()))
	}
	errs = append(errs, d.ReportSome(t.Context(), append(results, hold)))
	if err := errors.Join(errs...); (err != nil) != k.killed {
		t.Errorf("killed is %t, the error %v", k.killed, err)
	}
	if k.killed {
		k.killed = false
		d.Clerk = d.anew()
		d.Outbox = k
		must(t, d.Begin(t.Context()))
		must(t, d.ReportSome(t.Context(), nil))
	}
}

// allOf is what is owed after so many cycles, each once.
func allOf(cycles int) map[string]int {
	want := map[string]int{}
	for _, channel := range []notify.Channel{{Name: "p"}, {Name: "c"}, {Name: "a"}} {
		want[channel.Name+" held held"] = 1
		for cycle := range cycles {
			want[fmt.Sprintf("%s down down%d", channel.Name, cycle)] = 1
			want[fmt.Sprintf("%s rolled-back back%d", channel.Name, cycle)] = 1
			if channel.Name != "p" {
				want[fmt.Sprintf("%s updated up%d", channel.Name, cycle)] = 1
			}
		}
	}
	return want
}

func count(mail []string) map[string]int {
	times := map[string]int{}
	for _, line := range mail {
		channel, rest, _ := strings.Cut(line, ": ")
		for event := range strings.SplitSeq(rest, ", ") {
			times[channel+" "+event]++
		}
	}
	return times
}
