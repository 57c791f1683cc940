package notifytest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

// Subject is an outbox to be tested, and the way in which results come into its
// history.
type Subject struct {
	notify.Outbox
	Record func(core.Result)
}

// Conformance holds an outbox to what notify.Outbox says. Open returns an empty one.
func Conformance(t *testing.T, open func(*testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"what happened before the first post is history": testHistory,
		"results are untold until the mark is moved":     testMark,
		"a posting is kept, in its order":                testPosting,
		"facts are set, replaced and forgotten":          testFacts,
		"letters are settled":                            testSettle,
		"one delivers at a time":                         testLock,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func (s Subject) untold(t *testing.T) (names []string, mark uint64) {
	t.Helper()
	results, mark, err := s.Untold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		names = append(names, r.Name)
	}
	return names, mark
}

func (s Subject) post(t *testing.T, p core.Posting) {
	t.Helper()
	if err := s.Post(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func (s Subject) letters(t *testing.T) []core.Letter {
	t.Helper()
	letters, err := s.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func testHistory(t *testing.T, s Subject) {
	s.Record(core.Result{Name: "long ago"})
	names, mark := s.untold(t)
	same(t, "untold before the first post", []string(nil), names)
	s.post(t, core.Posting{Mark: mark})
	names, again := s.untold(t)
	same(t, "untold after it", []string(nil), names)
	same(t, "the mark", mark, again)
}

func testMark(t *testing.T, s Subject) {
	s.post(t, core.Posting{})
	began := time.Date(2026, 5, 3, 4, 0, 0, 123456789, time.UTC)
	s.Record(core.Result{Name: "web", Started: began, Took: time.Second})
	s.Record(core.Result{Name: "db"})
	results, mark, err := s.Untold(t.Context())
	if err != nil || len(results) != 2 || !results[0].Started.Equal(began) || results[0].Took != time.Second {
		t.Fatalf("untold are %+v, %v: times are to be exact", results, err)
	}
	s.Record(core.Result{Name: "late"})
	s.post(t, core.Posting{Mark: mark})
	s.post(t, core.Posting{Mark: mark - 1})
	s.post(t, core.Posting{})
	names, _ := s.untold(t)
	same(t, "untold, and a mark below does not move it back", []string{"late"}, names)
}

func testPosting(t *testing.T, s Subject) {
	at := time.Date(2026, 5, 3, 4, 0, 0, 0, time.UTC)
	exit := 1
	notice := core.Notice{
		Kind: core.NoticeRolledBack, At: at, Container: "web", Channels: []string{"ops"},
		From: core.Image{Digest: "sha256:a"}, ToVersion: core.Version{Version: "2"},
		Reason: core.Reason{Code: core.GateFailed, Text: "it ended"}, Downtime: time.Second,
		Evidence: &core.Evidence{ExitCode: &exit, Logs: []string{"a", "b"}},
	}
	first := core.Letter{Channel: "ops", Posted: at, Notices: []core.Notice{notice}}
	second := core.Letter{Channel: "dev", Posted: at, Notices: []core.Notice{notice, notice}}
	s.post(t, core.Posting{Letters: []core.Letter{first, second}})
	s.post(t, core.Posting{Letters: []core.Letter{first}})
	got := s.letters(t)
	var before uint64
	for i := range got {
		if got[i].ID <= before {
			t.Errorf("letter %d has the id %d after %d: they are to rise", i, got[i].ID, before)
		}
		before, got[i].ID = got[i].ID, 0
	}
	same(t, "letters", []core.Letter{first, second, first}, got)
}

func testFacts(t *testing.T, s Subject) {
	at := time.Date(2026, 5, 3, 4, 0, 0, 0, time.UTC)
	s.post(t, core.Posting{Facts: map[string]*core.Fact{"a": {Value: "1", Told: at}, "b": {Value: "1", Told: at}, "c": {Value: "1"}}})
	s.post(t, core.Posting{Facts: map[string]*core.Fact{"a": {Value: "2", Told: at}, "b": nil, "nobody knew": nil}})
	got, err := s.Told(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "facts", map[string]core.Fact{"a": {Value: "2", Told: at}, "c": {Value: "1"}}, got)
}

func testSettle(t *testing.T, s Subject) {
	s.post(t, core.Posting{Letters: []core.Letter{{Channel: "a"}, {Channel: "b"}, {Channel: "c"}}})
	all := s.letters(t)
	tried, gone := all[1], core.Letter{ID: all[2].ID + 99, Channel: "gone"}
	tried.Tries, tried.Fault = 1, "it does not answer"
	tried.NextTry = time.Date(2026, 5, 3, 4, 0, 0, 0, time.UTC)
	if err := s.Settle(t.Context(), []uint64{all[0].ID, 12345}, []core.Letter{tried, gone}); err != nil {
		t.Fatal(err)
	}
	same(t, "letters", []core.Letter{tried, all[2]}, s.letters(t))
}

func testLock(t *testing.T, s Subject) {
	unlock, err := s.LockDelivery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.LockDelivery(t.Context()); err == nil {
		t.Error("two deliver at a time")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = s.LockDelivery(t.Context())
	if err != nil {
		t.Fatalf("nobody can deliver after the first has ended: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
