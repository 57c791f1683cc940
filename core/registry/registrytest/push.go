package registrytest

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Format is how a manifest is written.
type Format struct {
	Image, Config, Index types.MediaType // Index is "" where there is none
}

// The formats that engines take.
var (
	DockerImage = Format{Image: types.DockerManifestSchema2, Config: types.DockerConfigJSON}
	OCIImage    = Format{Image: types.OCIManifestSchema1, Config: types.OCIConfigJSON}
	DockerIndex = Format{Image: types.DockerManifestSchema2, Config: types.DockerConfigJSON, Index: types.DockerManifestList}
	OCIIndex    = Format{Image: types.OCIManifestSchema1, Config: types.OCIConfigJSON, Index: types.OCIImageIndex}
)

// Image is an image of random content that is to be pushed.
type Image struct {
	Platform v1.Platform
	Config   v1.Config
	// Layers is how many it has; 0 means one. LayerSize is how many bytes are in each,
	// before it is compressed, which does not make them fewer; 0 means 64.
	Layers, LayerSize int64
}

func (i Image) make(f Format) (v1.Image, error) {
	image, err := random.Image(cmp.Or(i.LayerSize, 64), cmp.Or(i.Layers, 1))
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Variant = i.Platform.OS, i.Platform.Architecture, i.Platform.Variant
	file.Config = i.Config
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, err
	}
	return mutate.ConfigMediaType(mutate.MediaType(image, f.Image), f.Config), nil
}

// For is an image for Linux on an architecture, as Go names it.
func For(architecture string) Image {
	return Image{Platform: v1.Platform{OS: "linux", Architecture: architecture}}
}

var amd64, arm64 = For("amd64"), For("arm64")

// Push puts a new image of random content under repository ("team/web") and tag
// and returns its digest. Pushing again moves the tag.
func (r *Registry) Push(repository, tag string) (string, error) {
	return r.PushAs(repository, tag, DockerImage, amd64)
}

// PushIndex puts an index of two random images, for linux/amd64 and linux/arm64,
// under repository and tag and returns the index's digest.
func (r *Registry) PushIndex(repository, tag string) (string, error) {
	return r.PushAs(repository, tag, OCIIndex, amd64, arm64)
}

// PushImages puts an image, or an index of several, under repository and tag and
// returns the digest of what it has put there.
func (r *Registry) PushImages(repository, tag string, images ...Image) (string, error) {
	if len(images) == 1 {
		return r.PushAs(repository, tag, DockerImage, images...)
	}
	return r.PushAs(repository, tag, OCIIndex, images...)
}

// PushAs is PushImages in a format: an image is the first one, an index holds them all.
func (r *Registry) PushAs(repository, tag string, f Format, images ...Image) (string, error) {
	ref := inside(repository, tag)
	index := mutate.IndexMediaType(empty.Index, f.Index)
	for _, i := range images {
		image, err := i.make(f)
		if err != nil {
			return "", fmt.Errorf("make an image: %w", err)
		}
		if f.Index == "" {
			return r.pushed(repository, tag, remote.Write(ref, image, r.directly()))
		}
		index = beside(index, image, i.Platform)
	}
	return r.pushed(repository, tag, remote.WriteIndex(ref, index, r.directly()))
}

// Accompany puts an index under the tag and returns its digest: of the image for this
// machine's platform that the tag stands for, and of new random ones.
func (r *Registry) Accompany(repository, tag string, others ...Image) (string, error) {
	ref, here := inside(repository, tag), v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	image, err := remote.Image(ref, r.directly(), remote.WithPlatform(here))
	if err != nil {
		return "", fmt.Errorf("accompany %s:%s: %w", repository, tag, err)
	}
	index := beside(mutate.IndexMediaType(empty.Index, OCIIndex.Index), image, here)
	for _, i := range others {
		if image, err = i.make(OCIIndex); err != nil {
			return "", fmt.Errorf("make an image: %w", err)
		}
		index = beside(index, image, i.Platform)
	}
	return r.pushed(repository, tag, remote.WriteIndex(ref, index, r.directly()))
}

// beside adds an image to an index.
func beside(index v1.ImageIndex, image v1.Image, platform v1.Platform) v1.ImageIndex {
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
}

func (r *Registry) pushed(repository, tag string, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("push %s:%s: %w", repository, tag, err)
	}
	return r.Digest(repository, tag)
}

// Move points a tag to what another tag, or a digest, of the repository stands for.
func (r *Registry) Move(repository, tag, to string) error {
	desc, err := remote.Get(inside(repository, to), r.directly())
	if err != nil {
		return fmt.Errorf("move %s:%s: %w", repository, tag, err)
	}
	if err := remote.Tag(inside(repository, tag), desc, r.directly()); err != nil {
		return fmt.Errorf("move %s:%s: %w", repository, tag, err)
	}
	return nil
}

// Digest returns what a tag stands for.
func (r *Registry) Digest(repository, tag string) (string, error) {
	desc, err := remote.Head(inside(repository, tag), r.directly())
	if err != nil {
		return "", fmt.Errorf("look up %s:%s: %w", repository, tag, err)
	}
	return desc.Digest.String(), nil
}

// inside names a tag for requests that do not leave the process. A tag that
// looks like a digest works as well: the registry treats both alike.
func inside(repository, tag string) name.Tag {
	return name.MustParseReference("localhost:1/any").Context().Repo(repository).Tag(tag)
}

// directly carries requests to the registry past the door, so that they are
// neither counted nor troubled and need neither login nor network.
func (r *Registry) directly() remote.Option { return remote.WithTransport(direct{r.inner}) }

// Transport carries requests for any host to the registry without a network, in
// the caller's own goroutine: for tests in which time stands still. They are
// counted and troubled like all others.
func (r *Registry) Transport() http.RoundTripper { return direct{r} }

type direct struct{ handler http.Handler }

func (d direct) RoundTrip(q *http.Request) (resp *http.Response, err error) {
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler: // as a server takes it
			resp, err = nil, io.EOF
		default:
			panic(cause)
		}
	}()
	w := httptest.NewRecorder()
	in := q.Clone(q.Context())
	in.Host = cmp.Or(in.Host, in.URL.Host)
	if in.Body == nil {
		in.Body = http.NoBody // as a server would have it
	}
	if in.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{}
	}
	d.handler.ServeHTTP(w, in)
	if err := q.Context().Err(); err != nil {
		return nil, err
	}
	resp = w.Result()
	resp.Request = q
	return resp, nil
}
