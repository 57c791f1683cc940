package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
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
		// [containerd] is true of an engine that has its images in containerd's store.
		Condition: func(name string) (bool, error) {
			if name != "containerd" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			out, err := exec.CommandContext(t.Context(), "docker", "info", "--format", "{{.DriverStatus}}").Output()
			return strings.Contains(string(out), "io.containerd.snapshotter"), err
		},
		Setup: func(e *testscript.Env) error {
			t := e.T().(testing.TB)
			images := registrytest.New(t, registrytest.Options{})
			s := &story{t: t, engine: dockertest.New(t), registry: images.Host, images: images}
			withWebhook(e)
			return s.begin(e)
		},
	})
}
