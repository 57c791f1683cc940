package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// TestStoriesOfCompose are those of people who made their containers with
// docker-compose, and go on using it. Its projects have the story's own name.
func TestStoriesOfCompose(t *testing.T) {
	t.Parallel()
	for folder, major := range map[string]string{"compose-v1": "1", "compose": "2"} {
		t.Run("v"+major, func(t *testing.T) {
			t.Parallel()
			words, there := composes()[major]
			if !there {
				t.Skipf("there is no docker-compose %s here, and REFIT_COMPOSE names none", major)
			}
			testscript.Run(t, testscript.Params{
				Dir:   filepath.Join("testdata", folder),
				Cmds:  storyCommands(),
				Setup: func(e *testscript.Env) error { return withCompose(e, major, words) },
			})
		})
	}
}

// composes are the docker-compose programs of this machine, by their major version:
// the one that REFIT_COMPOSE names, those in PATH, and docker's own command.
var composes = sync.OnceValue(func() map[string]string {
	var candidates []string
	if named := os.Getenv("REFIT_COMPOSE"); named != "" {
		candidates = append(candidates, named)
	}
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		candidates = append(candidates, filepath.Join(folder, "docker-compose"))
	}
	found := map[string]string{}
	for _, words := range append(candidates, "docker compose") {
		out, err := exec.Command("sh", "-c", words+" version --short").Output()
		if err != nil {
			continue // it is not there
		}
		major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
		if _, there := found[major]; !there {
			found[major] = words
		}
	}
	return found
})

// withCompose begins a story in which docker-compose is the given program.
func withCompose(e *testscript.Env, major, words string) error {
	t := e.T().(testing.TB)
	images := registrytest.New(t, registrytest.Options{})
	s := &story{t: t, engine: dockertest.New(t), registry: images.Host}
	version, err := s.engine.API.ServerVersion(t.Context())
	if err != nil {
		return err
	}
	_, minor, _ := strings.Cut(version.APIVersion, ".")
	if api, err := strconv.Atoi(minor); major == "1" && (err != nil || api >= 44) {
		t.Skip("docker-compose 1 can make no container anew on this engine: it asks for what newer engines do not tell")
	}
	bin := filepath.Join(e.WorkDir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return err
	}
	e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
	e.Setenv("COMPOSE_PROJECT_NAME", s.engine.Prefix())
	examples, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples"))
	if err != nil {
		return err
	}
	e.Setenv("EXAMPLES", examples)
	script := "#!/bin/sh\nexec " + words + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(bin, "docker-compose"), []byte(script), 0o700); err != nil {
		return err
	}
	return s.begin(e)
}
