package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
)

// bridge is the address of the engine of a tutorial in the network of its containers.
// It takes what is at port 5000 there for Docker Hub.
const (
	bridge = "172.17.0.1"
	asHub  = `{"bip": "` + bridge + `/16", "registry-mirrors": ["http://` + bridge + `:5000"]}`
)

// TestTutorials types what the tutorials for Watchtower have, with Refit's image in
// the place of theirs. Each has an engine for itself, so that nothing has to be
// called otherwise than there; and its registries are the story's own.
func TestTutorials(t *testing.T) {
	t.Parallel()
	fixture := builtFixture(t)
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "tutorials"),
		Cmds: storyCommands(),
		Setup: func(e *testscript.Env) error {
			t := e.T().(testing.TB)
			engine := dockertest.NewPrivateWith(t, true, asHub)
			s := &story{t: t, engine: engine.Engine, private: engine, fixture: fixture}
			if err := moveInside(e, engine, "fixture", fixture); err != nil {
				return err
			}
			e.Setenv("TLS", engine.TLS.Dir)
			// The engine's socket is elsewhere on this machine, where another engine may
			// have the usual place.
			e.Setenv("SOCKET", engine.Socket)
			return s.begin(e)
		},
	})
}

// serve serves a registry at an address of the engine's namespace: serve ADDRESS
// [USER PASSWORD].
func (s *story) serve(ts *testscript.TestScript, args []string) {
	flags := []string{"-addr", args[0]}
	if len(args) == 3 {
		flags = append(flags, "-user", args[1], "-password", args[2])
	}
	if _, err := serveInside(s.t, s.private, s.fixture, flags...); err != nil {
		ts.Fatalf("serve a registry at %s: %v", args[0], err)
	}
}

// publish makes an image as push does, and pushes it under any reference.
func (s *story) publish(ts *testscript.TestScript, args []string) {
	s.push(ts, args[0], args[1], args[2:])
}
