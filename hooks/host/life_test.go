package host_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/host"
)

// TestNothingOutlivesAKilledRefit kills a Refit whose plugin has children. The plugin
// dies with it; what the plugin has started dies when the next Refit starts a plugin.
func TestNothingOutlivesAKilledRefit(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pids")
	refit := exec.Command(self(t), "play", "refit", file)
	refit.Stderr = os.Stderr
	refit.Env = append(os.Environ(), "TMPDIR="+shortDir(t)) // The folder of the socket stays.
	if err := refit.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	eventually(t, "plugin with children", func() bool {
		text, _ := os.ReadFile(file)
		pids = strings.Fields(string(text))
		return len(pids) == 3
	})
	if err := refit.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = refit.Wait()
	eventually(t, "end of the plugin", func() bool { return !runs(pids[2]) })
	call(t, newHost(t, "actor"), order(core.PreUpdate, "pid"))
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %s still runs", pid)
		}
	}
}

// inventory is what may leak, in this process: goroutines, open files, children.
type inventory struct{ goroutines, files, children int }

func take(t *testing.T) inventory {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	// Every thread has its own children.
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	children := 0
	for _, list := range lists {
		text, _ := os.ReadFile(list) // A thread may be gone.
		children += len(strings.Fields(string(text)))
	}
	return inventory{runtime.NumGoroutine(), len(files), children}
}

// misuse starts plugins, and ends them in one of many ways.
func misuse(t *testing.T, h *host.Host, way int) {
	t.Helper()
	switch way % 7 {
	case 0:
		_, _ = h.Call(t.Context(), order(core.PreUpdate, "crash"))
	case 1:
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, _ = h.Call(ctx, order(core.PreUpdate, "hang"))
	case 2:
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		h.Describe(ctx, []string{"silent", "garbage"})
	case 3:
		h.Describe(t.Context(), []string{"dies", "garbage"})
	case 4:
		_, _ = h.Call(t.Context(), order(core.PreUpdate, "shout"))
	default:
		call(t, h, order(core.PreUpdate, ""))
		h.Rest()
	}
}

// TestNothingIsLeft is not parallel: it counts.
func TestNothingIsLeft(t *testing.T) {
	temp := shortDir(t)
	h := newHost(t, "actor", "dies", "garbage", "nobody", "silent")
	h.Getenv = getenv(map[string]string{"TMPDIR": temp})
	for way := range 7 {
		misuse(t, h, way)
	}
	h.Rest()
	before := take(t)
	for way := range 50 {
		misuse(t, h, way)
	}
	h.Describe(t.Context(), []string{"nobody"})
	h.Rest()
	eventually(t, "return to what there was", func() bool {
		now := take(t)
		return now.goroutines <= before.goroutines && now.files <= before.files && now.children <= before.children
	})
	if left, _ := os.ReadDir(temp); len(left) != 0 {
		t.Errorf("left in the folder for temporary files: %v", left)
	}
}

// BenchmarkDescribe is the first question to a plugin: it is started, and ended.
func BenchmarkDescribe(b *testing.B) {
	for b.Loop() {
		h := &host.Host{Bundled: map[string][]string{"polite": {self(b), "play", "polite"}}}
		if fault := h.Describe(b.Context(), []string{"polite"})["polite"].Fault; fault.Code != "" {
			b.Fatal(fault)
		}
		b.StopTimer()
		h.Rest()
		b.StartTimer()
	}
}

// BenchmarkCall is a stage that does nothing, of a plugin that runs. The memory is
// the plugin's.
func BenchmarkCall(b *testing.B) {
	h := &host.Host{Bundled: map[string][]string{"polite": {self(b), "play", "polite"}}}
	defer h.Rest()
	var reply core.HookReply
	var err error
	for b.Loop() {
		if reply, err = h.Call(b.Context(), core.HookCall{Hook: "polite", Stage: core.PostUpdate, Name: "web"}); err != nil {
			b.Fatal(err)
		}
	}
	text, err := os.ReadFile("/proc/" + string(reply.State) + "/status")
	if err != nil {
		b.Fatal(err)
	}
	_, resident, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(resident)[0])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(kib)/1024, "MiB-resident")
}

// BenchmarkRest is the end of a plugin that runs.
func BenchmarkRest(b *testing.B) {
	h := &host.Host{Bundled: map[string][]string{"polite": {self(b), "play", "polite"}}}
	for b.Loop() {
		b.StopTimer()
		if _, err := h.Call(b.Context(), core.HookCall{Hook: "polite", Stage: core.PostUpdate, Name: "web"}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		h.Rest()
	}
}

func TestAHookKnowsEveryOutcome(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[core.Outcome]hooks.Result{
		core.OutcomeUpdated: hooks.Updated, core.OutcomeFollowed: hooks.Updated, core.OutcomeRecovered: hooks.Recovered,
		core.OutcomeHeld: hooks.Held, core.OutcomeRolledBack: hooks.RolledBack, core.OutcomeFailed: hooks.Failed, core.OutcomeDown: hooks.Down,
	} {
		if got := host.WireOutcome(outcome); got != string(want) {
			t.Errorf("%s is told as %q, want %q", outcome, got, want)
		}
	}
}
