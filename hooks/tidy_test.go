package hooks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTidy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"short text stays":                     {"archiving /data", "archiving /data"},
		"text of just the length stays":        {strings.Repeat("x", 16), strings.Repeat("x", 16)},
		"long text is cut":                     {strings.Repeat("x", 17), strings.Repeat("x", 13) + "…"},
		"a character is not cut in two":        {strings.Repeat("ä", 9), strings.Repeat("ä", 6) + "…"},
		"bytes that are no text are shown so":  {"a\xffb", "a?b"},
		"nothing stays nothing":                {"", ""},
		"a long run of no text is cut as well": {strings.Repeat("\x80", 30), "?…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tidy(tt.text, 16); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzTidy(f *testing.F) {
	f.Add("ä\xff€")
	f.Add(strings.Repeat("€", 40))
	f.Fuzz(func(t *testing.T, text string) {
		const most = 32
		got := tidy(text, most)
		if len(got) > most || !utf8.ValidString(got) {
			t.Errorf("%q became %q: %d bytes, valid: %v", text, got, len(got), utf8.ValidString(got))
		}
		if len(text) <= most && utf8.ValidString(text) && got != text {
			t.Errorf("%q became %q for no reason", text, got)
		}
	})
}

type (
	sound       struct{}
	onPointer   struct{}
	wrongMethod struct{}
	stageless   struct{}
)

func (sound) PostUpdate(context.Context, *Update) error                   { return nil }
func (*onPointer) OnRollback(context.Context, *Update) error              { return nil }
func (onPointer) PreUpdate(context.Context, *Update) (_ Verdict, _ error) { return }
func (wrongMethod) PreUpdate(context.Context, *Update) error              { return nil }
func (stageless) Describe() Description                                   { return Description{} }

func TestFault(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		hook any
		want string
	}{
		"a value with a stage":                        {sound{}, ""},
		"a pointer to one":                            {&sound{}, ""},
		"a pointer whose methods are its own":         {&onPointer{}, ""},
		"a value that lacks a stage that its own has": {onPointer{}, "OnRollback is a method of *hooks.onPointer, and the hook is a hooks.onPointer"},
		"a stage with other results":                  {wrongMethod{}, "the method PreUpdate of hooks.wrongMethod is not that of hooks.PreUpdater"},
		"no stage":                                    {stageless{}, "hooks.stageless has none of the stages, such as PreUpdate or PostUpdate"},
		"nil":                                         {nil, "a hook that is nil"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := fault(tt.hook); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSilentUpdateTakesWhatIsSaid(t *testing.T) {
	t.Parallel()
	u := &Update{}
	u.Progress("archiving /data", 1, 2)
	u.Log().Info("nobody listens")
	if u.State != nil {
		t.Error("the update has changed")
	}
}

func TestSetting(t *testing.T) {
	t.Parallel()
	u := &Update{
		Labels:   map[string]string{"keep": "3", "when": "hot"},
		Operator: map[string]string{"keep": "7", "path": ""},
	}
	got := map[string]string{}
	for _, key := range []string{"keep", "when", "path", "none"} {
		got[key] = u.Setting(key)
	}
	if diff := cmp.Diff(map[string]string{"keep": "7", "when": "hot", "path": "", "none": ""}, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestWhereaboutsBeginAtThePanic(t *testing.T) {
	t.Parallel()
	u := &Update{}
	var said line
	u.say = func(m any) { said = m.(line) }
	_, err := attempt(t.Context(), func(context.Context, *Update) (Verdict, error) { panic(errors.New("a hole")) }, u)
	if err == nil || err.Error() != "panic: a hole" {
		t.Errorf("got error %v", err)
	}
	first, _, _ := strings.Cut(said.attributes["stack"], "\n")
	if !strings.Contains(first, "TestWhereaboutsBeginAtThePanic") {
		t.Errorf("the stack begins with %q", first)
	}
}
