package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
)

// TestStoriesOnAnEngineOfTheirOwn are those that nobody wants to happen to an
// engine on which other people's containers run: everything on it is looked
// after, and it is ended in the middle of that. Each has an engine for itself.
func TestStoriesOnAnEngineOfTheirOwn(t *testing.T) {
	t.Parallel()
	fixture := builtFixture(t)
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "private"),
		Cmds: storyCommands(),
		Setup: func(e *testscript.Env) error {
			t := e.T().(testing.TB)
			engine := dockertest.NewPrivate(t, true)
			s := &story{t: t, engine: engine.Engine, private: engine}
			var err error
			if s.registry, err = serveInside(t, engine, fixture); err != nil {
				return err
			}
			refit, err := exec.LookPath("refit")
			if err != nil {
				return err
			}
			if err := moveInside(e, engine, "refit", refit); err != nil {
				return err
			}
			e.Setenv("TLS", engine.TLS.Dir)
			e.Setenv("SOCKET", engine.Host)
			return s.begin(e)
		},
	})
}

// builtFixture builds the fixture for this machine.
func builtFixture(t testing.TB) string {
	t.Helper()
	fixture := filepath.Join(t.TempDir(), "fixture")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", fixture, "github.com/refit-dev/refit/cmd/fixture")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the fixture: %v\n%s", err, out)
	}
	return fixture
}

// serveInside serves a registry where the engine's 127.0.0.1 is, until the test
// ends, and returns its address.
func serveInside(t testing.TB, engine *dockertest.Private, fixture string, args ...string) (address string, err error) {
	cmd := engine.Command(t.Context(), fixture, append([]string{"registry"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("serve a registry: %w", err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it is killed with the test's context
	address, err = bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(address), err
}

// moveInside makes a program one that runs where the engine's 127.0.0.1 is.
func moveInside(e *testscript.Env, engine *dockertest.Private, name, program string) error {
	words := engine.Command(context.Background(), program).Args
	bin := filepath.Join(e.WorkDir, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return err
	}
	e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
	script := "#!/bin/sh\nexec " + strings.Join(words, " ") + ` "$@"` + "\n"
	return os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700)
}
