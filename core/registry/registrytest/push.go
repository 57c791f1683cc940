package registrytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Push puts a new image of random content under repository ("team/web") and tag
// and returns its digest. Pushing again moves the tag.
func (r *Registry) Push(repository, tag string) (string, error) {
	image, err := random.Image(64, 1)
	if err != nil {
		return "", fmt.Errorf("make an image: %w", err)
	}
	ref := inside(repository, tag)
	if err := remote.Write(ref, image, r.directly()); err != nil {
		return "", fmt.Errorf("push %s:%s: %w", repository, tag, err)
	}
	return r.Digest(repository, tag)
}

// PushIndex puts an index of two random images, for linux/amd64 and linux/arm64,
// under repository and tag and returns the index's digest.
func (r *Registry) PushIndex(repository, tag string) (string, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range []string{"amd64", "arm64"} {
		image, err := random.Image(64, 1)
		if err != nil {
			return "", fmt.Errorf("make an image: %w", err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	if err := remote.WriteIndex(inside(repository, tag), index, r.directly()); err != nil {
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

type direct struct{ handler http.Handler }

func (d direct) RoundTrip(q *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if q.Body == nil {
		q.Body = http.NoBody // as a server would have it
	}
	d.handler.ServeHTTP(w, q)
	resp := w.Result()
	resp.Request = q
	return resp, nil
}
