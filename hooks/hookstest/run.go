package hookstest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	gproto "google.golang.org/protobuf/proto"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// limit is the longest that a stage may take for a container that does not exist.
const limit = 30 * time.Second

// Run checks what any hook must keep to. Its stages are called, in the order of an
// update that goes well and of one that is rolled back, for a container that does
// not exist and without any setting, more than once, and some at the same time. So
// an error of a stage is no fault, and is logged with -v; what fails the test is a
// panic, a stage that hangs or outlives its context, and a description that is not
// always the same or that Refit would refuse.
//
// With -race it finds stages that disturb one another.
func Run(t *testing.T, hook any) {
	s := &suite{hook: hook}
	t.Run("the description is sound", s.description)
	t.Run("an update that goes well", s.goesWell)
	t.Run("an update that is rolled back", s.rolledBack)
	t.Run("stages may come again", s.repeated)
	t.Run("containers may be updated at the same time", s.concurrent)
	t.Run("a stage ends with its context", s.cancelled)
	t.Run("a stage that it does not have is refused", s.refused)
}

type suite struct{ hook any }

// The ways that a replacement takes.
var (
	good   = []Stage{PreUpdate, PreRecreate, PostUpdate, Finished}
	undone = []Stage{PreUpdate, PreRecreate, PostUpdate, OnRollback}
	all    = []Stage{PreUpdate, PreRecreate, PostUpdate, OnRollback, Finished}
)

func (s *suite) description(t *testing.T) {
	c := New(t, s.hook)
	d := c.describe(t)
	if again := c.describe(t); !gproto.Equal(d, again) {
		t.Errorf("it describes itself as %v, and then as %v", d, again)
	}
	for _, fault := range faults(d) {
		t.Error(fault)
	}
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9._-]+(\.\*)?$`)

// faults are the reasons for which Refit would not use a hook that describes itself so.
func faults(d *proto.Description) []string {
	var found []string
	if strings.ContainsAny(d.GetSummary(), "\r\n") {
		found = append(found, fmt.Sprintf("the summary is more than one line: %q", d.GetSummary()))
	}
	names := map[string]bool{}
	for _, k := range d.GetKeys() {
		if !keyName.MatchString(k.GetName()) {
			found = append(found, fmt.Sprintf("the key %q is more than letters, digits, dots, dashes and underscores, or is empty", k.GetName()))
		}
		if names[k.GetName()] {
			found = append(found, fmt.Sprintf("the key %q is there twice", k.GetName()))
		}
		if strings.ContainsAny(k.GetHelp(), "\r\n") {
			found = append(found, fmt.Sprintf("the help of the key %q is more than one line", k.GetName()))
		}
		names[k.GetName()] = true
	}
	return found
}

func (s *suite) goesWell(t *testing.T)   { s.walk(t, New(t, s.hook), newUpdate(t), good) }
func (s *suite) rolledBack(t *testing.T) { s.walk(t, New(t, s.hook), newUpdate(t), undone) }

// repeated is a Refit that was killed after each stage, and before it could write
// down that the stage had been done.
func (s *suite) repeated(t *testing.T) {
	c, u := New(t, s.hook), newUpdate(t)
	for _, stage := range all {
		s.walk(t, c, u, []Stage{stage, stage})
	}
}

func (s *suite) concurrent(t *testing.T) {
	c := New(t, s.hook)
	var updates sync.WaitGroup
	for range 4 {
		u := newUpdate(t)
		updates.Go(func() { s.walk(t, c, u, good) })
	}
	updates.Wait()
}

// walk calls those of the stages that the hook has.
func (s *suite) walk(t *testing.T, c *Client, u *hooks.Update, way []Stage) {
	t.Helper()
	has := c.describe(t).GetStages()
	for _, stage := range way {
		if !slices.Contains(has, stage.proto()) {
			continue
		}
		at(stage, u)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		answer, err := c.Call(ctx, stage, u)
		if ctx.Err() != nil {
			t.Errorf("%s takes longer than %v", stage, limit)
		}
		cancel()
		s.judge(t, stage, answer, err)
	}
}

// judge fails the test if the answer is one that no hook may give.
func (s *suite) judge(t *testing.T, stage Stage, a Answer, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Logf("%s: %v", stage, a.Verdict)
	case strings.HasPrefix(err.Error(), "panic: "):
		t.Errorf("%s: %v\n%s", stage, err, stack(a))
	case isProtocol(err):
		t.Errorf("%s: %v", stage, err)
	default:
		t.Logf("%s: %v", stage, err)
	}
}

// isProtocol tells an error of the connection from one of the hook, which has no
// gRPC code of its own.
func isProtocol(err error) bool {
	var coded interface{ GRPCStatus() *status.Status }
	return errors.As(err, &coded)
}

func stack(a Answer) string {
	for _, l := range slices.Backward(a.Lines) {
		if l.Attributes["stack"] != "" {
			return l.Attributes["stack"]
		}
	}
	return ""
}

func (s *suite) cancelled(t *testing.T) {
	c := New(t, s.hook)
	for _, stage := range c.describe(t).GetStages() {
		ctx, cancel := context.WithCancel(t.Context())
		name, u := named(stage), newUpdate(t)
		at(name, u)
		answer, err := c.call(ctx, name, u, cancel)
		if status.Code(err) != codes.Canceled {
			s.judge(t, name, answer, err)
		}
		cancel()
	}
}

func (s *suite) refused(t *testing.T) {
	c := New(t, s.hook)
	has := c.describe(t).GetStages()
	for _, stage := range append(slices.Clone(all), "of-another-version") {
		if slices.Contains(has, stage.proto()) {
			continue
		}
		u := newUpdate(t)
		if _, err := c.Call(t.Context(), stage, u); status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: got %v, want the code Unimplemented", stage, err)
		}
	}
}

func (c *Client) describe(t *testing.T) *proto.Description {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	d, err := c.hook.Describe(ctx, &proto.DescribeRequest{})
	if err != nil {
		t.Errorf("describe: %v", err)
	}
	return d
}

func named(s proto.Stage) Stage {
	for _, stage := range all {
		if stage.proto() == s {
			return stage
		}
	}
	return ""
}

// newUpdate is the replacement of a container that no engine has.
func newUpdate(t *testing.T) *hooks.Update {
	t.Helper()
	attempt := make([]byte, 8)
	_, _ = rand.Read(attempt)
	return &hooks.Update{
		Attempt:   hex.EncodeToString(attempt),
		Container: hooks.Container{ID: strings.Repeat("0", 64), Name: "hookstest-no-such-container", Running: true},
		From:      hooks.Image{Reference: "hookstest.invalid/none:1", Digest: "sha256:" + strings.Repeat("1", 64), ID: "sha256:" + strings.Repeat("2", 64)},
		To:        hooks.Image{Reference: "hookstest.invalid/none:1", Digest: "sha256:" + strings.Repeat("3", 64), ID: "sha256:" + strings.Repeat("4", 64)},
	}
}

// at sets what is different in the later stages.
func at(stage Stage, u *hooks.Update) {
	u.Started = stage == PostUpdate || stage == OnRollback || stage == Finished
	u.Stopped = stage == OnRollback
	u.Outcome = hooks.Outcome{}
	switch stage {
	case OnRollback:
		u.Outcome = hooks.Outcome{Result: hooks.RolledBack, Code: "gate-failed", Reason: "the new container did not pass its gate"}
	case Finished:
		u.Outcome = hooks.Outcome{Result: hooks.Updated, Code: "new-image", Reason: "the new container stands"}
	}
}
