package registry

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/refit-dev/refit/core"
)

// digest asks for the digest of ref: with a HEAD, and with a GET only where the
// registry does not do HEAD properly, since a GET counts against pull limits.
func (p *peer) digest(ctx context.Context, t *trip, way *access, ref name.Reference) (string, error) {
	repo := ref.Context()
	if p.getsOnly(repo) {
		return way.fetched(ctx, t, ref)
	}
	desc, err := way.puller.Head(ctx, ref)
	if err == nil {
		p.headed()
		return desc.Digest.String(), nil
	}
	last := t.last()
	switch {
	case last.method != http.MethodHead || timedOut(err):
		return "", err
	case last.status == http.StatusOK && last.digest != "":
		// The library also insists on a length and a media type. The digest is
		// all that is needed here.
		return vouched(ref, last.digest)
	case last.status == http.StatusOK, last.status == http.StatusNotFound, last.status == http.StatusMethodNotAllowed:
		digest, err := way.fetched(ctx, t, ref)
		if err == nil {
			p.unheaded(repo, last.status)
		}
		return digest, err
	}
	return "", err
}

// vouched is the digest that a registry gave in a header.
func vouched(ref name.Reference, header string) (string, error) {
	hash, err := v1.NewHash(header)
	if err != nil {
		return "", &fault{core.RegistryError, "answers with a digest that is none"}
	}
	if pinned, ok := ref.(name.Digest); ok && pinned.DigestStr() != hash.String() {
		return "", &fault{core.RegistryError, "answers with another digest than it was asked for"}
	}
	return hash.String(), nil
}

// fetched is the digest of the manifest itself. What is no manifest has none: a
// captive portal or a proxy's error page must not look like a new image.
func (a *access) fetched(ctx context.Context, t *trip, ref name.Reference) (string, error) {
	desc, err := a.puller.Get(ctx, ref)
	if err != nil {
		return "", err
	}
	var manifest struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	if json.Unmarshal(desc.Manifest, &manifest) != nil || manifest.SchemaVersion != 2 {
		return "", &fault{core.RegistryError, "answers with something that is no image manifest"}
	}
	digest := desc.Digest.String()
	if said := t.last().digest; said != "" && said != digest {
		return "", &fault{core.RegistryError, "answers with a manifest that does not have the digest it says"}
	}
	return digest, nil
}
