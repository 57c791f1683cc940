package hooks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// serveKey is the variable that makes this test's binary a plugin: which one.
const serveKey = "HOOKS_TEST_SERVE"

var served = map[string]any{
	"smoke":     smoke{},
	"stageless": struct{}{},
	"slow":      slow{},
}

func TestMain(m *testing.M) {
	if name := os.Getenv(serveKey); name != "" {
		hooks.Serve(served[name])
	}
	os.Exit(m.Run())
}

// smoke prints, as people do.
type smoke struct{}

func (smoke) Describe() hooks.Description {
	return hooks.Description{
		Summary: "Asks the container whether it is well.",
		Version: "1.2",
		Keys: []hooks.Key{
			{Name: "path", Help: "what to ask for, / by default", Label: true},
			{Name: "token", Help: "what to send along"},
		},
	}
}

func (smoke) PreUpdate(context.Context, *hooks.Update) (hooks.Verdict, error) {
	return hooks.Veto("not today"), nil
}

func (smoke) PostUpdate(_ context.Context, u *hooks.Update) error {
	fmt.Println("printed to stdout")
	fmt.Fprintln(os.Stderr, "printed to stderr")
	u.State = []byte("kept")
	return nil
}

// slow needs a moment to tidy up.
type slow struct{}

func (slow) PreRecreate(ctx context.Context, u *hooks.Update) error {
	u.Progress("waiting", 0, 0)
	<-ctx.Done()
	time.Sleep(200 * time.Millisecond) // the work of tidying up
	return os.WriteFile(u.Setting("file"), []byte("tidied up"), 0o600)
}

// buffer is one that two goroutines may use.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func command(t *testing.T, file, name string) *exec.Cmd {
	t.Helper()
	if file == "" {
		file = os.Args[0]
	}
	cmd := exec.CommandContext(t.Context(), file)
	cmd.Env = append(os.Environ(), serveKey+"="+name)
	return cmd
}

// process is a plugin that runs in its own process.
type process struct {
	*plugin.Client
	hook                   proto.HookClient
	stdout, stderr, direct buffer
}

func start(t *testing.T, name string) *process {
	t.Helper()
	p := &process{}
	p.Client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  hooks.Handshake(),
		Plugins:          plugin.PluginSet{hooks.PluginName: hooks.NewPlugin(nil)},
		Cmd:              command(t, "", name),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       &p.stdout,
		SyncStderr:       &p.stderr,
		Stderr:           &p.direct,
	})
	t.Cleanup(p.Kill)
	protocol, err := p.Client.Client()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := protocol.Dispense(hooks.PluginName)
	if err != nil {
		t.Fatal(err)
	}
	p.hook = raw.(proto.HookClient)
	return p
}

// becomes waits until got returns want.
func becomes(t *testing.T, what, want string, got func() string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); got() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: got %q, want %q", what, got(), want)
		}
	}
}

func TestServeInAProcess(t *testing.T) {
	t.Parallel()
	p := start(t, "smoke")
	d, err := p.hook.Describe(t.Context(), &proto.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := []proto.Stage{proto.Stage_STAGE_PRE_UPDATE, proto.Stage_STAGE_POST_UPDATE}
	if diff := cmp.Diff(want, d.GetStages()); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	stream, err := p.hook.Run(t.Context(), &proto.Call{Stage: proto.Stage_STAGE_POST_UPDATE})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.GetReply().GetState()); got != "kept" {
		t.Errorf("got the state %q", got)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("got %v after the reply, want the end", err)
	}
	becomes(t, "stdout", "printed to stdout\n", p.stdout.String)
	becomes(t, "stderr", "printed to stderr\n", p.stderr.String)
	p.Kill()
	if got := p.direct.String(); got != "" {
		t.Errorf("the plugin's own noise: %q", got)
	}
}

func TestServeLetsAStageTidyUp(t *testing.T) {
	t.Parallel()
	p, file := start(t, "slow"), filepath.Join(t.TempDir(), "file")
	stream, err := p.hook.Run(t.Context(), &proto.Call{
		Stage: proto.Stage_STAGE_PRE_RECREATE, Operator: map[string]string{"file": file},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	got, err := os.ReadFile(file)
	if err != nil || string(got) != "tidied up" {
		t.Errorf("got %q and %v", got, err)
	}
}

func TestServeStartedByHand(t *testing.T) {
	t.Parallel()
	installed := filepath.Join(t.TempDir(), "refit-hook-smoke")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, installed); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ file, hook, want string }{
		"it says what it is": {installed, "smoke", strings.TrimPrefix(`
refit-hook-smoke is a hook for Refit. It does nothing by itself: Refit runs it when it replaces a container.

Asks the container whether it is well.

version   1.2
stages    pre-update, post-update
settings  path   label, operator  what to ask for, / by default
          token  operator         what to send along

To install it, put it as refit-hook-smoke into the folder that Refit's --plugin-dir names, where only
its owner may write, and label a container with refit.hooks=smoke.
`, "\n")},
		"a value without stages is refused in one line": {
			installed, "stageless",
			"refit-hook-smoke cannot be a hook for Refit: struct {} has none of the stages, such as PreUpdate or PostUpdate\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			cmd := command(t, tt.file, tt.hook)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit status 1", err)
			}
			if diff := cmp.Diff(tt.want, stderr.String()); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if stdout.Len() != 0 {
				t.Errorf("stdout has %q", stdout.String())
			}
		})
	}
}
