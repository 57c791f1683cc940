package registry

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/refit-dev/refit/core"
)

// Layers returns the layers of an image, the lowest first: its registry is asked for
// the manifest and the configuration by the image's digest, as Config asks it, and
// for no layer. The error answers Reason() core.Reason.
func (r *Registry) Layers(ctx context.Context, image core.Image) ([]core.Layer, error) {
	var layers []core.Layer
	err := r.examine(ctx, image, func(found v1.Image) error {
		manifest, err := found.Manifest()
		if err != nil {
			return err
		}
		file, err := found.ConfigFile()
		if err != nil {
			return err
		}
		if len(file.RootFS.DiffIDs) != len(manifest.Layers) {
			return &fault{core.RegistryError, "answers with a manifest and a configuration that do not have the same layers"}
		}
		layers = nil
		for i, l := range manifest.Layers {
			layers = append(layers, core.Layer{DiffID: file.RootFS.DiffIDs[i].String(), Size: core.Size(l.Size)})
		}
		return nil
	})
	return layers, err
}
