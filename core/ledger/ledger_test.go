package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/core/update"
)

var _ update.Journal = (*ledger.Ledger)(nil)

func attempt(n int) core.Attempt {
	return core.Attempt{
		ID: fmt.Sprintf("%016x", n), Owner: "0123456789ab", Line: core.LineRecord,
		Swap: core.Swap{
			Name: fmt.Sprintf("web%d", n), Predecessor: "p", State: core.Running, Policy: core.DefaultPolicy(),
			RestartPolicy: core.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3},
			Snapshot:      core.Snapshot(`{"Config":{"Env":["SECRET=hunter2"]}}`),
		},
		Started: time.Date(2026, 11, 22, 4, 0, n, 5, time.UTC),
		Cause:   &core.Reason{Code: core.GateFailed, Text: "it is unhealthy"},
	}
}

func open(t *testing.T, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func save(t *testing.T, l *ledger.Ledger, attempts ...core.Attempt) {
	t.Helper()
	for _, a := range attempts {
		if err := l.Save(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func wantAttempts(t *testing.T, l *ledger.Ledger, want ...core.Attempt) {
	t.Helper()
	got, err := l.Attempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "some", "where")
	l := open(t, dir)
	wantAttempts(t, l)

	// The oldest has the largest id, so that the order cannot come from the keys.
	oldest := attempt(9)
	oldest.Started = oldest.Started.Add(-time.Hour)
	save(t, l, attempt(2), attempt(1), oldest)
	wantAttempts(t, l, oldest, attempt(1), attempt(2))

	changed := attempt(1)
	changed.Line, changed.Successor = core.LineStart, "s"
	save(t, l, changed)
	wantAttempts(t, open(t, dir), oldest, changed, attempt(2))

	for range 2 { // the second time it is gone already
		if err := l.Record(t.Context(), core.Entry{Attempt: oldest.ID}); err != nil {
			t.Fatal(err)
		}
	}
	wantAttempts(t, l, changed, attempt(2))
}

func TestSaveRefusesAnAttemptWithoutID(t *testing.T) {
	t.Parallel()
	if err := open(t, t.TempDir()).Save(t.Context(), core.Attempt{Swap: core.Swap{Name: "web"}}); err == nil {
		t.Error("an attempt without id was taken")
	}
}

func TestLastRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	monday := time.Date(2026, 11, 23, 4, 0, 0, 7, time.UTC)
	steps := []struct{ set, want map[string]time.Time }{
		{nil, map[string]time.Time{}},
		{map[string]time.Time{"web": monday, "db": monday}, map[string]time.Time{"web": monday, "db": monday}},
		{map[string]time.Time{"web": monday.Add(time.Hour)}, map[string]time.Time{"web": monday.Add(time.Hour), "db": monday}},
		{map[string]time.Time{"web": {}, "unknown": {}}, map[string]time.Time{"db": monday}},
	}
	for i, step := range steps {
		if err := l.SetLastRuns(t.Context(), step.set); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		got, err := ledger.At(dir).LastRuns(t.Context())
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	var group sync.WaitGroup
	for n := range 8 {
		group.Go(func() {
			if err := l.Save(t.Context(), attempt(n)); err != nil {
				t.Error(err)
			}
			if _, err := ledger.At(dir).Attempts(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if all, err := l.Attempts(t.Context()); err != nil || len(all) != 8 {
		t.Errorf("got %d attempts and error %v, want 8", len(all), err)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	l := open(t, dir)
	db := filepath.Join(dir, "refit.db")
	if err := os.Chmod(db, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := l.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Beat(ledger.Life{Until: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"": 0o700 | os.ModeDir, "refit.db": 0o600, "refit.lock": 0o600, "refit.alive": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%q has mode %s, want %s", name, info.Mode(), want)
		}
	}
}

func TestAtTouchesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := ledger.At(dir)
	wantAttempts(t, l)
	runs, err := l.LastRuns(t.Context())
	if err != nil || len(runs) != 0 {
		t.Errorf("got the runs %v and error %v, want none", runs, err)
	}
	life, err := l.LastBeat()
	if err != nil || life != (ledger.Life{}) {
		t.Errorf("got the sign of life %v and error %v, want none", life, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("there are the files %v (error %v), want none", entries, err)
	}
}

func TestAFileThatIsTakenAwayIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	save(t, l, attempt(1))
	if err := os.Remove(filepath.Join(dir, "refit.db")); err != nil {
		t.Fatal(err)
	}
	wantAttempts(t, l)
	save(t, l, attempt(2))
	wantAttempts(t, open(t, dir), attempt(2))
}

func TestNothingRunsForAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"save":   l.Save(ctx, attempt(1)),
		"record": l.Record(ctx, core.Entry{Attempt: attempt(1).ID}),
		"runs":   l.SetLastRuns(ctx, map[string]time.Time{"web": time.Now()}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want that the context was cancelled", name, err)
		}
	}
	if _, err := l.Lock(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("lock: got error %v, want that the context was cancelled", err)
	}
	wantAttempts(t, l)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, dir string) string // returns the directory to open
		want    []string
	}{
		"a newer schema": {
			func(t *testing.T, dir string) string {
				setSchema(t, dir, "2")
				return dir
			},
			[]string{"refit.db: its schema is 2 and this build knows schemas up to 1", "newer Refit"},
		},
		"a schema that is none": {
			func(t *testing.T, dir string) string {
				setSchema(t, dir, "one")
				return dir
			},
			[]string{`refit.db is damaged (its schema is not a number)`, "move it away"},
		},
		"a file that is no ledger": {
			func(t *testing.T, dir string) string {
				write(t, filepath.Join(dir, "refit.db"), []byte(strings.Repeat("not a ledger\n", 4000)))
				return dir
			},
			[]string{"refit.db is damaged (invalid database)", "move it away"},
		},
		"a file that is cut off in its first page": {
			func(t *testing.T, dir string) string {
				write(t, filepath.Join(dir, "refit.db"), []byte("cut"))
				return dir
			},
			[]string{"refit.db is damaged"},
		},
		"a directory that is a file": {
			func(t *testing.T, dir string) string {
				write(t, filepath.Join(dir, "data"), nil)
				return filepath.Join(dir, "data")
			},
			[]string{"prepare data directory", "data: not a directory"},
		},
		"a directory that cannot be written": {
			func(*testing.T, string) string { return "/proc/self" }, // not even by root
			[]string{"write to data directory /proc/self: open"},
		},
		"a directory that cannot be made": {
			func(*testing.T, string) string { return "/proc/self/refit" },
			[]string{"prepare data directory: mkdir /proc/self/refit"},
		},
		"a file that is a directory": {
			func(t *testing.T, dir string) string {
				if err := os.Mkdir(filepath.Join(dir, "refit.db"), 0o700); err != nil {
					t.Fatal(err)
				}
				return dir
			},
			[]string{"refit.db: is a directory"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tt.prepare(t, t.TempDir())
			_, err := ledger.Open(dir)
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want %q in it", err, want)
				}
			}
		})
	}
}

// What a newer build has written meanwhile is neither read nor overwritten.
func TestASchemaThatGrowsMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	setSchema(t, dir, "7")
	if _, err := l.Attempts(t.Context()); err == nil || !strings.Contains(err.Error(), "schema is 7") {
		t.Errorf("read: got error %v, want it to name the schema", err)
	}
	if err := l.Save(t.Context(), attempt(1)); err == nil || !strings.Contains(err.Error(), "schema is 7") {
		t.Errorf("write: got error %v, want it to name the schema", err)
	}
}

func setSchema(t *testing.T, dir, schema string) {
	t.Helper()
	open(t, dir)
	db, err := bbolt.Open(filepath.Join(dir, "refit.db"), 0o600, &bbolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("schema"), []byte(schema)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
