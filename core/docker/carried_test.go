package docker_test

import (
	"archive/tar"
	"bytes"
	"testing"

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
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: image, Labels: map[string]string{"com.docker.compose.project": e.Name("p")}}, nil, nil)
	files := map[string]string{"/app.conf": "a config", "/run/secrets/token": "a secret"}
	for name, content := range files {
		if err := e.API.CopyToContainer(t.Context(), id, "/", archive(t, name[1:], content), container.CopyToContainerOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	e.Start(id)
	successor := succeed(t, c, id, e.Name("web")+core.NewSuffix, image)
	again := succeed(t, c, successor, e.Name("web")+"-again", image)
	for name, want := range files {
		if got := e.ReadFile(again, name); got != want {
			t.Errorf("%s says %q, want %q", name, got, want)
		}
	}
}

func archive(t *testing.T, name, content string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o444, Size: int64(len(content))})
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &b
}
