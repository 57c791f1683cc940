package notify_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

// TestToldOnce goes through cycles, an hour apart, of one container. Each names what
// the channel of all levels hears.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	held := func(code core.Code, text string) core.Result {
		r := settled("web", core.OutcomeHeld, code)
		r.Reason.Text = text
		return r
	}
	available := func(digest string) core.Result {
		r := settled("web", core.OutcomeAvailable, core.NotifyOnly)
		r.To = core.Image{Reference: core.Reference{Text: "web:1"}, Digest: digest}
		return r
	}
	type cycle struct {
		result core.Result
		want   string
	}
	for name, cycles := range map[string][]cycle{
		"an image is told once, and the next one again": {
			{available("sha256:1"), "available"}, {available("sha256:1"), ""}, {available("sha256:2"), "available"}, {available("sha256:2"), ""},
		},
		"an image that was there before an outage is not told again": {
			{available("sha256:1"), "available"},
			{held(core.RegistryUnreachable, "gone"), "held"},
			{available("sha256:1"), ""},
			{held(core.RegistryUnreachable, "gone"), "held"},
		},
		"an image is told again when the container was well meanwhile": {
			{available("sha256:1"), "available"}, {upToDate("web"), ""}, {available("sha256:1"), "available"},
		},
		"an image that turns out to be the same makes it well": {
			{held(core.BadLabel, "x"), "held"}, {attempted("web", core.OutcomeUnchanged, core.UpToDate), ""}, {held(core.BadLabel, "x"), "held"},
		},
		"a container that was not looked at is not well": {
			{held(core.BadLabel, "x"), "held"}, {settled("web", core.OutcomeUnchanged, core.NotDue), ""}, {held(core.BadLabel, "x"), ""},
		},
		"a fault is told again when it is another one": {
			{held(core.BadLabel, "refit.x=1"), "held"},
			{held(core.BadLabel, "refit.x=1"), ""},
			{held(core.BadLabel, "refit.x=2"), "held"},
			{held(core.Unauthorized, "no"), "held"},
			{held(core.Unauthorized, "no"), ""},
		},
		"numbers in what a registry says are no news": {
			{held(core.RegistryUnreachable, "read 10.0.0.2:43122: timeout"), "held"},
			{held(core.RegistryUnreachable, "read 10.0.0.2:50998: timeout"), ""},
			{held(core.RegistryUnreachable, "lookup r: no such host"), "held"},
		},
		"a veto is told once for an image, whatever the date": {
			{held(core.HookVetoed, "hook x refuses"), "held"}, {held(core.HookVetoed, "hook x refuses (on 3 May 10:00)"), ""},
		},
		"a deferral is told once for a reason": {
			{held(core.HookDeferred, "5 users"), "deferred"},
			{held(core.HookDeferred, "7 users"), ""},
			{held(core.HookDeferred, "a backup runs"), "deferred"},
			{upToDate("web"), ""},
			{held(core.HookDeferred, "a backup runs"), "deferred"},
		},
		"what is down is not told by every try to mend it": {
			{open(attempted("web", core.OutcomeDown, core.GateFailed)), "down"},
			{open(attempted("web", core.OutcomeDown, core.GateFailed)), ""},
			{held(core.InReplacement, "x"), ""},
			{open(attempted("web", core.OutcomeDown, core.GateFailed)), ""},
		},
		"one that follows another one keeps what was told of its image": {
			{available("sha256:1"), "available"}, {settled("web", core.OutcomeFollowed, core.Follows), "followed"}, {available("sha256:1"), ""},
		},
		"one that follows another one is in no trouble any more": {
			{open(attempted("web", core.OutcomeFailed, core.GateFailed)), "failed"},
			{settled("web", core.OutcomeFollowed, core.Follows), "followed"},
			{open(attempted("web", core.OutcomeFailed, core.GateFailed)), "failed"},
		},
		"a failure that becomes worse is told": {
			{open(attempted("web", core.OutcomeFailed, core.GateFailed)), "failed"}, {open(attempted("web", core.OutcomeDown, core.GateFailed)), "down"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				for i, c := range cycles {
					must(t, d.anew().Report(t.Context(), []core.Result{c.result, upToDate("other")}))
					got := ""
					for _, line := range d.read(t) {
						if rest, ok := strings.CutPrefix(line, "a: "); ok {
							got = strings.TrimSuffix(rest, " web")
						}
					}
					if got != c.want {
						t.Errorf("cycle %d: told %q, want %q", i, got, c.want)
					}
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

func TestRemind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.Remind = 24 * time.Hour
		told := 0
		for range 50 { // hours
			must(t, d.Report(t.Context(), []core.Result{settled("web", core.OutcomeHeld, core.BadLabel)}))
			told += len(d.read(t))
			time.Sleep(time.Hour)
		}
		if told != 9 {
			t.Errorf("told %d times, want at 0, 24 and 48 hours on three channels", told)
		}
	})
}

func TestFactsAreForgottenByAFullReportOnly(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	held := settled("web", core.OutcomeHeld, core.BadLabel)
	must(t, d.box.Post(t.Context(), core.Posting{Facts: map[string]*core.Fact{"undeliverable/ops": {Value: "the postman's"}}}))
	must(t, d.Report(t.Context(), []core.Result{held, upToDate("db")}))
	d.wants(t, "at first", "p: held web", "c: held web", "a: held web")
	must(t, d.ReportSome(t.Context(), []core.Result{upToDate("db")}))
	must(t, d.Report(t.Context(), nil))
	must(t, d.Report(t.Context(), []core.Result{held, upToDate("db")}))
	d.wants(t, "after a report of others")
	must(t, d.Report(t.Context(), []core.Result{upToDate("db")}))
	must(t, d.Report(t.Context(), []core.Result{held, upToDate("db")}))
	d.wants(t, "after it was gone", "p: held web", "c: held web", "a: held web")
	must(t, d.Report(t.Context(), []core.Result{upToDate("db")}))
	facts, err := d.box.Told(t.Context())
	if _, there := facts["undeliverable/ops"]; err != nil || !there || len(facts) != 1 {
		t.Errorf("in the end the facts are %v, %v: want only the one that is none of the clerk's", facts, err)
	}
}

func TestAChannelKnowsWhatItWasTold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	held := settled("web", core.OutcomeHeld, core.Quarantined)
	must(t, d.Report(t.Context(), []core.Result{held}))
	d.wants(t, "at first", "a: held web")
	d.Channels[1].Level = notify.All
	d.Channels = append(d.Channels, notify.Channel{Name: "new", Level: notify.All})
	must(t, d.Report(t.Context(), []core.Result{held}))
	d.wants(t, "to a channel that hears more, and a new one", "c: held web", "new: held web")
}

func TestWhoHearsOfATroubleHearsOfItsEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.ReportSome(t.Context(), []core.Result{open(attempted("web", core.OutcomeDown, core.GateFailed))}))
	d.wants(t, "down", "p: down web", "c: down web", "a: down web")
	d.box.Record(attempted("web", core.OutcomeRecovered, core.Interrupted))
	d.box.Record(attempted("db", core.OutcomeRecovered, core.Interrupted))
	must(t, d.ReportSome(t.Context(), nil))
	d.wants(t, "recovered", "p: recovered web", "c: recovered web, recovered db", "a: recovered web, recovered db")
	d.box.Record(attempted("web", core.OutcomeUpdated, core.NewImage))
	must(t, d.ReportSome(t.Context(), nil))
	d.wants(t, "and updated the next day", "c: updated web", "a: updated web")
	must(t, d.ReportSome(t.Context(), []core.Result{open(attempted("web", core.OutcomeFailed, core.EngineFailed))}))
	d.wants(t, "failed", "p: failed web", "c: failed web", "a: failed web")
	d.box.Record(attempted("web", core.OutcomeFollowed, core.Follows))
	must(t, d.ReportSome(t.Context(), nil))
	d.wants(t, "and replaced together with another", "p: followed web", "c: followed web", "a: followed web")
}
