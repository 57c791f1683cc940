package hookstest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

func TestRunOnASoundHook(t *testing.T) {
	t.Parallel()
	hookstest.Run(t, &smoke{})
}

// bad are hooks in which Run must find something: what they do, and what it says.
var bad = map[string]struct {
	hook any
	want string
}{
	"a panic":                {stage(func(context.Context) { panic("a hole") }), "post-update: panic: a hole\n"},
	"a stage that goes on":   {stage(goOn), "post-update goes on for more than 5s after its context has ended"},
	"no stage":               {struct{}{}, "struct {} has none of the stages"},
	"a key of another form":  {described{hooks.Key{Name: "a b"}}, `the key "a b" is more than letters`},
	"a key without a name":   {described{hooks.Key{}}, `the key "" is more than letters`},
	"a key twice":            {described{hooks.Key{Name: "a"}, hooks.Key{Name: "a"}}, `the key "a" is there twice`},
	"help of two lines":      {described{hooks.Key{Name: "a", Help: "b\nc"}}, `the help of the key "a" is more than one line`},
	"another hook each time": {&fickle{}, "it describes itself as "},
	"a panic in Describe":    {lost{}, "who am I?"},
}

// badKey is the variable by which this test's binary runs one of them.
const badKey = "HOOKSTEST_BAD"

func TestBadHook(t *testing.T) {
	name := os.Getenv(badKey)
	if name == "" {
		t.Skip("it fails on purpose: TestRunFindsFaults runs it")
	}
	hookstest.Run(t, bad[name].hook)
}

func TestRunFindsFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBadHook$", "-test.timeout=100s")
			cmd.Env = append(os.Environ(), badKey+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("ended with %v, without %q:\n%s", err, tt.want, out)
			}
		})
	}
}

// goOn does not end with its context, but if nobody ends that, it does.
func goOn(ctx context.Context) {
	select {
	case <-ctx.Done():
		time.Sleep(7 * time.Second)
	case <-time.After(time.Second):
	}
}

type stage func(context.Context)

func (s stage) PostUpdate(ctx context.Context, _ *hooks.Update) error {
	s(ctx)
	return nil
}

type described []hooks.Key

func (d described) Describe() hooks.Description                   { return hooks.Description{Keys: d} }
func (described) PostUpdate(context.Context, *hooks.Update) error { return nil }

type fickle struct{ times int }

func (f *fickle) Describe() hooks.Description {
	f.times++
	return hooks.Description{Summary: fmt.Sprint(f.times)}
}
func (*fickle) PostUpdate(context.Context, *hooks.Update) error { return nil }

type lost struct{}

func (lost) Describe() hooks.Description                     { panic("who am I?") }
func (lost) PostUpdate(context.Context, *hooks.Update) error { return nil }
