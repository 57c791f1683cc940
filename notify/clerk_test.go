package notify_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
	"github.com/refit-dev/refit/notify/notifytest"
)

// desk is a clerk, its outbox and its three channels.
type desk struct {
	*notify.Clerk
	box *notifytest.Outbox
	log bytes.Buffer
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{box: &notifytest.Outbox{}}
	d.Clerk = d.anew()
	if err := d.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// anew is the clerk of the next process.
func (d *desk) anew() *notify.Clerk {
	return &notify.Clerk{
		Outbox: d.box, Log: slog.New(slog.NewTextHandler(&d.log, nil)),
		Channels: []notify.Channel{{Name: "p", Level: notify.Problems}, {Name: "c"}, {Name: "a", Level: notify.All}},
	}
}

// read takes the mail out: "channel: event container, …" for each letter.
func (d *desk) read(t *testing.T) []string {
	t.Helper()
	letters, err := d.box.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	var ids []uint64
	for _, l := range letters {
		var words []string
		for _, n := range l.Notices {
			words = append(words, strings.TrimSpace(string(n.Kind)+" "+n.Container))
		}
		lines = append(lines, l.Channel+": "+strings.Join(words, ", "))
		ids = append(ids, l.ID)
	}
	if err := d.box.Settle(t.Context(), ids, nil); err != nil {
		t.Fatal(err)
	}
	return lines
}

func (d *desk) wants(t *testing.T, when string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, d.read(t)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// settled is the result of a step that does nothing, attempted that of an attempt
// which is over, and stands in the ledger too.
func settled(name string, o core.Outcome, code core.Code) core.Result {
	return core.Result{Name: name, Outcome: o, Reason: core.Reason{Code: code, Text: "because"}, Started: time.Now()}
}

func attempted(name string, o core.Outcome, code core.Code) core.Result {
	r := settled(name, o, code)
	r.To, r.Took = core.Image{Digest: "sha256:new"}, time.Second
	return r
}

func open(r core.Result) core.Result {
	r.Open = true
	return r
}

func upToDate(name string) core.Result {
	return settled(name, core.OutcomeUnchanged, core.UpToDate)
}

func TestLevels(t *testing.T) {
	t.Parallel()
	held := core.OutcomeHeld
	for name, tt := range map[string]struct {
		result core.Result
		want   string // the channels that hear of it
	}{
		"down":                            {attempted("web", core.OutcomeDown, core.GateFailed), "pca"},
		"failed":                          {attempted("web", core.OutcomeFailed, core.EngineFailed), "pca"},
		"rolled back":                     {attempted("web", core.OutcomeRolledBack, core.GateFailed), "pca"},
		"held, and somebody must mend":    {settled("web", held, core.BadLabel), "pca"},
		"held for a reason not known":     {settled("web", held, "from-next-year"), "pca"},
		"the registry does not answer":    {settled("web", held, core.RegistryUnreachable), "pca"},
		"a pull failed":                   {attempted("web", held, core.PullFailed), "pca"},
		"recovered":                       {attempted("web", core.OutcomeRecovered, core.Interrupted), "ca"},
		"recovered, and not over":         {open(attempted("web", core.OutcomeRecovered, core.Interrupted)), ""},
		"followed":                        {attempted("web", core.OutcomeFollowed, core.Follows), "ca"},
		"updated":                         {attempted("web", core.OutcomeUpdated, core.NewImage), "ca"},
		"updated, and not tidied":         {open(attempted("web", core.OutcomeUpdated, core.NewImage)), "ca"},
		"available":                       {settled("web", core.OutcomeAvailable, core.NotifyOnly), "ca"},
		"deferred":                        {attempted("web", held, core.HookDeferred), "ca"},
		"vetoed":                          {attempted("web", held, core.HookVetoed), "ca"},
		"unsupported":                     {settled("web", held, core.Unsupported), "ca"},
		"another Refit's":                 {settled("web", held, core.Foreign), "ca"},
		"quarantined":                     {settled("web", held, core.Quarantined), "a"},
		"backing off":                     {settled("web", held, core.BackingOff), "a"},
		"the canary failed":               {settled("web", held, core.CanaryFailed), "a"},
		"waits for another":               {settled("web", held, core.DependencyHeld), "a"},
		"another of its group failed":     {settled("web", held, core.MemberFailed), "a"},
		"in progress elsewhere":           {attempted("web", held, core.InProgressElsewhere), "a"},
		"in a replacement":                {settled("web", held, core.InReplacement), ""},
		"cancelled":                       {attempted("web", held, core.Cancelled), ""},
		"interrupted":                     {attempted("web", core.OutcomeInterrupted, core.Interrupted), ""},
		"up to date":                      {upToDate("web"), ""},
		"not due":                         {settled("web", core.OutcomeUnchanged, core.NotDue), ""},
		"not enabled":                     {settled("web", core.OutcomeUnchanged, core.NotEnabled), ""},
		"another scope's":                 {settled("web", core.OutcomeUnchanged, core.OtherScope), ""},
		"the same content in a new shell": {attempted("web", core.OutcomeUnchanged, core.UpToDate), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if tt.result.Took > 0 && !tt.result.Open && tt.result.Outcome != core.OutcomeUnchanged {
				d.box.Record(tt.result)
			}
			must(t, d.Report(t.Context(), []core.Result{tt.result}))
			got := ""
			for _, line := range d.read(t) {
				got += line[:1]
			}
			if got != tt.want {
				t.Errorf("told to %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStarted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.Started(t.Context(), 3, 12, time.Now()))
	d.wants(t, "at the start", "a: started")
	d.box.Record(attempted("web", core.OutcomeUpdated, core.NewImage)) // of a crash
	next := d.anew()
	must(t, next.Begin(t.Context()))
	must(t, next.Started(t.Context(), 3, 12, time.Now()))
	must(t, next.ReportSome(t.Context(), nil))
	d.wants(t, "after a crash", "a: started", "c: updated web", "a: updated web")
}

func TestHistoryIsNotTold(t *testing.T) {
	t.Parallel()
	d := &desk{box: &notifytest.Outbox{}}
	d.box.Record(attempted("web", core.OutcomeUpdated, core.NewImage))
	d.Clerk = d.anew()
	must(t, d.Begin(t.Context()))
	must(t, d.Report(t.Context(), []core.Result{upToDate("web")}))
	d.wants(t, "what happened before anybody was to be told")
	d.box.Record(attempted("web", core.OutcomeUpdated, core.NewImage))
	old := attempted("db", core.OutcomeUpdated, core.NewImage)
	old.Started = old.Started.Add(-8 * 24 * time.Hour)
	d.box.Record(old)
	must(t, d.Report(t.Context(), nil))
	d.wants(t, "what happened after", "c: updated web", "a: updated web")
	if !strings.Contains(d.log.String(), "more than a week ago") {
		t.Errorf("the log does not say what was left out: %s", d.log.String())
	}
}

func TestAnOldMarkOfAnEmptyHistoryCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t) // nothing ever happened: the mark is 0
	d.box.Record(attempted("web", core.OutcomeUpdated, core.NewImage))
	must(t, d.anew().Begin(t.Context()))
	must(t, d.Report(t.Context(), nil))
	d.wants(t, "the first result ever", "c: updated web", "a: updated web")
}

func TestNothingToTellWritesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.box.Posts()
	for range 10 {
		must(t, d.Report(t.Context(), []core.Result{upToDate("web"), settled("db", core.OutcomeUnchanged, core.NotDue)}))
		must(t, d.Urgent(t.Context()))
		must(t, d.ReportSome(t.Context(), nil))
	}
	if d.box.Posts() != before {
		t.Errorf("quiet cycles wrote %d times", d.box.Posts()-before)
	}
	none := &notify.Clerk{Outbox: &notifytest.Outbox{Fail: func(string) error { return errors.New("must not be asked") }}}
	must(t, none.Begin(t.Context()))
	must(t, none.Started(t.Context(), 1, 1, time.Time{}))
	must(t, none.Report(t.Context(), []core.Result{attempted("web", core.OutcomeDown, core.GateFailed)}))
	must(t, none.Urgent(t.Context()))
}

func TestRouting(t *testing.T) {
	t.Parallel()
	pick := func(names ...string) core.Result {
		r := settled("web", core.OutcomeHeld, core.BadLabel)
		r.Notify = names
		return r
	}
	for name, tt := range map[string]struct {
		picks  []string
		want   []string
		warned int
	}{
		"none picked are all":               {nil, []string{"p: held web", "c: held web", "a: held web"}, 0},
		"one":                               {[]string{"a"}, []string{"a: held web"}, 0},
		"two, in the operator's order":      {[]string{"c", "p"}, []string{"p: held web", "c: held web"}, 0},
		"one twice":                         {[]string{"a", "a"}, []string{"a: held web"}, 0},
		"one of them is none":               {[]string{"opps", "a"}, []string{"a: held web"}, 1},
		"none of them is one, so all are":   {[]string{"opps"}, []string{"p: held web", "c: held web", "a: held web"}, 1},
		"a channel that is picked is level": {[]string{"p", "nobody", "no-one"}, []string{"p: held web"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			for range 3 {
				must(t, d.Report(t.Context(), []core.Result{pick(tt.picks...)}))
			}
			d.wants(t, "three cycles", tt.want...)
			if got := strings.Count(d.log.String(), "does not exist"); got != tt.warned {
				t.Errorf("warned %d times, want %d: %s", got, tt.warned, d.log.String())
			}
		})
	}
}

func TestHooksThatFailWhereNothingDependsOnThem(t *testing.T) {
	t.Parallel()
	with := func(o core.Outcome, code core.Code, stage core.Stage, fault string) core.Result {
		r := attempted("web", o, code)
		r.Hooks = []core.HookReport{{Hook: "backup", Stage: core.PreUpdate}, {Hook: "backup", Stage: stage, Fault: fault}}
		return r
	}
	for name, tt := range map[string]struct {
		result core.Result
		want   string
	}{
		"an update that went well":      {with(core.OutcomeUpdated, core.NewImage, core.Finished, "disk full"), "updated web, hook-failed web"},
		"one that went well altogether": {with(core.OutcomeUpdated, core.NewImage, core.Finished, ""), "updated web"},
		"one that followed":             {with(core.OutcomeFollowed, core.Follows, core.Finished, "disk full"), "followed web, hook-failed web"},
		"a recovery":                    {with(core.OutcomeRecovered, core.Interrupted, core.Finished, "disk full"), "recovered web, hook-failed web"},
		"a rollback shows it itself":    {with(core.OutcomeRolledBack, core.GateFailed, core.OnRollback, "disk full"), "rolled-back web"},
		"the hook is the reason":        {with(core.OutcomeHeld, core.HookFailed, core.PreUpdate, "disk full"), "held web"},
		"the end of what was put off":   {with(core.OutcomeHeld, core.HookDeferred, core.Finished, "disk full"), "deferred web, hook-failed web"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.box.Record(tt.result)
			must(t, d.Report(t.Context(), []core.Result{tt.result}))
			if got := d.read(t); len(got) == 0 || got[len(got)-1] != "a: "+tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}

func TestUrgent(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	updated, down := attempted("db", core.OutcomeUpdated, core.NewImage), open(attempted("web", core.OutcomeDown, core.GateFailed))
	d.box.Record(updated)
	must(t, d.Urgent(t.Context()))
	d.wants(t, "nothing is down")
	d.box.Record(down)
	must(t, d.Urgent(t.Context()))
	d.wants(t, "at once", "p: down web", "c: updated db, down web", "a: updated db, down web")
	must(t, d.Urgent(t.Context()))
	late := attempted("mail", core.OutcomeRolledBack, core.GateFailed)
	d.box.Record(late)
	must(t, d.Report(t.Context(), []core.Result{updated, down, late, upToDate("other")}))
	d.wants(t, "the rest of the cycle", "p: rolled-back mail", "c: rolled-back mail", "a: rolled-back mail")
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			d.box.Record(open(attempted(fmt.Sprintf("web%d", i), core.OutcomeDown, core.GateFailed)))
			if err := d.Urgent(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := strings.Count(strings.Join(d.read(t), ", "), "down web"); got != 60 {
		t.Errorf("told %d times, want each of 20 once on three channels", got)
	}
}
