package command

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/hooks"
)

type labels = map[string]string

func TestACommandBeforeTheUpdateDecides(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	image := withShell(t, e)
	id := running(t, e, "web", image, false)
	for name, test := range map[string]struct {
		labels  labels
		verdict string // in words
		err     string
	}{
		"no command at all":    {nil, "proceed", ""},
		"success":              {labels{"pre-update": "true"}, "proceed", ""},
		"a JSON array":         {labels{"pre-update": `["/bin/sh", "-c", "exit 0"]`}, "proceed", ""},
		"a failure":            {labels{"pre-update": "echo one >&2; echo two >&2; exit 3"}, "", "the pre-update command ended with exit code 3: one | two"},
		"a silent failure":     {labels{"pre-update": "exit 1"}, "", "the pre-update command ended with exit code 1"},
		"not now":              {labels{"pre-update": "echo users are here; exit 75"}, "defer: the pre-update command asks for later: users are here", ""},
		"an unknown program":   {labels{"pre-update": "frobnicate"}, "", "the pre-update command ended with exit code 127: /bin/sh: 1: frobnicate: not found"},
		"no such program":      {labels{"pre-update": `["/bin/frobnicate"]`}, "", `the pre-update command could not be started: OCI runtime exec failed`},
		"no such user":         {labels{"pre-update": "true", "user": "nobody-here"}, "", `unable to find user nobody-here`},
		"no such folder":       {labels{"pre-update": "true", "workdir": "/etc/passwd"}, "", "the pre-update command could not be started: "},
		"a user":               {labels{"pre-update": "test $(id -u) = 1234", "user": "keeper"}, "proceed", ""},
		"a user and its group": {labels{"pre-update": "test $(id -u):$(id -g) = 1234:7", "user": "1234:7"}, "proceed", ""},
		"a folder":             {labels{"pre-update": "test $PWD = /tmp", "workdir": "/tmp"}, "proceed", ""},
		"its environment": {labels{"pre-update": `test "$GREETING $REFIT_STAGE $REFIT_ATTEMPT $REFIT_FROM $REFIT_TO" = ` +
			`"hello pre-update 0123456789abcdef web:1@sha256:aaa sha256:222"`}, "proceed", ""},
		"nothing to read":             {labels{"pre-update": "cat"}, "proceed", ""},
		"what a child leaves behind":  {labels{"pre-update": "sleep 600 & exit 0"}, "proceed", ""},
		"quotes and a bracket":        {labels{"pre-update": ` [ "a  b" = 'a  b' ] && exit 0`}, "proceed", ""},
		"killed by a signal":          {labels{"pre-update": "kill -KILL $$"}, "", "the pre-update command ended with exit code 137"},
		"its own timeout is stronger": {labels{"pre-update": "true", "timeout": "0", "pre-update-timeout": "60"}, "proceed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := New().PreUpdate(t.Context(), update(id, test.labels))
			switch {
			case test.err == "" && err != nil:
				t.Fatal(err)
			case test.err == "" && got.String() != test.verdict:
				t.Errorf("got %s, want %s", got, test.verdict)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got error %v, want %s", err, test.err)
			}
		})
	}
}

func TestADeferralMayNameItsTime(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), true)
	before := time.Now().Add(2 * time.Hour).UTC()
	got, err := New().PreUpdate(t.Context(), update(id, labels{"pre-update": "exit 75", "retry-after": "2h"}))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := strings.CutPrefix(got.String(), "defer until ")
	at, err := time.Parse(time.RFC3339, strings.TrimSuffix(text, ": the pre-update command asks for later"))
	if err != nil || at.Before(before.Truncate(time.Second)) || at.After(before.Add(time.Minute)) {
		t.Errorf("got %s, want about %s", got, before)
	}
}

func TestACommandAfterTheUpdateIsAGateUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), false)
	for name, test := range map[string]struct {
		labels labels
		want   string
	}{
		"success":               {labels{"post-update": "test $REFIT_STAGE = post-update"}, ""},
		"failure":               {labels{"post-update": "echo broken; exit 1"}, "the post-update command ended with exit code 1: broken"},
		"75 is a failure here":  {labels{"post-update": "exit 75"}, "the post-update command ended with exit code 75"},
		"failure without gate":  {labels{"post-update": "exit 1", "post-update-gate": "false"}, ""},
		"timeout without gate":  {labels{"post-update": "sleep 600", "post-update-timeout": "1", "post-update-gate": "FALSE"}, ""},
		"a command before only": {labels{"pre-update": "exit 1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := New().PostUpdate(t.Context(), update(id, test.labels)); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestWithoutTheGateAStageThatWasGivenUpIsStillNotOver(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), false)
	ctx, cancel := context.WithCancel(t.Context())
	v := &recorder{heard: func() { cancel() }}
	x := executionIn(t, id, v, labels{"post-update": "echo begun; sleep 600"}, postUpdate)
	err := x.run(ctx)
	if err == nil || err.Error() != "the post-update command was given up, and was ended: context canceled" {
		t.Errorf("got %v", err)
	}
	u := update(id, labels{"post-update": "sleep 600", "post-update-gate": "false"})
	if err := New().PostUpdate(ctx, u); err == nil {
		t.Error("a stage that was given up counts as done")
	}
}

func TestALateCommandIsEndedWithAllThatItHasStarted(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), false)
	for name, test := range map[string]struct{ command, fate string }{
		"a good one":                        {"echo begun; sleep 601; sleep 601", "was ended: begun"},
		"one that does not want to":         {"trap '' TERM; echo begun; sleep 602; sleep 602", "was ended: begun"},
		"one that has no shell to end it":   {`["/bin/sleep", "100"]`, "may still run in the container"},
		"one whose child has its own group": {"sleep 603 & wait", "was ended"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := New().PreUpdate(t.Context(), update(id, labels{"pre-update": test.command, "timeout": "4s"}))
			want := "the pre-update command did not end within 4s, and " + test.fate
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	t.Cleanup(func() {
		for _, line := range processes(t, e, id) {
			if strings.Contains(line, "sleep 60") && !strings.Contains(line, "sleep 600") {
				t.Errorf("it still runs: %s", line)
			}
		}
	})
}

// processes are the command lines of all processes in the container.
func processes(t *testing.T, e *dockertest.Engine, id string) []string {
	t.Helper()
	top, err := e.API.ContainerTop(context.Background(), id, nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range top.Processes {
		lines = append(lines, p[len(p)-1])
	}
	return lines
}

func TestAContainerWithoutShell(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	image := e.Name("bare") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	id := running(t, e, "bare", image, false)
	_, err := New().PreUpdate(t.Context(), update(id, labels{"pre-update": "true"}))
	want := `the container has no /bin/sh for the pre-update command: write it as a JSON array, such as ["/app", "dump"]`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	_, err = New().PreUpdate(t.Context(), update(id, labels{"pre-update": `["/fixture", "frobnicate"]`}))
	if err == nil || !strings.HasPrefix(err.Error(), "the pre-update command ended with exit code 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestWhereNothingRunsThereIsNothingToRunItIn(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	image := withShell(t, e)
	created := e.Container(e.Name("created"), &container.Config{Image: image}, nil, nil)
	u := update(created, labels{"pre-update": "exit 1", "post-update": "exit 1"})
	if got, err := New().PreUpdate(t.Context(), u); err != nil || got != hooks.Proceed() {
		t.Errorf("before: %s, %v", got, err)
	}
	if err := New().PostUpdate(t.Context(), u); err != nil {
		t.Errorf("after: %v", err)
	}
	paused := running(t, e, "paused", image, false)
	if err := e.API.ContainerPause(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
	_, err := New().PreUpdate(t.Context(), update(paused, labels{"pre-update": "true"}))
	if err == nil || !strings.Contains(err.Error(), "is paused") {
		t.Errorf("paused: %v", err)
	}
	_, err = New().PreUpdate(t.Context(), update(e.Name("nobody"), labels{"pre-update": "true"}))
	if err == nil || !strings.HasPrefix(err.Error(), "look at the container: ") {
		t.Errorf("not there: %v", err)
	}
}

func TestAContainerThatEndsTakesTheCommandAlong(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	image := withShell(t, e)
	for name, end := range map[string]func(id string) error{
		"killed": func(id string) error { return e.API.ContainerKill(t.Context(), id, "KILL") },
		"removed": func(id string) error {
			return e.API.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true})
		},
		"restarted": func(id string) error {
			return e.API.ContainerRestart(t.Context(), id, container.StopOptions{Timeout: new(int)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := running(t, e, name, image, false)
			v := &recorder{}
			v.heard = sync.OnceFunc(func() {
				if err := end(id); err != nil {
					t.Error(err)
				}
			})
			err := executionIn(t, id, v, labels{"pre-update": "echo begun; sleep 600"}, preUpdate).run(t.Context())
			want := "the container ended while the pre-update command ran in it: begun"
			if err == nil || (err.Error() != want && name != "removed") {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestAFloodIsReadAndCounted(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), false)
	v := &recorder{}
	const flood = `head -c 50000000 /dev/zero; echo; i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; printf 'no end\033[1m \001here'; exit 4`
	err := executionIn(t, id, v, labels{"pre-update": flood}, preUpdate).run(t.Context())
	want := "the pre-update command ended with exit code 4: line 2996 | line 2997 | line 2998 | line 2999 | no end here"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if n := len(v.lines); n != maxLines+1 || v.lines[n-1] != "the command has said more than is shown lines=3001 shown=200" {
		t.Errorf("%d lines, the last is %q", n, v.lines[n-1])
	}
	if want := "the command says stream=stdout line=line 1"; v.lines[1] != want {
		t.Errorf("got %q, want %q", v.lines[1], want)
	}
}

func TestASilentCommandIsSpokenFor(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), false)
	v := &recorder{}
	x := executionIn(t, id, v, labels{"pre-update": "sleep 1"}, preUpdate)
	x.heartbeat = 50 * time.Millisecond
	if err := x.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(v.progress) < 5 || v.progress[0] != "the pre-update command runs, for 0s" {
		t.Errorf("progress: %q", v.progress)
	}
}

func TestAStageThatIsRunAgainRunsItsCommandAgain(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	id := running(t, e, "web", withShell(t, e), true)
	h := New()
	for range 2 {
		// The second time it finds what the first one has left, by the attempt's id.
		u := update(id, labels{"pre-update": "test -e /tmp/$REFIT_ATTEMPT && exit 75; touch /tmp/$REFIT_ATTEMPT; exit 1"})
		if got, err := h.PreUpdate(t.Context(), u); err == nil && got.String() == "defer: the pre-update command asks for later" {
			return
		}
	}
	t.Error("the second run did not see the first one's file")
}

// executionIn is a run of a stage's command.
func executionIn(t *testing.T, id string, v voice, l labels, stage string) *execution {
	t.Helper()
	u := update(id, l)
	s, err := read(u)
	if err != nil {
		t.Fatal(err)
	}
	api, err := New().engine()
	if err != nil {
		t.Fatal(err)
	}
	found, err := api.ContainerInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return &execution{
		api: api, container: id, startedAt: found.State.StartedAt, stage: stage, command: s.commands[stage],
		env: environment(u, stage), voice: v,
	}
}

// recorder keeps what a hook says.
type recorder struct {
	heard func() // at each line

	mu              sync.Mutex
	progress, lines []string
}

func (r *recorder) Progress(text string, _, _ int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = append(r.progress, text)
}

func (r *recorder) Log() *slog.Logger { return slog.New(lineHandler{slog.DiscardHandler, r}) }

type lineHandler struct {
	slog.Handler
	to *recorder
}

func (lineHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h lineHandler) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	h.to.mu.Lock()
	h.to.lines = append(h.to.lines, line)
	h.to.mu.Unlock()
	if h.to.heard != nil {
		h.to.heard()
	}
	return nil
}

func TestCleanLeavesWhatCanBeRead(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                      "plain",
		"\x1b[31mred\x1b[0m\x07":     "red",
		"\x1b]0;title\x07text":       "text",
		"\x1b]8;;http://x\x1b\\link": "link",
		"a\tb":                       "a b",
		"\x00\x01":                   "",
		"bad \xff utf":               "bad ? utf",
		"right\u202eleft":            "rightleft",
		"  blanks ":                  "blanks",
		"\x1b":                       "",
		strconv.Quote("q") + " ünï":  `"q" ünï`,
	} {
		if diff := cmp.Diff(want, clean(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}
