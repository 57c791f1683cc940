package docker_test

import (
	"archive/tar"
	"bytes"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// A container that has a legacy link to another one is renamed with its link, to
// and fro, and its successor has the link too.
func TestALinkIsCarriedOverAndSurvivesARename(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	e.Start(e.Container(e.Name("db"), &container.Config{Image: image}, nil, nil))
	name := e.Name("web")
	id := e.Container(name, &container.Config{Image: image}, &container.HostConfig{Links: []string{e.Name("db") + ":alias"}}, nil)
	e.Start(id)
	s, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	successor := succeed(t, c, id, name+core.NewSuffix, image)
	if err := c.Stop(t.Context(), id, "", 0); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ id, name string }{
		{id, name + core.OldSuffix}, {successor, name}, {successor, name + core.NewSuffix}, {id, name}, {id, name + core.OldSuffix}, {successor, name},
	} {
		if err := c.Rename(t.Context(), step.id, step.name); err != nil {
			t.Fatal(err)
		}
	}
	e.Start(successor)
	same(t, c, s, successor)
	if err := c.Stop(t.Context(), successor, "", 0); err != nil {
		t.Fatal(err)
	}
	e.Start(id)
	same(t, c, s, id)
}

func TestFilesThatComposeHasCopiedInAreCarriedOver(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := withFile(t, e, "/etc/app/app.conf", "the image's")
	id := e.Container(e.Name("web"), &container.Config{
		Image: image, Labels: map[string]string{"com.docker.compose.project": e.Name("p")},
		Env: []string{"WRITE=/etc/app/written=by the program"},
	}, nil, nil)
	files := map[string]string{
		"/app.conf": "a config", "/run/secrets/token": "a secret",
		"/etc/app/app.conf": "a config in place of the image's", "/opt/a/b": "a config in a new folder",
	}
	for name, content := range files {
		copyIn(t, e, id, name, content, time.Now().Add(-4*time.Minute)) // by compose's clock
	}
	copyIn(t, e, id, "/opt/unpacked", "from somebody's archive", time.Now().AddDate(-1, 0, 0))
	e.Start(id)
	e.Wait(id, "done with its file", func(container.InspectResponse) bool {
		_, err := e.API.ContainerStatPath(t.Context(), id, "/etc/app/written")
		return err == nil
	})
	successor := succeed(t, c, id, e.Name("web")+core.NewSuffix, image)
	e.Start(successor)
	// They are known by their time in the successor, whenever its own comes.
	made, err := time.Parse(time.RFC3339Nano, e.Inspect(successor).Created)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := e.API.ContainerStatPath(t.Context(), successor, "/opt/a/b")
	if err != nil || stat.Mtime.Before(made.Truncate(time.Second)) {
		t.Errorf("the file is of %s (%v) in a container of %s", stat.Mtime, err, made)
	}
	again := succeed(t, c, successor, e.Name("web")+"-again", image)
	for name, want := range files {
		if got := e.ReadFile(again, name); got != want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"/etc/app/written", "/opt/unpacked"} {
		if _, err := e.API.ContainerStatPath(t.Context(), again, name); err == nil {
			t.Errorf("%s is there: it belongs to the old container's layer", name)
		}
	}
}

// withFile makes an image of the web service with a file of its own.
func withFile(t *testing.T, e *dockertest.Engine, name, content string) (reference string) {
	t.Helper()
	plain, reference := e.Name("plain")+":1", e.Name("web")+":1"
	e.Image(plain, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	id := e.Container(e.Name("base"), &container.Config{Image: plain}, nil, nil)
	copyIn(t, e, id, name, content, time.Now())
	if _, err := e.API.ContainerCommit(t.Context(), id, container.CommitOptions{Reference: reference}); err != nil {
		t.Fatal(err)
	}
	return reference
}

// copyIn copies a file into a container as compose does it.
func copyIn(t *testing.T, e *dockertest.Engine, id, name, content string, at time.Time) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name[1:], Mode: 0o444, Size: int64(len(content)), ModTime: at})
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = e.API.CopyToContainer(t.Context(), id, "/", &b, container.CopyToContainerOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
