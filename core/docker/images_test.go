package docker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// published is an image that is in a registry and not on the engine.
func published(t *testing.T, e *dockertest.Engine, r *registrytest.Registry, name string) core.Image {
	t.Helper()
	repository := r.Host + "/" + e.Name(name)
	e.Image(repository+":1", `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	digest := e.Push(repository + ":1")
	if _, err := e.API.ImageRemove(t.Context(), repository+":1", image.RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	return core.Image{Reference: core.Reference{Text: repository + ":1", Repository: repository, Tag: "1"}, Digest: digest}
}

func TestPullByDigestMovesNoTag(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	i := published(t, e, r, "web")
	id, err := c.Pull(t.Context(), i, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Resolve(t.Context(), i.Reference.Repository+"@"+i.Digest); err != nil || got != id || id == "" {
		t.Errorf("the digest stands for %q (%v), want %q", got, err, id)
	}
	if got, err := c.Resolve(t.Context(), i.Reference.Text); err != nil || got != "" {
		t.Errorf("the tag stands for %q (%v), want nothing", got, err)
	}
	if removed, err := c.RemoveImage(t.Context(), id); err != nil || !removed {
		t.Errorf("remove it: %v (%v)", removed, err)
	}
}

func TestAFailedPullSaysWhy(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	open := registrytest.New(t, registrytest.Options{})
	closed := registrytest.New(t, registrytest.Options{User: "somebody", Password: "secret"})
	c := connect(t, e, func(o *docker.Options) { o.PullStall = 2 * time.Second })
	digest := "sha256:" + strings.Repeat("ab", 32)
	hanging := registrytest.New(t, registrytest.Options{})
	hanging.Misbehave(hanging.Hang)
	for name, row := range map[string]struct {
		host string
		want core.Code
	}{
		"an image that is not there":          {open.Host, core.NotFound},
		"a registry that asks for a password": {closed.Host, core.Unauthorized},
		"a registry that nobody serves":       {"127.0.0.1:1", core.RegistryUnreachable},
		"a registry that never answers":       {hanging.Host, core.RegistryUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repository := row.host + "/" + e.Name("none")
			_, err := c.Pull(t.Context(), core.Image{
				Reference: core.Reference{Text: repository, Repository: repository, Tag: "latest"}, Digest: digest,
			}, nil)
			var told interface{ Reason() core.Reason }
			if !errors.As(err, &told) || told.Reason().Code != row.want {
				t.Errorf("%v, want reason %s", err, row.want)
			}
		})
	}
}

func TestAnImageForAnotherPlatformIsNotTaken(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	repository := r.Host + "/" + e.Name("web")
	for image, wanted := range map[string]string{"s390x": "", "ppc64le": "s390x"} {
		t.Run(image+" for "+wanted, func(t *testing.T) {
			digest, err := r.PushImages(e.Name("web"), image, registrytest.For(image))
			if err != nil {
				t.Fatal(err)
			}
			i := core.Image{Reference: core.Reference{Text: repository + ":" + image, Repository: repository, Tag: image}, Digest: digest}
			if wanted != "" {
				i.Platform = core.Platform{OS: "linux", Architecture: wanted}
			}
			_, err = c.Pull(t.Context(), i, nil)
			var told interface{ Reason() core.Reason }
			if !errors.As(err, &told) || told.Reason().Code != core.PlatformGone {
				t.Errorf("%v, want reason %s", err, core.PlatformGone)
			}
			i.Platform = core.Platform{OS: "linux", Architecture: image}
			if _, err := c.Pull(t.Context(), i, nil); err != nil {
				t.Errorf("for its own platform: %v", err)
			}
		})
	}
}

func TestTheLastNameOfAnUnusedImageIsNotTaken(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	tag := e.Name("unused") + ":1"
	id := e.Image(tag, `ENTRYPOINT ["/fixture"]`)
	if err := c.Untag(t.Context(), tag); err == nil {
		t.Error("no error")
	}
	resolves(t, c, tag, id)
}

func TestOneOfTwoNamesGoes(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	first, second := e.Name("unused")+":1", e.Name("unused")+":2"
	id := e.Image(first, `ENTRYPOINT ["/fixture"]`)
	if err := c.Tag(t.Context(), id, second); err != nil {
		t.Fatal(err)
	}
	if tags, err := c.TagsOf(t.Context(), e.Name("unused")); err != nil || len(tags) != 2 || tags[second] != id {
		t.Errorf("its tags are %v (%v)", tags, err)
	}
	if err := c.Untag(t.Context(), second); err != nil {
		t.Error(err)
	}
	resolves(t, c, second, "")
	resolves(t, c, first, id)
}

// Asked without force the engine refuses, and with force it would take the image
// from a container that does not run.
func TestTheLastNameOfAnImageInUseGoesAndTheImageStays(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	tag := e.Name("used") + ":1"
	imageID := e.Image(tag, `ENTRYPOINT ["/fixture"]`)
	e.Image(e.Name("other")+":1", `ENTRYPOINT ["/fixture"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: tag}, nil, nil)
	removes(t, c, imageID, false) // it has a tag
	if err := c.Untag(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
	resolves(t, c, tag, "")
	removes(t, c, imageID, false) // it is in use
	if _, err := e.API.ImageInspect(t.Context(), imageID); err != nil {
		t.Errorf("the image: %v", err)
	}
	if err := c.Remove(t.Context(), id, false); err != nil {
		t.Fatal(err)
	}
	removes(t, c, imageID, true)
}

func resolves(t *testing.T, c *docker.Client, text, want string) {
	t.Helper()
	if got, err := c.Resolve(t.Context(), text); err != nil || got != want {
		t.Errorf("%s stands for %q (%v), want %q", text, got, err, want)
	}
}

func removes(t *testing.T, c *docker.Client, id string, want bool) {
	t.Helper()
	if got, err := c.RemoveImage(t.Context(), id); err != nil || got != want {
		t.Errorf("remove the image: %t (%v), want %t", got, err, want)
	}
}

func TestResolveTakesNoIDForAName(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	id := e.Image(e.Name("web")+":1", `ENTRYPOINT ["/fixture"]`)
	if got, err := c.Resolve(t.Context(), core.Short(id)); err != nil || got != "" {
		t.Errorf("it stands for %q (%v), want nothing", got, err)
	}
}
