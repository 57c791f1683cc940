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
	var shown strings.Builder
	c := connect(t, e, func(o *docker.Options) { o.Progress = &shown })
	i := published(t, e, r, "web")
	id, err := c.Pull(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Resolve(t.Context(), i.Reference.Repository+"@"+i.Digest); err != nil || got != id || id == "" {
		t.Errorf("the digest stands for %q (%v), want %q", got, err, id)
	}
	if got, err := c.Resolve(t.Context(), i.Reference.Text); err != nil || got != "" {
		t.Errorf("the tag stands for %q (%v), want nothing", got, err)
	}
	if !strings.Contains(shown.String(), i.Digest) {
		t.Errorf("it showed %q", shown.String())
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
			})
			var told interface{ Reason() core.Reason }
			if !errors.As(err, &told) || told.Reason().Code != row.want {
				t.Errorf("%v, want reason %s", err, row.want)
			}
		})
	}
}

func TestUntag(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	used, unused := e.Name("used")+":1", e.Name("unused")+":1"
	usedID, unusedID := e.Image(used, `ENTRYPOINT ["/fixture"]`), e.Image(unused, `ENTRYPOINT ["/fixture"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: used}, nil, nil)

	t.Run("the last name of an image that no container uses is refused", func(t *testing.T) {
		if err := c.Untag(t.Context(), unused); err == nil {
			t.Error("no error")
		}
		if got, err := c.Resolve(t.Context(), unused); err != nil || got != unusedID {
			t.Errorf("the tag stands for %q (%v), want %q", got, err, unusedID)
		}
	})
	t.Run("one of two names goes", func(t *testing.T) {
		second := e.Name("unused") + ":2"
		if err := c.Tag(t.Context(), unusedID, second); err != nil {
			t.Fatal(err)
		}
		if tags, err := c.TagsOf(t.Context(), e.Name("unused")); err != nil || len(tags) != 2 || tags[second] != unusedID {
			t.Errorf("its tags are %v (%v)", tags, err)
		}
		if err := c.Untag(t.Context(), second); err != nil {
			t.Error(err)
		}
		if got, err := c.Resolve(t.Context(), unused); err != nil || got != unusedID {
			t.Errorf("the other tag stands for %q (%v), want %q", got, err, unusedID)
		}
	})
	t.Run("the last name of an image that a stopped container uses goes, the image stays", func(t *testing.T) {
		if removed, err := c.RemoveImage(t.Context(), usedID); err != nil || removed {
			t.Fatalf("an image with a tag: %v (%v)", removed, err)
		}
		if err := c.Untag(t.Context(), used); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Resolve(t.Context(), used); err != nil || got != "" {
			t.Errorf("the tag stands for %q (%v), want nothing", got, err)
		}
		if removed, err := c.RemoveImage(t.Context(), usedID); err != nil || removed {
			t.Errorf("an image in use: %v (%v)", removed, err)
		}
		if _, err := e.API.ImageInspect(t.Context(), usedID); err != nil {
			t.Errorf("the image: %v", err)
		}
		if err := c.Remove(t.Context(), id, false); err != nil {
			t.Fatal(err)
		}
		if removed, err := c.RemoveImage(t.Context(), usedID); err != nil || !removed {
			t.Errorf("an image that nothing uses any more: %v (%v)", removed, err)
		}
	})
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
