package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

// asker is a hook of one stage.
type asker func(context.Context, *hooks.Update) (hooks.Verdict, error)

func (f asker) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	return f(ctx, u)
}

// ask runs the function as a stage.
func ask(t *testing.T, f asker) (hookstest.Answer, error) {
	t.Helper()
	return hookstest.New(t, f).Call(t.Context(), hookstest.PreUpdate, &hooks.Update{})
}

// whole notes what it was called with.
type whole struct{ seen map[string]hooks.Update }

func (w whole) note(stage string, u *hooks.Update) error {
	w.seen[stage] = *u
	u.State = append(u.State, stage[0])
	return nil
}

func (w whole) PreUpdate(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
	return hooks.Proceed(), w.note("pre-update", u)
}

func (w whole) PreRecreate(_ context.Context, u *hooks.Update) error { return w.note("recreate", u) }
func (w whole) PostUpdate(_ context.Context, u *hooks.Update) error  { return w.note("update", u) }
func (w whole) OnRollback(_ context.Context, u *hooks.Update) error  { return w.note("back", u) }
func (w whole) Finished(_ context.Context, u *hooks.Update, o hooks.Outcome) error {
	if o != u.Outcome {
		return fmt.Errorf("two outcomes: %v and %v", o, u.Outcome)
	}
	return w.note("finished", u)
}

func TestUpdateArrivesWhole(t *testing.T) {
	t.Parallel()
	w := whole{seen: map[string]hooks.Update{}}
	c := hookstest.New(t, w)
	u := &hooks.Update{
		Attempt: "0123456789abcdef",
		Container: hooks.Container{
			ID: "4be", Name: "web", Labels: map[string]string{"a": "b"}, Running: true,
			Mounts: []hooks.Mount{
				{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data"},
				{Type: "bind", Source: "/srv", Destination: "/srv", ReadOnly: true},
			},
		},
		From:     hooks.Image{Reference: "nginx:1", Digest: "sha256:1", ID: "sha256:2"},
		To:       hooks.Image{Reference: "nginx:1", Digest: "sha256:3", ID: "sha256:4"},
		Labels:   map[string]string{"when": "hot"},
		Operator: map[string]string{"keep": "3"},
		Stopped:  true,
		Started:  true,
		Outcome:  hooks.Outcome{Result: hooks.Recovered, Code: "interrupted", Reason: "Refit was interrupted"},
	}
	want := map[string]hooks.Update{}
	for _, s := range []struct {
		stage hookstest.Stage
		key   string
	}{
		{hookstest.PreUpdate, "pre-update"},
		{hookstest.PreRecreate, "recreate"},
		{hookstest.PostUpdate, "update"},
		{hookstest.OnRollback, "back"},
		{hookstest.Finished, "finished"},
	} {
		sent := *u
		if s.stage == hookstest.OnRollback {
			sent.Outcome.Result = hooks.RolledBack
		}
		want[s.key] = sent
		if _, err := c.Call(t.Context(), s.stage, u); err != nil {
			t.Fatalf("%s: %v", s.stage, err)
		}
	}
	if diff := cmp.Diff(want, w.seen, cmp.FilterPath(isSay, cmp.Ignore())); diff != "" {
		t.Errorf("what the hook saw (-sent +seen):\n%s", diff)
	}
	if got := string(u.State); got != "prubf" {
		t.Errorf("the state is %q", got)
	}
}

func isSay(p cmp.Path) bool { return p.Last().String() == ".say" }

func TestVerdicts(t *testing.T) {
	t.Parallel()
	tomorrow := time.Now().Add(24 * time.Hour)
	tests := map[string]struct {
		says, want hooks.Verdict
		words      string
	}{
		"proceed":                      {hooks.Proceed(), hooks.Verdict{}, "proceed"},
		"a veto":                       {hooks.Veto("disk full"), hooks.Veto("disk full"), "veto: disk full"},
		"a veto without a reason":      {hooks.Veto(""), hooks.Veto("the hook gives no reason"), "veto: the hook gives no reason"},
		"a reason that is no text":     {hooks.Veto("disk \xff"), hooks.Veto("disk ?"), "veto: disk ?"},
		"a deferral":                   {hooks.Defer(time.Time{}, "busy"), hooks.Defer(time.Time{}, "busy"), "defer: busy"},
		"a deferral until some moment": {hooks.Defer(tomorrow, "busy"), hooks.Defer(tomorrow, "busy"), "defer until " + tomorrow.UTC().Format(time.RFC3339) + ": busy"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ask(t, func(context.Context, *hooks.Update) (hooks.Verdict, error) { return tt.says, nil })
			if err != nil {
				t.Fatal(err)
			}
			if got.Verdict != tt.want || got.Verdict.String() != tt.words {
				t.Errorf("got %v, want %v", got.Verdict, tt.want)
			}
		})
	}
}

func TestErrorsOfAStage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		stage asker
		want  string // "" for none
	}{
		"its text is the error's": {func(context.Context, *hooks.Update) (hooks.Verdict, error) {
			return hooks.Verdict{}, errors.New("ask /health: 503")
		}, "ask /health: 503"},
		"the code of somebody else's call is not the stage's": {func(context.Context, *hooks.Update) (hooks.Verdict, error) {
			return hooks.Verdict{}, status.Error(codes.Unimplemented, "no such method")
		}, "rpc error: code = Unimplemented desc = no such method"},
		"text that is none": {func(context.Context, *hooks.Update) (hooks.Verdict, error) {
			return hooks.Verdict{}, errors.New("read \xff")
		}, "read ?"},
		"a panic": {func(context.Context, *hooks.Update) (hooks.Verdict, error) {
			panic("a hole")
		}, "panic: a hole"},
		"a state that is too large": {func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
			u.State = make([]byte, hooks.MaxState+1)
			return hooks.Verdict{}, nil
		}, "the hook's state has 65537 bytes, and may have 65536"},
		"the largest state": {func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
			u.State = make([]byte, hooks.MaxState)
			return hooks.Verdict{}, nil
		}, ""},
		"a deferral for ever": {func(context.Context, *hooks.Update) (hooks.Verdict, error) {
			return hooks.Defer(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), "never"), nil
		}, "defer until 20000-01-01 00:00:00 +0000 UTC: no time for a calendar"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ask(t, tt.stage)
			if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPanicIsLoggedWithItsPlace(t *testing.T) {
	t.Parallel()
	c := hookstest.New(t, asker(func(context.Context, *hooks.Update) (hooks.Verdict, error) { panic("a hole") }))
	for range 2 { // The process lives on.
		a, err := c.Call(t.Context(), hookstest.PreUpdate, &hooks.Update{})
		if err == nil || len(a.Lines) != 1 {
			t.Fatalf("got %v and %v", a, err)
		}
		if l := a.Lines[0]; l.Level != slog.LevelError || !strings.Contains(l.Attributes["stack"], "stage_test.go") {
			t.Errorf("got the line %v", l)
		}
	}
}

func TestStageThatIsMissing(t *testing.T) {
	t.Parallel()
	c := hookstest.New(t, asker(nil))
	for _, stage := range []hookstest.Stage{hookstest.OnRollback, "of-another-version"} {
		if _, err := c.Call(t.Context(), stage, &hooks.Update{}); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: got %v, want the code Unimplemented", stage, err)
		}
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	a, err := ask(t, func(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
		log := u.Log().With(slog.String("path", "/data")).WithGroup("disk")
		noText := string([]byte("bad\xff"))
		log.Warn("low", slog.Int("free", 3), slog.String(noText, "\xff"))
		long := slog.NewRecord(time.Now(), slog.LevelDebug, strings.Repeat("x", 1<<20), 0)
		long.AddAttrs(slog.String("long", strings.Repeat("y", 1<<20)))
		return hooks.Verdict{}, log.Handler().Handle(ctx, long)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []hookstest.Line{
		{Level: slog.LevelWarn, Text: "low", Attributes: map[string]string{"path": "/data", "disk.free": "3", "disk.bad?": "?"}},
		{Level: slog.LevelDebug, Text: strings.Repeat("x", 8<<10-3) + "…", Attributes: map[string]string{
			"path": "/data", "disk.long": strings.Repeat("y", 4<<10-3) + "…",
		}},
	}
	if diff := cmp.Diff(want, a.Lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestAttributesHaveAnEnd(t *testing.T) {
	t.Parallel()
	a, err := ask(t, func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
		log := u.Log()
		for i := range 1000 {
			log = log.With(slog.Int(fmt.Sprint(i), i))
		}
		log.Info("many")
		return hooks.Verdict{}, nil
	})
	if err != nil || len(a.Lines) != 1 || len(a.Lines[0].Attributes) != 64 {
		t.Errorf("got %v and %v", a, err)
	}
}

func TestNothingThatIsLoggedGetsLost(t *testing.T) {
	t.Parallel()
	const writers, lines = 8, 500
	a, err := ask(t, func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
		var writing sync.WaitGroup
		for range writers {
			writing.Go(func() {
				for i := range lines {
					u.Log().Info("a line", slog.Int("i", i))
					u.Progress("writing", int64(i), lines)
				}
			})
		}
		writing.Wait()
		return hooks.Verdict{}, nil
	})
	if err != nil || len(a.Lines) != writers*lines {
		t.Errorf("got %d lines and %v, want %d", len(a.Lines), err, writers*lines)
	}
}

func TestProgressIsNoFlood(t *testing.T) {
	t.Parallel()
	const reports = 1_000_000
	begin := time.Now()
	a, err := ask(t, func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
		for i := range reports {
			u.Progress("counting \xff", int64(i+1), reports)
		}
		return hooks.Verdict{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if most := 2 + int(time.Since(begin)/(100*time.Millisecond)); len(a.Progress) > most {
		t.Errorf("got %d reports, want at most %d", len(a.Progress), most)
	}
	want := hookstest.Progress{Text: "counting ?", Done: reports, Total: reports}
	if got := a.Progress[len(a.Progress)-1]; got != want {
		t.Errorf("the last report is %v, want %v", got, want)
	}
	for _, p := range a.Progress {
		if !utf8.ValidString(p.Text) {
			t.Errorf("%q is no text", p.Text)
		}
	}
}

func TestProgressArrivesWhileTheStageRuns(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	a, err := hookstest.New(t, asker(func(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
		for i := int64(1); ctx.Err() == nil; i++ {
			u.Progress("working", i, 0)
			time.Sleep(time.Millisecond) // the work
			if i > 400 {
				once.Do(cancel)
			}
		}
		return hooks.Verdict{}, ctx.Err()
	})).Call(ctx, hookstest.PreUpdate, &hooks.Update{})
	if status.Code(err) != codes.Canceled || len(a.Progress) < 2 {
		t.Errorf("got %d reports and %v", len(a.Progress), err)
	}
}

func TestWhatIsSaidAfterTheEndIsNotHeard(t *testing.T) {
	t.Parallel()
	kept := make(chan *hooks.Update, 1)
	c := hookstest.New(t, asker(func(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
		kept <- u
		return hooks.Verdict{}, nil
	}))
	if _, err := c.Call(t.Context(), hookstest.PreUpdate, &hooks.Update{}); err != nil {
		t.Fatal(err)
	}
	u := <-kept
	for i := range 1000 { // More than any queue holds.
		u.Log().Info("is there anybody?")
		u.Progress("talking", int64(i), 0)
	}
}
