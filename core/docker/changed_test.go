package docker_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// watched is a client that hears of events until the test ends, as the sidecar's does.
func watched(t *testing.T, e *dockertest.Engine) *docker.Client {
	t.Helper()
	c := connect(t, e)
	ctx, cancel := context.WithCancel(context.Background())
	stands := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	group.Go(func() { _ = c.Watch(ctx, func(core.Event) { once.Do(func() { close(stands) }) }) }) // it ends with ctx
	t.Cleanup(group.Wait)
	t.Cleanup(cancel)
	<-stands
	return c
}

// A client that remembers what it was told is compared with one that asks for
// everything, after each of many changes.
func TestWhatChangedBetweenTwoListingsIsSeenAsItIs(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	remembers, asks := watched(t, e), connect(t, e)
	text, side := e.Name("web")+":1", e.Name("side")
	imageID := e.Image(text, `ENTRYPOINT ["/fixture", "web"]`)
	e.Network(side, "")
	config := func() *container.Config { return &container.Config{Image: text} }
	db := e.Container(e.Name("db"), config(), nil, nil)
	e.Start(db)
	id := e.Container(e.Name("web"), config(), &container.HostConfig{Links: []string{e.Name("db") + ":db"}}, nil)
	e.Start(id)
	plain := e.Container(e.Name("plain"), config(), nil, nil)
	ctx := t.Context()
	connected := func(links ...string) error {
		return e.API.NetworkConnect(ctx, side, plain, &network.EndpointSettings{Links: links})
	}
	same := func(what string) {
		t.Helper()
		if diff := cmp.Diff(ours(t, e, asks), ours(t, e, remembers)); diff != "" {
			t.Errorf("%s (-as it is +as it is listed):\n%s", what, diff)
		}
	}
	same("at first")
	for _, step := range []struct {
		what   string
		change func() error
	}{
		{"nothing", func() error { return nil }},
		{"start", func() error { return e.API.ContainerStart(ctx, plain, container.StartOptions{}) }},
		{"pause", func() error { return e.API.ContainerPause(ctx, plain) }},
		{"unpause", func() error { return e.API.ContainerUnpause(ctx, plain) }},
		{"rename", func() error { return e.API.ContainerRename(ctx, plain, e.Name("other")) }},
		{"rename what is linked to", func() error { return e.API.ContainerRename(ctx, db, e.Name("base")) }},
		{"update", func() error {
			_, err := e.API.ContainerUpdate(ctx, plain, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: "always"}})
			return err
		}},
		{"connect", func() error { return connected() }},
		{"connect otherwise", func() error {
			if err := e.API.NetworkDisconnect(ctx, side, plain, false); err != nil {
				return err
			}
			return connected(e.Name("base") + ":base")
		}},
		{"stop", func() error { return e.API.ContainerStop(ctx, plain, container.StopOptions{Signal: ""}) }},
		{"connect otherwise while it is stopped", func() error {
			if err := e.API.NetworkDisconnect(ctx, side, plain, false); err != nil {
				return err
			}
			return connected()
		}},
		{"disconnect", func() error { return e.API.NetworkDisconnect(ctx, side, plain, false) }},
		{"remove its network", func() error { return e.API.NetworkRemove(ctx, side) }},
		{"tag", func() error { return e.API.ImageTag(ctx, imageID, e.Name("web")+":2") }},
		{"retag", func() error {
			e.Image(e.Name("new")+":1", `ENTRYPOINT ["/fixture", "web"]`, "LABEL new=yes")
			return e.API.ImageTag(ctx, e.Name("new")+":1", text)
		}},
		{"make anew under the same name", func() error {
			if err := e.API.ContainerRemove(ctx, plain, container.RemoveOptions{Force: true}); err != nil {
				return err
			}
			plain = e.Container(e.Name("other"), config(), nil, nil)
			return nil
		}},
		{"remove its image", func() error {
			_, err := e.API.ImageRemove(ctx, text, image.RemoveOptions{Force: true})
			return err
		}},
		{"remove", func() error { return e.API.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}) }},
	} {
		if err := step.change(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		same(step.what)
	}
}

// ours are the test's own containers, by name.
func ours(t *testing.T, e *dockertest.Engine, c *docker.Client) []core.Container {
	t.Helper()
	all, err := c.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(c core.Container) bool { return !strings.HasPrefix(c.Name, e.Prefix()) })
	slices.SortFunc(all, func(a, b core.Container) int { return strings.Compare(a.Name, b.Name) })
	return all
}
