package host_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/host"
)

// These are the plugins of plugins/example, which are made as docs/hooks.md says: one
// that is a module of its own, and one that knows nothing but hooks.proto.

const example = "../../plugins/example"

func TestExampleOutsideTheModule(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	goIn(t, example, "build", "-o", filepath.Join(dir, "refit-hook-window"), ".")
	goIn(t, example, "test", ".")
	checkWindow(t, dir)
}

// goIn runs the go command as a stranger does: what the tests of this module are
// built with is not to have a say.
func goIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s in %s: %v (if modules have changed, go mod tidy there)\n%s", strings.Join(args, " "), dir, err, out)
	}
}

func TestExampleInPython(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3" // the one that has Debian's packages
	for _, needed := range [][]string{
		{python, "-c", "import grpc, google.protobuf, cryptography, zipapp, zoneinfo"},
		{"protoc", "--version"},
	} {
		if out, err := exec.CommandContext(t.Context(), needed[0], needed[1:]...).CombinedOutput(); err != nil {
			dockertest.Missing(t, "install python3-grpcio, python3-protobuf, python3-cryptography, protobuf-compiler and libprotobuf-dev: "+
				strings.Join(needed, " ")+": "+err.Error()+"\n"+string(out))
		}
	}
	dir, parts := t.TempDir(), t.TempDir()
	for _, step := range [][]string{
		{"cp", example + "/python/window.py", filepath.Join(parts, "__main__.py")},
		{"protoc", "-I", "../proto", "--python_out=" + parts, "hooks.proto"},
		{python, "-m", "zipapp", parts, "-p", python, "-o", filepath.Join(dir, "refit-hook-window")},
	} {
		if out, err := exec.CommandContext(t.Context(), step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(step, " "), err, out)
		}
	}
	checkWindow(t, dir)
}

// checkWindow starts the hook window of that folder, and holds it to what it says.
func checkWindow(t *testing.T, dir string) {
	t.Helper()
	said := &record{}
	h := &host.Host{
		Dir: dir, StartTimeout: patience, Log: said.logger(),
		Config: map[string]map[string]string{"window": {"host": "127.0.0.1"}},
	}
	t.Cleanup(h.Rest)
	want := []host.Plugin{{
		Name: "window", Path: filepath.Join(dir, "refit-hook-window"),
		Summary: "Lets updates happen in a window of time, and sees that a port answers afterwards.",
		Stages:  []core.Stage{core.PreUpdate, core.PostUpdate},
		Keys:    []hooks.Key{{Name: "between", Label: true}, {Name: "zone", Label: true}, {Name: "port", Label: true}, {Name: "host"}},
	}}
	if diff := cmp.Diff(want, h.List(t.Context()), cmpopts.IgnoreFields(hooks.Key{}, "Help")); diff != "" {
		t.Fatalf("the plugin (-want +got):\n%s\n%s", diff, said)
	}
	checkVerdicts(t, h)
	if text := "the window is open"; !strings.Contains(said.String(), text) {
		t.Errorf("the log does not say %q:\n%s", text, said)
	}
	checkPort(t, h)
}

func checkVerdicts(t *testing.T, h *host.Host) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Minute)
	clock := func(after time.Duration) string { return now.Add(after).Format("15:04") }
	open := clock(-time.Hour) + "-" + clock(time.Hour)
	closed := clock(2*time.Hour) + "-" + clock(3*time.Hour)
	tests := map[string]struct {
		settings map[string]string
		want     core.HookReply
		fault    string
	}{
		"the window is open":   {map[string]string{"between": open}, core.HookReply{}, ""},
		"the window is closed": {map[string]string{"between": closed, "zone": "UTC"}, core.HookReply{Verdict: core.Defer, Reason: "the window " + closed + " is closed", RetryAt: now.Add(2 * time.Hour)}, ""},
		"there is no window":   {nil, core.HookReply{}, `between is "", and not like 02:00-05:00`},
	}
	for name, tt := range tests {
		got, err := h.Call(t.Context(), windowCall(core.PreUpdate, tt.settings))
		fault := ""
		if err != nil {
			fault = err.Error()
		}
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" || fault != tt.fault {
			t.Errorf("%s: got fault %q, want %q; reply (-want +got):\n%s", name, fault, tt.fault, diff)
		}
	}
}

func checkPort(t *testing.T, h *host.Host) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{"port": strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)}
	if _, err := h.Call(t.Context(), windowCall(core.PostUpdate, settings)); err != nil {
		t.Errorf("the port answers: %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = h.Call(t.Context(), windowCall(core.PostUpdate, settings))
	if err == nil || !strings.HasPrefix(err.Error(), "the new container does not answer: ") {
		t.Errorf("the port does not answer: got %v", err)
	}
}

func windowCall(stage core.Stage, settings map[string]string) core.HookCall {
	return core.HookCall{
		Hook: "window", Stage: stage, Attempt: "0123456789abcdef", Name: "web",
		ID: strings.Repeat("a", 64), Running: true, Settings: settings,
	}
}
