package docker_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// large is an image of random bytes for this machine, in three layers.
func large() registrytest.Image {
	i := registrytest.For(runtime.GOARCH)
	i.Layers, i.LayerSize = 3, 2<<20
	return i
}

// offered is an image that only a registry has.
func offered(t *testing.T, e *dockertest.Engine, r *registrytest.Registry, images ...registrytest.Image) core.Image {
	t.Helper()
	digest, err := r.PushImages(e.Name("web"), "1", images...)
	if err != nil {
		t.Fatal(err)
	}
	repository := r.Host + "/" + e.Name("web")
	return core.Image{Reference: core.Reference{Text: repository + ":1", Repository: repository, Tag: "1"}, Digest: digest}
}

// heard is what a pull said of how far it is.
type heard struct{ done, of core.Size }

func (h *heard) hear(done, of core.Size) { *h = heard{done, of} }

// near tells whether the layers were downloaded: their bytes, and what packing adds.
func (h *heard) near(bytes int64) bool {
	return h.done == h.of && int64(h.done) >= bytes && int64(h.done) < bytes+bytes/50
}

func TestAPullTellsHowMuchItHasDownloaded(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	i := offered(t, e, r, large())
	var first, again heard
	if _, err := c.Pull(t.Context(), i, first.hear); err != nil {
		t.Fatal(err)
	}
	if sent := r.Sent(registrytest.Blobs); !first.near(3*2<<20) || int64(first.done) > sent {
		t.Errorf("%d of %d bytes have come, it said; the registry has sent %d", first.done, first.of, sent)
	}
	r.Reset()
	if _, err := c.Pull(t.Context(), i, again.hear); err != nil || again.done != 0 || r.Count("", registrytest.Blobs) != 0 {
		t.Errorf("what is there was pulled again: %s, %v", again.done, err)
	}
}

// isTemporary is what core/update asks of an error.
func isTemporary(err error) bool {
	var may interface{ Temporary() bool }
	return errors.As(err, &may) && may.Temporary()
}

// The engine itself goes on where a layer was cut off, and what was downloaded before
// is counted once.
func TestALayerThatIsCutOffIsGoneOnWith(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	i := offered(t, e, r, large())
	r.Misbehave(registrytest.On(http.MethodGet, registrytest.Blobs, r.Times(2, r.CutAfter(1<<20))))
	var h heard
	_, err := c.Pull(t.Context(), i, h.hear)
	sent := r.Sent(registrytest.Blobs)
	t.Logf("%d bytes of blobs in %d requests, %v", sent, r.Count("", registrytest.Blobs), err)
	if err != nil || sent > 3*2<<20+1<<19 {
		t.Errorf("the registry has sent %d bytes: %v", sent, err)
	}
	if !h.near(3 * 2 << 20) {
		t.Errorf("it said %d of %d", h.done, h.of)
	}
}

func TestAPullThatIsCutOffSaysThatItMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	i := offered(t, e, r, large())
	for name, trouble := range map[string]registrytest.Trouble{
		"cut":           registrytest.Cut,
		"bad gateway":   registrytest.Status(http.StatusBadGateway),
		"internal":      registrytest.Status(http.StatusInternalServerError),
		"not to be had": registrytest.Status(http.StatusNotFound),
	} {
		r.Misbehave(registrytest.On(http.MethodGet, registrytest.Manifests, trouble))
		_, err := c.Pull(t.Context(), i, nil)
		if want := name != "not to be had"; err == nil || isTemporary(err) != want {
			t.Errorf("%s: temporary %t, want %t: %v", name, isTemporary(err), want, err)
		}
	}
	r.Misbehave(nil)
	if _, err := c.Pull(t.Context(), i, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Somebody ends Refit in the middle of a pull.
func TestAPullThatWasCancelledCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	i := offered(t, e, r, large())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r.Misbehave(registrytest.On(http.MethodGet, registrytest.Blobs, r.Trickle(200_000)))
	_, err := c.Pull(ctx, i, func(done, of core.Size) {
		if done > 0 && done < of {
			cancel()
		}
	})
	var told interface{ Reason() core.Reason }
	if !errors.As(err, &told) || told.Reason().Code != core.Cancelled || isTemporary(err) {
		t.Errorf("%v, want it cancelled", err)
	}
	if id, err := c.Resolve(t.Context(), i.Reference.Repository+"@"+i.Digest); id != "" || err != nil {
		t.Errorf("it is there: %s, %v", id, err)
	}
	r.Misbehave(nil)
	r.Reset()
	var h heard
	if id, err := c.Pull(t.Context(), i, h.hear); err != nil || id == "" || !h.near(3*2<<20) {
		t.Errorf("afterwards: %v, %d of %d", err, h.done, h.of)
	}
}

func TestOfAnIndexThatIsPulledByDigestThePlatformIsTaken(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	// Each from a repository of its own: an engine has one image of a name and digest.
	for platform, want := range map[core.Platform]string{
		{}: runtime.GOARCH, {OS: "linux", Architecture: "s390x"}: "s390x", {OS: "linux", Architecture: "arm64"}: "arm64",
	} {
		i := offered(t, e, registrytest.New(t, registrytest.Options{}), registrytest.For("amd64"), registrytest.For("arm64"), registrytest.For("s390x"))
		i.Platform = platform
		id, err := c.Pull(t.Context(), i, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.API.ImageInspect(t.Context(), id)
		if err != nil || got.Architecture != want {
			t.Errorf("for %q it is %s, want %s (%v)", platform.Architecture, got.Architecture, want, err)
		}
	}
}
