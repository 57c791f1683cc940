package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
)

// done records a result for each name.
func done(t *testing.T, l *ledger.Ledger, names ...string) {
	t.Helper()
	for _, name := range names {
		record(t, l, core.Entry{Attempt: name, Result: core.Result{Name: name}})
	}
}

func untold(t *testing.T, l *ledger.Ledger) (names string, mark uint64) {
	t.Helper()
	results, mark, err := l.Untold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		names += r.Name + " "
	}
	return strings.TrimSpace(names), mark
}

func post(t *testing.T, l *ledger.Ledger, p core.Posting) {
	t.Helper()
	if err := l.Post(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

func TestResultsAreUntoldUntilTheyArePosted(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	done(t, l, "history")
	names, mark := untold(t, l)
	if names != "" || mark != 1 {
		t.Errorf("before anybody was to be told there are %q, mark %d", names, mark)
	}
	post(t, l, core.Posting{Mark: mark})
	done(t, l, "web", "db")
	names, mark = untold(t, l)
	if names != "web db" {
		t.Errorf("untold are %q", names)
	}
	done(t, l, "late")
	post(t, l, core.Posting{Mark: mark})
	post(t, l, core.Posting{Mark: 1})
	if names, _ = untold(t, l); names != "late" {
		t.Errorf("untold are %q, want the one that came after the mark", names)
	}
}

func TestAPostBeforeAnyMarkMakesNoNewsOfHistory(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	done(t, l, "history")
	post(t, l, core.Posting{Letters: []core.Letter{{Channel: "ops"}}})
	done(t, l, "web")
	if names, _ := untold(t, l); names != "web" {
		t.Errorf("untold are %q", names)
	}
}

func TestLettersAreKeptInOrderUntilTheyAreDelivered(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	letter := core.Letter{Channel: "ops", Notices: []core.Notice{{Kind: core.NoticeUpdated, Container: "web"}}}
	other := core.Letter{Channel: "dev", Posted: time.Unix(5, 0).UTC()}
	post(t, l, core.Posting{Letters: []core.Letter{letter, other}})
	letter.ID, other.ID = 1, 2
	other.Tries, other.Fault = 1, "it does not answer"
	gone := core.Letter{ID: 99, Channel: "ops"}
	if err := l.Settle(t.Context(), []uint64{1}, []core.Letter{other, gone}); err != nil {
		t.Fatal(err)
	}
	got, err := l.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]core.Letter{other}, got); diff != "" {
		t.Errorf("letters (-want +got):\n%s", diff)
	}
	post(t, l, core.Posting{Letters: []core.Letter{letter}})
	if got, _ = l.Letters(t.Context()); len(got) != 2 || got[1].ID != 3 {
		t.Errorf("an id was given twice: %v", got)
	}
}

func TestLettersThatWereGivenUpAreBounded(t *testing.T) {
	t.Parallel()
	const mostLetters = 200
	l := open(t, t.TempDir())
	letters := make([]core.Letter, mostLetters+3)
	for i := range letters {
		letters[i] = core.Letter{Channel: "ops", GivenUp: time.Now()}
	}
	letters[0].GivenUp = time.Time{}                                                 // owed: it stays
	letters = append(letters, core.Letter{Channel: "dev", GivenUp: time.Unix(1, 0)}) // long ago
	post(t, l, core.Posting{Letters: letters})
	if err := l.Settle(t.Context(), []uint64{50}, nil); err != nil {
		t.Fatal(err)
	}
	got, err := l.Letters(t.Context())
	if err != nil || len(got) != mostLetters+1 || got[0].ID != 1 || got[1].ID != 3 {
		t.Errorf("%d letters are left, %v; first %d, then %d", len(got), err, got[0].ID, got[1].ID)
	}
}

func TestFactsAreToldAndForgotten(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	at := time.Unix(7, 0).UTC()
	post(t, l, core.Posting{Facts: map[string]*core.Fact{"held web": {Value: "a", Told: at}, "held db": {Value: "b", Told: at}}})
	post(t, l, core.Posting{Facts: map[string]*core.Fact{"held db": nil, "held web": {Value: "c", Told: at}}})
	got, err := l.Told(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]core.Fact{"held web": {Value: "c", Told: at}}, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

func TestOneProcessDelivers(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	unlock, err := l.LockDelivery(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.LockDelivery(t.Context()); err == nil || !strings.Contains(err.Error(), "is delivering notifications of this ledger") {
		t.Errorf("a second one: %v", err)
	}
	if other, err := l.Lock(t.Context()); err != nil {
		t.Errorf("changing containers waits for delivering: %v", err)
	} else if err := other(); err != nil {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}
