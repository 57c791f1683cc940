package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/refit-dev/refit/core"
)

// session is what is kept from one Check to the next: the puller, which knows
// how each repository wants to be asked and holds its tokens.
type session struct {
	puller *remote.Puller
	// worked holds the repositories that have been read: name.Repository → true.
	worked sync.Map
	// stale is set when one of them refuses what it took before. The puller
	// never learns that a registry has changed its way of logging in, nor that
	// a refresh token has been revoked, so the next Check begins with a new one.
	stale atomic.Bool
}

// current returns the session to use, a new one where that is needed.
func (r *Registry) current() *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.door == nil {
		r.door = newDoor(r.Transport, r.insecure)
	}
	if r.session == nil || r.session.stale.Load() {
		r.session = newSession(r.door, r.UserAgent)
	}
	return r.session
}

// Close lets go of the connections that are kept for the next Check. The
// Registry can be used again afterwards.
func (r *Registry) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.door != nil {
		r.door.closeIdle()
	}
}

func newSession(d *door, userAgent string) *session {
	if userAgent == "" {
		userAgent = "refit"
	}
	puller, err := remote.NewPuller(
		remote.WithTransport(d),
		remote.WithUserAgent(userAgent),
		remote.WithAuthFromKeychain(keychain{}),
		// The library's retry ignores Retry-After and multiplies the requests
		// to a registry that has just asked for fewer.
		remote.WithRetryPredicate(func(error) bool { return false }),
		remote.WithRetryStatusCodes(),
	)
	if err != nil { // contradictory options only: cannot happen
		panic(err)
	}
	return &session{puller: puller}
}

// digest asks for the digest of ref: with a HEAD, and with a GET only where the
// registry does not do HEAD properly, since a GET counts against pull limits.
func (s *session) digest(ctx context.Context, t *trip, ref name.Reference) (string, error) {
	desc, err := s.puller.Head(ctx, ref)
	if err == nil {
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
		return s.fetched(ctx, t, ref)
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
func (s *session) fetched(ctx context.Context, t *trip, ref name.Reference) (string, error) {
	desc, err := s.puller.Get(ctx, ref)
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

// keychain hands the puller credentials that travel with each request's context.
// The puller keeps what a keychain gives it for as long as it lives: credentials
// of its own would outlive a changed config.json, and a helper's short-lived ones
// (Amazon's last 12 hours) their validity.
type keychain struct{}

// Resolve says that credentials come with the request.
func (keychain) Resolve(authn.Resource) (authn.Authenticator, error) { return fromContext{}, nil }

type fromContext struct{}

// AuthorizationContext returns the credentials of the trip that ctx belongs to.
// A trip goes to one registry only, so they can reach no other.
func (fromContext) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	t := tripOf(ctx)
	if t == nil {
		return &authn.AuthConfig{}, nil
	}
	auth := t.auth
	return &auth, nil
}

// Authorization is called where there is no context, and so no credentials.
func (fromContext) Authorization() (*authn.AuthConfig, error) { return &authn.AuthConfig{}, nil }

// refusal returns what a registry, or its token server, answered instead.
func refusal(err error) (*transport.Error, bool) {
	var e *transport.Error
	return e, errors.As(err, &e)
}
