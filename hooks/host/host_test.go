package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/update"
	"github.com/refit-dev/refit/hooks/host"
)

var _ update.Hooks = (*host.Host)(nil)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	tests := map[string]struct {
		do   string
		want core.HookReply
	}{
		"proceed":                    {"", core.HookReply{}},
		"a veto without a reason":    {"veto", core.HookReply{Verdict: core.Veto, Reason: "the hook gives no reason"}},
		"a deferral without a time":  {"defer", core.HookReply{Verdict: core.Defer, Reason: "not now"}},
		"a deferral until some time": {"defer-later", core.HookReply{Verdict: core.Defer, Reason: "the hook gives no reason", RetryAt: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := h.Call(t.Context(), order(core.PreUpdate, tt.do))
			if err != nil || got.Verdict != tt.want.Verdict || got.Reason != tt.want.Reason || !got.RetryAt.Equal(tt.want.RetryAt) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
	t.Run("a deferral until the past", func(t *testing.T) {
		before := time.Now()
		got, err := h.Call(t.Context(), order(core.PreUpdate, "defer-past"))
		if at := got.RetryAt; err != nil || at.Before(before.Add(time.Minute)) || at.After(time.Now().Add(time.Minute)) {
			t.Errorf("got %+v, %v, want a minute from now", got, err)
		}
	})
	t.Run("at another stage they do not count", func(t *testing.T) {
		got, err := h.Call(t.Context(), order(core.PostUpdate, "veto"))
		if err != nil || got.Verdict != core.Proceed || got.Reason != "" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestHookIsToldWhatItNeeds(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Config = map[string]map[string]string{"actor": {"path": "/x"}}
	got := call(t, h, order(core.OnRollback, "settings"))
	if want := "map[do:settings] map[path:/x]webSTAGE_ON_ROLLBACKnginx:2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	temp := shortDir(t)
	own := map[string]string{
		"PATH": "/bin", "HOME": "/root", "DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c",
		"DOCKER_API_VERSION": "1.41", "TMPDIR": temp, "MINE": "yes", "SLACK_TOKEN": "secret",
	}
	h.Getenv = func(name string) string { return own[name] }
	h.Env = []string{"MINE", "UNSET"}
	var got []string
	for _, line := range strings.Split(call(t, h, order(core.PreUpdate, "env")), "\x00") {
		name, value, found := strings.Cut(line, "=")
		if want, there := own[name]; there && value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
		if found && !strings.HasPrefix(name, "PLUGIN_") && !strings.HasPrefix(name, "REFIT_HOOK") {
			got = append(got, name)
		}
	}
	want := "TMPDIR PATH HOME DOCKER_HOST DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_API_VERSION MINE"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
	h.Rest()
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left in the folder for temporary files: %v", left)
	}
}

func TestTemporaryFilesHaveAFolder(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Getenv = getenv(map[string]string{"TMPDIR": "/nowhere"})
	got := h.Describe(t.Context(), []string{"actor"})["actor"].Fault.Text
	want := "hook actor cannot be used: there is no folder for temporary files, mount one at /tmp or set TMPDIR: stat /nowhere: no such file or directory"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.TempDir = filepath.Join(shortDir(t), "made")
	if env := call(t, h, order(core.PreUpdate, "env")); !strings.Contains(env, "TMPDIR="+h.TempDir+"\x00") {
		t.Errorf("its TMPDIR is another than %s: %s", h.TempDir, env)
	}
}

func TestLogsSayWhoAndWhere(t *testing.T) {
	t.Parallel()
	var log record
	h := newHost(t, "actor")
	h.Log = log.logger()
	call(t, h, order(core.PostUpdate, "log"))
	want := `level=WARN msg="hook says" hook=actor container=web stage=post-update text="a b" said.hook=another said.n=1`
	if got := log.String(); !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}

func TestProgressIsLoggedFirstAndLast(t *testing.T) {
	t.Parallel()
	var log record
	h := newHost(t, "actor")
	h.Log = log.logger()
	call(t, h, order(core.PreUpdate, "step"))
	got := strings.TrimSpace(log.String())
	if lines := strings.Split(got, "\n"); len(lines) != 2 || !strings.Contains(lines[0], "done=1 total=100 percent=1") ||
		!strings.Contains(lines[1], "hook=actor container=web stage=pre-update text=step done=100 total=100 percent=100") {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsPrintedIsLogged(t *testing.T) {
	t.Parallel()
	var log record
	h := newHost(t, "actor")
	h.Log = log.logger()
	call(t, h, order(core.PreUpdate, "print"))
	for _, want := range []string{"last of all", "text=printed", "stream=stdout", "stream=stderr"} {
		eventually(t, want+" in the log", func() bool { return strings.Contains(log.String(), want) })
	}
	h.Rest()
	if got := log.String(); len(got) > 20<<10 {
		t.Errorf("the log has %d bytes: %.2000s", len(got), got)
	}
}

func TestFloodIsCut(t *testing.T) {
	t.Parallel()
	var log record
	h := newHost(t, "actor")
	h.Log = log.logger()
	begun := time.Now()
	call(t, h, order(core.PreUpdate, "flood"))
	h.Rest()
	seconds := int(time.Since(begun).Seconds()) + 2
	if got := strings.Count(log.String(), "\n"); got > seconds*300 {
		t.Errorf("the log has %d lines after %d seconds", got, seconds)
	}
	if !strings.Contains(log.String(), "more lines, too many to be logged") {
		t.Error("nothing says that lines were left out")
	}
}

func TestCancelledStageMayTidyUp(t *testing.T) {
	t.Parallel()
	h := newHost(t, "polite")
	file := filepath.Join(t.TempDir(), "note")
	h.Config = map[string]map[string]string{"polite": {"file": file}}
	var log record
	h.Log = log.logger()
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() {
		_, err := h.Call(ctx, core.HookCall{Hook: "polite", Stage: core.PreUpdate, Name: "web"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	eventually(t, "progress", func() bool { return strings.Contains(log.String(), "waiting") })
	cancel()
	calls.Wait()
	if text, err := os.ReadFile(file); string(text) != "tidied up" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestAStageThatAnotherOneTookAlongBeginsAgain(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Stall = patience
	var log record
	h.Log = log.logger()
	hung := filepath.Join(t.TempDir(), "hung")
	file := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() {
		c := order(core.OnRollback, "hang-once "+hung)
		c.Name = "db"
		if _, err := h.Call(t.Context(), c); err != nil {
			t.Errorf("got %v", err)
		}
	})
	calls.Go(func() {
		if _, err := h.Call(ctx, order(core.PreUpdate, "child "+file)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	var pids []string
	eventually(t, "children", func() bool {
		text, _ := os.ReadFile(file)
		pids = strings.Fields(string(text))
		_, err := os.Stat(hung)
		return len(pids) == 3 && err == nil
	})
	cancel()
	calls.Wait()
	if want := "the plugin's process was ended: pre-update of web was given up"; !strings.Contains(log.String(), want) {
		t.Errorf("nobody is told %q", want)
	}
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %s still runs", pid)
		}
	}
	if pid := call(t, h, order(core.PreUpdate, "pid")); pid == pids[2] {
		t.Error("the next call went to the same process")
	}
}

func TestRestEndsTheWholeFamily(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	pids := strings.Fields(call(t, h, order(core.PreUpdate, "child")))
	if len(pids) != 3 || !runs(pids[0]) || !runs(pids[1]) || !runs(pids[2]) {
		t.Fatalf("got %v: they should run", pids)
	}
	h.Rest()
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %s still runs", pid)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestProcessIsShared(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	first := call(t, h, order(core.PreUpdate, "pid"))
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if got := call(t, h, order(core.PreUpdate, "pid")); got != first {
				t.Errorf("got process %s, want %s", got, first)
			}
		})
	}
	calls.Wait()
	pid, _ := strconv.Atoi(first)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// A call may still have found it alive.
	eventually(t, "other process", func() bool {
		reply, err := h.Call(t.Context(), order(core.PreUpdate, "pid"))
		return err == nil && string(reply.State) != first
	})
}
