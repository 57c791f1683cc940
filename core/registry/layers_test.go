package registry_test

import (
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

func TestTheLayersOfAnImageAreAskedForByItsDigest(t *testing.T) {
	t.Parallel()
	server := registrytest.New(t, registrytest.Options{})
	here, other := registrytest.For("arm64"), registrytest.For("amd64")
	here.Layers, here.LayerSize = 3, 10_000
	for name, images := range map[string][]registrytest.Image{"an image": {here}, "an index": {other, here}} {
		digest, err := server.PushImages("team/web", "1", images...)
		if err != nil {
			t.Fatal(err)
		}
		server.Reset()
		r := &registry.Registry{ConfigDir: t.TempDir()}
		layers, err := r.Layers(t.Context(), core.Image{
			Reference: core.Reference{Repository: server.Host + "/team/web"}, Digest: digest,
			Platform: core.Platform{OS: "linux", Architecture: "arm64"},
		})
		if err != nil || len(layers) != 3 {
			t.Fatalf("%s: %v, %v", name, layers, err)
		}
		known := map[string]bool{}
		for _, l := range layers {
			known[l.DiffID] = true
			if l.Size < 10_000 || l.Size > 10_000+2_000 {
				t.Errorf("%s: a layer of %s", name, l.Size)
			}
		}
		// The configuration, and none of the layers.
		if n := server.Count("GET", registrytest.Blobs); n != 1 || len(known) != 3 || server.Count("GET", registrytest.Manifests) != len(images) {
			t.Errorf("%s: %d blobs, %d different layers: %v", name, n, len(known), server.Requests())
		}
	}
}
