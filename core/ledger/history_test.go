package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
)

func record(t *testing.T, l *ledger.Ledger, e core.Entry) {
	t.Helper()
	if err := l.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func result(name string, outcome core.Outcome, n int) core.Result {
	return core.Result{Name: name, Outcome: outcome, ID: fmt.Sprint(n), Started: time.Unix(int64(n), 0).UTC()}
}

func TestRecordForgetsTheAttemptAndKeepsItsEnd(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	save(t, l, attempt(1), attempt(2))
	record(t, l, core.Entry{Attempt: attempt(1).ID, Result: result("web", core.OutcomeUpdated, 1)})
	record(t, l, core.Entry{Attempt: attempt(2).ID, Open: true, Result: result("db", core.OutcomeDown, 2)})
	wantAttempts(t, l, attempt(2))
	for name, want := range map[string][]core.Result{
		"":       {result("db", core.OutcomeDown, 2), result("web", core.OutcomeUpdated, 1)},
		"web":    {result("web", core.OutcomeUpdated, 1)},
		"nobody": nil,
	} {
		got, err := l.History(t.Context(), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("history of %q (-want +got):\n%s", name, diff)
		}
	}
	if got, _ := l.History(t.Context(), "", 1); len(got) != 1 || got[0].Name != "db" {
		t.Errorf("the newest one is %v, want db", got)
	}
}

func TestASuccessEndsWhatWasLearnedOfThatContainerAlone(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	learn := func(container, digest string) {
		image := core.Image{Reference: core.Reference{Text: "app:1"}, Digest: digest}
		record(t, l, core.Entry{
			Result: result(container, core.OutcomeHeld, 1),
			Lesson: &core.Lesson{Image: image, Container: container, At: time.Unix(1, 0).UTC()},
		})
	}
	learn("web", "sha256:a")
	learn("web2", "sha256:a")
	learn("", "sha256:a")
	learn("web", "sha256:a") // the same again replaces it
	if got, _ := l.Lessons(t.Context()); len(got) != 3 {
		t.Fatalf("%d lessons %v, want 3", len(got), got)
	}
	record(t, l, core.Entry{Succeeded: true, Result: result("web", core.OutcomeUpdated, 2)})
	got, err := l.Lessons(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, lesson := range got {
		left[lesson.Container] = true
	}
	if diff := cmp.Diff(map[string]bool{"": true, "web2": true}, left); diff != "" {
		t.Errorf("lessons left (-want +got):\n%s", diff)
	}
}
