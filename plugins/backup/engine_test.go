package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/hooks"
)

// programDir is where the program is, once it was built.
var programDir string

// program builds the static program that plays Refit.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "refit-backup-program-")
	if err != nil {
		return "", err
	}
	programDir = dir
	name := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, "./testdata/program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return name, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programDir) // what stays is in the folder for temporary files
	os.Exit(code)
}

// stage is a container with volumes, and a place for its backups.
type stage struct {
	*testing.T
	e         *dockertest.Engine
	name, id  string
	dir       string // of the backups
	volumes   map[string]string
	program   string
	container *container.HostConfig
}

// newStage makes a container, never started, with a named volume at each of the places.
func newStage(t *testing.T, places ...string) *stage {
	t.Helper()
	e := dockertest.New(t)
	if os.Getuid() != 0 {
		dockertest.Missing(t, "the tests look into volumes on the engine's host: they need to be root")
	}
	built, err := program()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, e: e, name: e.Name("db"), dir: t.TempDir(), volumes: map[string]string{}, program: built}
	reference := e.Name("image") + ":1"
	e.Image(reference, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	s.container = &container.HostConfig{}
	for i, place := range places {
		name := e.Name(fmt.Sprintf("volume%d", i))
		made, err := e.API.VolumeCreate(t.Context(), volume.CreateOptions{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		s.volumes[place] = s.e.Path(made.Mountpoint)
		s.container.Binds = append(s.container.Binds, name+":"+place)
	}
	s.id = e.Container(s.name, &container.Config{Image: reference}, s.container, nil)
	for _, folder := range s.volumes {
		if _, err := os.Stat(folder); err != nil {
			dockertest.Missing(t, "the engine's volumes cannot be seen from here")
		}
	}
	t.Cleanup(s.nothingLeft)
	return s
}

// nothingLeft fails the test if a helper is still there, or its image after the end.
func (s *stage) nothingLeft() {
	ctx := context.WithoutCancel(s.Context())
	ours := filters.NewArgs(filters.Arg("label", labelFor+"="+s.name))
	containers, err := s.e.API.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	if err != nil || len(containers) > 0 {
		s.Errorf("%d helpers are left (%v)", len(containers), err)
	}
	if err := s.hook().Finished(ctx, s.update("restore", "true", "keep", "1000"), hooks.Outcome{}); err != nil {
		s.Error(err)
	}
	images, err := s.e.API.ImageList(ctx, image.ListOptions{Filters: ours})
	if err != nil || len(images) > 0 {
		s.Errorf("%d images are left (%v)", len(images), err)
	}
}

// update is a replacement of the container, with settings as "key", "value", ….
func (s *stage) update(settings ...string) *hooks.Update {
	id := make([]byte, 8)
	rand.Read(id)
	u := &hooks.Update{
		Attempt: fmt.Sprintf("%x", id), Operator: map[string]string{keyDir: s.dir}, Labels: map[string]string{},
		Container: hooks.Container{ID: s.id, Name: s.name, Running: true}, Started: true, Stopped: true,
		From: hooks.Image{Reference: "db:1", Digest: "sha256:1", ID: "sha256:2"},
	}
	for i := 0; i < len(settings); i += 2 {
		u.Labels[settings[i]] = settings[i+1]
	}
	return u
}

// hook is the hook, with the helper's program.
func (s *stage) hook() *Hook { return &Hook{Program: s.program, reserve: 1 << 20} }

// backUp runs the stages up to a cold backup.
func (s *stage) backUp(u *hooks.Update) {
	s.Helper()
	if _, err := s.hook().PreUpdate(s.Context(), u); err != nil {
		s.Fatalf("before the update: %v", err)
	}
	if err := s.hook().PreRecreate(s.Context(), u); err != nil {
		s.Fatalf("before the recreation: %v", err)
	}
}

// all returns the container's backups, usable or not.
func (s *stage) all() []Backup {
	s.Helper()
	all, err := List(s.dir, s.name)
	if err != nil {
		s.Fatal(err)
	}
	return all
}

// whole returns the backups that can be used.
func (s *stage) whole() []Backup {
	s.Helper()
	return slices.DeleteFunc(s.all(), func(b Backup) bool { return b.Fault != "" })
}

// process is a stage in a process of its own.
func (s *stage) process(name string, u *hooks.Update) *exec.Cmd {
	s.Helper()
	b, err := json.Marshal(map[string]any{"Stage": name, "Update": u})
	if err != nil {
		s.Fatal(err)
	}
	c := exec.CommandContext(s.Context(), s.program, string(b))
	c.Env = append(os.Environ(), "DOCKER_HOST="+s.e.Host)
	c.Stderr = os.Stderr
	return c
}
