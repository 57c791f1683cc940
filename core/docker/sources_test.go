package docker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

func TestAFolderThatIsGoneFromTheHostIsFoundBeforeAnythingIsStopped(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	bound := func(source string) *container.HostConfig {
		return &container.HostConfig{Binds: []string{source + ":/folder:ro"}}
	}
	mounted := func(source string) *container.HostConfig {
		return &container.HostConfig{Mounts: []mount.Mount{{Type: mount.TypeBind, Source: source, Target: "/folder"}}}
	}
	for part, row := range map[string]struct {
		host        func(source string) *container.HostConfig
		start, gone bool
	}{
		"bound":       {host: bound, start: true, gone: true},
		"mounted":     {host: mounted, start: true, gone: true},
		"never-there": {host: bound},
		"a-volume":    {host: func(string) *container.HostConfig { return bound(e.Name("volume")) }, start: true},
	} {
		t.Run(part, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "folder")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			id := e.Container(e.Name(part), &container.Config{Image: image}, row.host(folder), nil)
			if row.start {
				e.Start(id)
			}
			if err := c.Remove(t.Context(), succeed(t, c, id, e.Name(part)+"-good", image), true); err != nil {
				t.Fatal(err)
			}
			s, err := c.Snapshot(t.Context(), id, core.Defaults{})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(folder); err != nil {
				t.Fatal(err)
			}
			d := core.Draft{Name: e.Name(part) + core.NewSuffix, From: s, Reference: image, Mark: core.Mark{Attempt: "a", Owner: "b", Predecessor: id}}
			_, err = c.Create(t.Context(), d)
			if row.gone != (err != nil) || row.gone && !strings.Contains(err.Error(), folder) {
				t.Errorf("the answer is %v, want one that names %s: %v", err, folder, row.gone)
			}
			if s, err := c.Look(t.Context(), d.Name); err != nil || s.Exists() == row.gone {
				t.Errorf("there is %+v (%v)", s, err)
			}
		})
	}
}
