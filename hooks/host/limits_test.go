package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/host"
)

// undying makes a host whose plugins do not die when they are killed, as those that
// wait for a disk which does not answer. They do so when the test ends.
func undying(t *testing.T, h *host.Host) {
	t.Helper()
	var mu sync.Mutex
	spared := map[int]bool{}
	h.Deny(300*time.Millisecond, func(pid int, s syscall.Signal) error {
		if s != syscall.SIGKILL {
			return syscall.Kill(pid, s)
		}
		mu.Lock()
		defer mu.Unlock()
		spared[-pid] = true
		return nil
	})
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for pid := range spared {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended by itself
			eventually(t, "end of process "+strconv.Itoa(pid), func() bool { return !runs(strconv.Itoa(pid)) })
		}
		if len(spared) == 0 {
			t.Error("nothing was to be killed")
		}
	})
}

func TestAPluginThatCannotBeKilledIsLeftBehind(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	undying(t, h)
	first := call(t, h, order(core.PreUpdate, "pid"))
	h.Stall = 300 * time.Millisecond
	_, err := h.Call(t.Context(), order(core.PreUpdate, "stop"))
	if want := "the plugin said nothing for 300ms, and cannot be killed: it hangs in the kernel"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !runs(first) {
		t.Fatal("it was killed after all, and the test is worth nothing")
	}
	h.Stall = patience
	if next := call(t, h, order(core.PreUpdate, "pid")); next == first {
		t.Error("the next call went to the process that hangs")
	}
	h.Rest()
}

func TestAStartThatCannotBeKilledIsLeftBehind(t *testing.T) {
	t.Parallel()
	for part, timeout := range map[string]time.Duration{
		"hangs": 300 * time.Millisecond, "silent": time.Second, "freezes": 2 * time.Second,
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, part)
			h.StartTimeout = timeout
			undying(t, h)
			got := h.Describe(t.Context(), []string{part})[part].Fault.Text
			want := "hook " + part + " cannot be used: the plugin took too long to start, and cannot be killed: it hangs in the kernel"
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestARollbackMayTidyUp has a plugin that needs longer than other stages have.
func TestARollbackMayTidyUp(t *testing.T) {
	t.Parallel()
	for stage, want := range map[core.Stage]string{core.OnRollback: "tidied up", core.PreRecreate: ""} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "note")
			h := newHost(t, "thorough")
			h.Stall = 300 * time.Millisecond
			h.Config = map[string]map[string]string{"thorough": {"file": file}}
			_, err := h.Call(t.Context(), core.HookCall{Hook: "thorough", Stage: stage, Name: "web"})
			if err == nil || err.Error() != "the plugin said nothing for 300ms, and was ended" {
				t.Errorf("got %v", err)
			}
			if text, _ := os.ReadFile(file); string(text) != want {
				t.Errorf("it wrote %q, want %q", text, want)
			}
		})
	}
}

func TestARollbackMayTakeAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Timeout, h.Stall = 300*time.Millisecond, patience
	call(t, h, order(core.OnRollback, "talk")) // for longer than that
}

// TestSettingsThatLabelsMayNotMake is what keeps a label from making the operator's
// settings where there was no plan that would have held the container.
func TestSettingsThatLabelsMayNotMake(t *testing.T) {
	t.Parallel()
	var log record
	h := newHost(t, "actor")
	h.Log = log.logger()
	c := order(core.OnRollback, "settings")
	c.Settings["path"], c.Settings["nonsense"] = "/etc/shadow", "1"
	if got, want := call(t, h, c), "map[do:settings] map[]webSTAGE_ON_ROLLBACKnginx:2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(c.Settings) != 3 {
		t.Errorf("the caller's settings are now %v", c.Settings)
	}
	for _, key := range []string{"path", "nonsense"} {
		want := `level=WARN msg="leaving out a setting that labels may not make" hook=actor container=web stage=on-rollback key=` + key
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, &log)
		}
	}
	if strings.Contains(log.String(), "shadow") {
		t.Errorf("the log shows a value:\n%s", &log)
	}
}

// TestAStartThatFailedIsNotTriedForEveryContainer counts the starts of a plugin that
// hangs.
func TestAStartThatFailedIsNotTriedForEveryContainer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "starts")
	h := newHost(t)
	h.Bundled["hangs"] = []string{self(t), "play", "hangs", file}
	h.StartTimeout = 4 * time.Second // it is to come so far as to count its start
	want := func(starts int) {
		t.Helper()
		if text, err := os.ReadFile(file); len(text) != starts || err != nil {
			t.Errorf("it was started %d times, want %d (%v)", len(text), starts, err)
		}
	}
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if got := h.Describe(t.Context(), []string{"hangs"})["hangs"].Fault; !strings.HasSuffix(got.Text, "the plugin took too long to start") {
				t.Errorf("got %v", got)
			}
		})
	}
	all.Wait()
	want(1)
	if _, err := h.Call(t.Context(), core.HookCall{Hook: "hangs", Stage: core.OnRollback, Name: "web"}); err == nil {
		t.Error("a stage of it went well")
	}
	want(2)
	h.Rest()
	h.Describe(t.Context(), []string{"hangs"})
	want(3)
}

// TestOrphansAreBuried has a Refit that is what the first process of a container is:
// the parent of whoever has lost his own.
func TestOrphansAreBuried(t *testing.T) {
	t.Parallel()
	refit := exec.CommandContext(t.Context(), self(t), "play", "first-process")
	refit.Env = append(os.Environ(), "TMPDIR="+shortDir(t))
	out, err := refit.CombinedOutput()
	want := "after a cycle whose plugin had children 0\nafter one with an orphan 1, and after the next 0\n"
	if err != nil || string(out) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, out, want)
	}
}
