package host_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/host"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(text)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// newHost is a host whose bundled plugins are those parts.
func newHost(t *testing.T, parts ...string) *host.Host {
	t.Helper()
	h := &host.Host{
		Bundled: map[string][]string{}, StartTimeout: patience, Env: []string{"GORACE"}, Getenv: getenv(nil),
	}
	for _, part := range parts {
		h.Bundled[part] = []string{self(t), "play", part}
	}
	t.Cleanup(h.Rest)
	return h
}

// getenv is an environment of nothing else, but for what keeps programs with a race
// detector from waiting for a second before they end.
func getenv(own map[string]string) func(string) string {
	return func(name string) string {
		if name == "GORACE" {
			return "atexit_sleep_ms=0"
		}
		return own[name]
	}
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// install puts the test binary into a folder as that plugin.
func install(t *testing.T, dir, name string) string {
	t.Helper()
	path := filepath.Join(dir, "refit-hook-"+name)
	if os.Link(self(t), path) == nil {
		return path
	}
	from, err := os.Open(self(t))
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, from.Close(), to.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// order asks the actor to do something at a stage.
func order(stage core.Stage, do string) core.HookCall {
	return core.HookCall{
		Hook: "actor", Stage: stage, Attempt: "0123456789abcdef", Name: "web", ID: "4711",
		Settings: map[string]string{"do": do}, To: core.Image{Reference: core.Reference{Text: "nginx:2"}},
	}
}

// shortDir is a folder whose path leaves room for the name of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v there is still no %s", patience, what)
		}
	}
}

// runs tells whether a process is alive.
func runs(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

// call expects a stage to go well, and returns the state.
func call(t *testing.T, h *host.Host, c core.HookCall) string {
	t.Helper()
	reply, err := h.Call(t.Context(), c)
	if err != nil {
		t.Fatalf("%s of %s: %v", c.Stage, c.Hook, err)
	}
	return string(reply.State)
}
