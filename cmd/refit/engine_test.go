package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// TestStoriesOnTheEngine runs the whole program from outside, on this machine's
// engine. Each story has a scope of its own and every container in it carries
// that scope, so nothing else on the engine is looked after.
func TestStoriesOnTheEngine(t *testing.T) {
	t.Parallel()
	commands := storyCommands()
	commands["webhook"], commands["heard"] = turnWebhook, heard
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "engine"),
		Cmds: commands,
		Setup: func(e *testscript.Env) error {
			t := e.T().(testing.TB)
			images := registrytest.New(t, registrytest.Options{})
			s := &story{t: t, engine: dockertest.New(t), registry: images.Host, images: images}
			withWebhook(e)
			return s.begin(e)
		},
	})
}
