package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/refit-dev/refit/core"
)

// unanswered is an error with a reason.
type unanswered struct{ reason core.Reason }

func (u unanswered) Error() string       { return u.reason.Text }
func (u unanswered) Reason() core.Reason { return u.reason }

// Config returns what an image says where a user said nothing: its registry is
// asked for the image's configuration by the image's digest, and for nothing else
// of it. Registries that count pulls count this as one. Everything that comes back
// is checked against its digest. The error answers Reason() core.Reason.
func (r *Registry) Config(ctx context.Context, image core.Image) (core.Defaults, error) {
	var config json.RawMessage
	err := r.examine(ctx, image, func(found v1.Image) error {
		file, err := found.RawConfigFile()
		if err == nil {
			config, err = readConfigFile(file)
		}
		return err
	})
	if err != nil {
		return core.Defaults{}, err
	}
	return core.Defaults{Config: config, Platform: image.Platform, RepoDigests: []core.Reference{pin(image)}}, nil
}

// pin is the reference that stands for the image for ever.
func pin(image core.Image) core.Reference {
	return core.Reference{Repository: image.Reference.Repository, Digest: image.Digest}
}

// examine finds an image by its digest, for its platform, and lets look have it, more
// than once where the registry fails in a way that may pass. The error answers
// Reason() core.Reason.
func (r *Registry) examine(ctx context.Context, image core.Image, look func(v1.Image) error) error {
	pinned := pin(image)
	ref, err := r.name(pinned)
	if err != nil || image.Digest == "" {
		return unanswered{core.Reason{
			Code: core.BadReference, Text: "its image is not one that a registry can be asked about",
		}}
	}
	r.recall(ctx)
	v := r.newVisit(ctx, loadConfig(r.ConfigDir), hostOf(pinned))
	platform := image.Platform
	if platform == (core.Platform{}) {
		platform = r.Platform
	}
	a := &ask{text: display(pinned), ref: ref}
	a.question = func(ctx context.Context, _ *trip, way *access) error {
		found, err := way.image(ctx, ref, platform)
		if err != nil {
			return err
		}
		return look(found)
	}
	v.insist(ctx, []*ask{a})
	if a.answer.Fault.Code != "" {
		return unanswered{a.answer.Fault}
	}
	return nil
}

// image finds an image by its manifest. Where ref is an index's it is that for the
// platform. What else is asked of it is fetched then.
func (a *access) image(ctx context.Context, ref name.Reference, platform core.Platform) (v1.Image, error) {
	desc, err := a.puller.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if desc.MediaType.IsIndex() {
		if desc, err = a.child(ctx, desc, ref, platform); err != nil {
			return nil, err
		}
	}
	if !desc.MediaType.IsImage() {
		return nil, &fault{core.RegistryError, "answers with something that is no image manifest"}
	}
	return desc.Image()
}

// child fetches the manifest that an index has for a platform.
func (a *access) child(ctx context.Context, index *remote.Descriptor, ref name.Reference, platform core.Platform) (*remote.Descriptor, error) {
	listed, err := v1.ParseIndexManifest(bytes.NewReader(index.Manifest))
	if err != nil {
		return nil, &fault{core.RegistryError, "answers with something that is no image index"}
	}
	digest, there := choose(listed.Manifests, platform)
	if !there {
		return nil, &fault{core.PlatformGone, fmt.Sprintf("has no image for %s/%s there", platform.OS, platform.Architecture)}
	}
	return a.puller.Get(ctx, ref.Context().Digest(digest.String()))
}

// choose finds the manifest for a platform: of several variants the very one, else
// the first. Engines do not tell their variant.
func choose(manifests []v1.Descriptor, platform core.Platform) (digest v1.Hash, there bool) {
	for _, m := range manifests {
		p := m.Platform
		if p == nil || p.OS != platform.OS || p.Architecture != platform.Architecture {
			continue
		}
		if p.Variant == platform.Variant {
			return m.Digest, true
		}
		if !there {
			digest, there = m.Digest, true
		}
	}
	return digest, there
}

// readConfigFile takes the part out that containers inherit.
func readConfigFile(file []byte) (json.RawMessage, error) {
	var image struct{ Config json.RawMessage }
	var config map[string]any
	if json.Unmarshal(file, &image) != nil || len(image.Config) > 0 && json.Unmarshal(image.Config, &config) != nil {
		return nil, &fault{core.RegistryError, "answers with something that is no image configuration"}
	}
	if config == nil { // it says nothing
		return json.RawMessage("{}"), nil
	}
	return image.Config, nil
}
