package registry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/refit-dev/refit/core"
)

const (
	// briefToken is how long a token lives whose server does not say: the
	// protocol's own default.
	briefToken = time.Minute
	// headless is how long what does not do HEAD properly is asked with GET at once. It
	// may be replaced by a better one while Refit runs.
	headless = 24 * time.Hour
	// unused is how old the way into a repository becomes that has no token to expire.
	// It costs no request to find it again.
	unused = 24 * time.Hour
	// lostTurn is how long a reference's turn counts, more than a week because some
	// Checks are a week apart.
	lostTurn = 31 * 24 * time.Hour
)

// peer is what is known of one registry host, from one Check to the next: how it
// wants to be asked, how often, and the tokens that it gave.
type peer struct {
	host    string // by the name that people use
	carrier http.RoundTripper

	greeting cell[transport.Challenge]

	mu     sync.Mutex
	doors  map[string]*cell[access] // by the repository's name on the wire
	heads  bool                     // it has answered a HEAD as it should
	noHead map[string]time.Time     // until then that repository is asked with GET; "" stands for all
	limits limits
	// writing is held while the limits are written down.
	writing sync.Mutex
	// turns is when each reference was asked about, for the order at the next Check.
	turns map[string]time.Time
}

// peer returns the one for a host, a new one at first.
func (r *Registry) peer(host string) *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.door == nil {
		r.door = r.newDoor()
	}
	p := r.peers[host]
	if p == nil {
		if r.peers == nil {
			r.peers = map[string]*peer{}
		}
		agent := cmp.Or(r.UserAgent, "refit")
		p = &peer{
			host: host, carrier: transport.NewUserAgent(r.door, agent),
			doors: map[string]*cell[access]{}, turns: map[string]time.Time{}, noHead: map[string]time.Time{},
		}
		r.peers[host] = p
	}
	p.recall(r.holds[host])
	return p
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

// access is the way into one repository, with the token that opens it.
type access struct {
	puller   *remote.Puller
	greeting *transport.Challenge // that it follows
	auth     authn.AuthConfig     // that it was given for
	since    time.Time
	until    time.Time // zero: there is no token that could expire
}

// serves tells whether the access is good for these credentials, now.
func (a *access) serves(auth authn.AuthConfig) bool {
	return a.auth == auth && (a.until.IsZero() || time.Now().Before(a.until))
}

// enter returns the access to a repository. It costs nothing where the token of
// an earlier one still lives, a request for the token where not, and one more
// where the registry is not known at all.
func (p *peer) enter(ctx context.Context, repo name.Repository, auth authn.AuthConfig) (*access, error) {
	good := func(a *access) bool { return a.serves(auth) }
	return p.doorOf(repo).get(ctx, good, func() (*access, error) { return p.open(ctx, repo, auth) })
}

func (p *peer) doorOf(repo name.Repository) *cell[access] {
	p.mu.Lock()
	defer p.mu.Unlock()
	door := p.doors[repo.Name()]
	if door == nil {
		door = &cell[access]{}
		p.doors[repo.Name()] = door
	}
	return door
}

// tidy drops what nobody has needed for long: images come and go while Refit runs.
func (p *peer) tidy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(p.noHead, func(_ string, until time.Time) bool { return now.After(until) })
	maps.DeleteFunc(p.turns, func(_ string, at time.Time) bool { return now.Sub(at) > lostTurn })
	maps.DeleteFunc(p.doors, func(_ string, door *cell[access]) bool {
		return !door.knows(func(a *access) bool { return a.serves(a.auth) && now.Sub(a.since) < unused })
	})
}

// leave forgets an access that is no good any more; nil stands for any.
func (p *peer) leave(repo name.Repository, a *access) { p.doorOf(repo).forget(a) }

func (p *peer) open(ctx context.Context, repo name.Repository, auth authn.AuthConfig) (*access, error) {
	always := func(*transport.Challenge) bool { return true }
	greeting, err := p.greeting.get(ctx, always, func() (*transport.Challenge, error) {
		return transport.Ping(ctx, repo.Registry, p.carrier)
	})
	if err != nil {
		return nil, err
	}
	wire := &wire{carrier: p.carrier, host: repo.RegistryStr(), scheme: "https", scope: repo.Scope(transport.PullScope)}
	if greeting.Insecure {
		wire.scheme = "http"
	}
	if err := refused(greeting, repo.RegistryStr()); err != nil {
		return nil, err
	}
	a := &access{greeting: greeting, auth: auth, since: time.Now()}
	token, err := a.token(ctx, repo, wire)
	if err != nil {
		return nil, err
	}
	inside, err := transport.FromToken(repo.Registry, authn.FromConfig(auth), wire, greeting, token)
	if err != nil {
		return nil, fmt.Errorf("use the token: %w", err)
	}
	if a.puller, err = remote.NewPuller(remote.WithTransport(inside)); err != nil {
		return nil, fmt.Errorf("prepare requests: %w", err)
	}
	return a, nil
}

// refused finds words for a token server that the library does not go to: a registry
// must not send us to whatever is inside our network.
func refused(greeting *transport.Challenge, host string) error {
	realm, err := url.Parse(greeting.Parameters["realm"])
	if err != nil || realm.Host == host || !strings.EqualFold(greeting.Scheme, "bearer") {
		return nil
	}
	addr, err := netip.ParseAddr(realm.Hostname())
	if err == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast()) {
		return &fault{core.RegistryError, "refers to a token server at a private address that is not its own host and port, " +
			"which is refused: the token server needs a name"}
	}
	return nil
}

// token gets the token of an access where the registry wants one.
func (a *access) token(ctx context.Context, repo name.Repository, wire *wire) (*transport.Token, error) {
	switch {
	case !strings.EqualFold(a.greeting.Scheme, "bearer"):
		return &transport.Token{}, nil
	case a.auth.RegistryToken != "":
		return &transport.Token{Token: a.auth.RegistryToken}, nil
	}
	token, err := transport.Exchange(ctx, repo.Registry, authn.FromConfig(a.auth), wire, []string{wire.scope}, a.greeting)
	if err != nil {
		return nil, err
	}
	token.Token = cmp.Or(token.AccessToken, token.Token)
	lives := time.Duration(token.ExpiresIn) * time.Second
	if lives <= 0 {
		lives = briefToken
	}
	// The last tenth is for the way there and for clocks that differ.
	a.until = a.since.Add(lives - lives/10)
	return token, nil
}

// wire is how requests about one repository leave: by the scheme that the
// registry was found to speak.
type wire struct {
	carrier             http.RoundTripper
	host, scheme, scope string
}

// RoundTrip takes the challenge out of a refusal that wants the very scope that
// was asked for: another token would be no better, and the library would get one
// and ask again.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == w.host {
		req.URL.Scheme = w.scheme
	}
	resp, err := w.carrier.RoundTrip(req)
	if err == nil && resp.StatusCode == http.StatusUnauthorized &&
		strings.Contains(resp.Header.Get("WWW-Authenticate"), `"`+w.scope+`"`) {
		resp.Header.Del("WWW-Authenticate")
	}
	return resp, err
}

// getsOnly tells whether the repository is asked with GET at once.
func (p *peer) getsOnly(repo name.Repository) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return now.Before(p.noHead[repo.Name()]) || now.Before(p.noHead[""])
}

// headed notes that a HEAD was answered.
func (p *peer) headed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heads = true
	delete(p.noHead, "")
}

// unheaded notes that a repository's HEAD was answered with that status and no
// digest, and the GET as it should be. It takes two repositories to say the same of
// the host, and none that says otherwise: a GET counts as a pull.
func (p *peer) unheaded(repo name.Repository, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.heads && status == http.StatusNotFound {
		return // the tag was pushed in between
	}
	until := time.Now().Add(headless)
	p.noHead[repo.Name()] = until
	if !p.heads && len(p.noHead) > 1 {
		p.noHead[""] = until
	}
}

// behind is how much longer than others those wait for their turn for whom the
// host failed, and more than the day between two Checks: where many fail, time and
// again, they must not come before all others.
const behind = 36 * time.Hour

// order puts those first that have waited longest for their turn, so that a host
// that answers only so many at a time comes round to all of them.
func (p *peer) order(asks []*ask) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.SortStableFunc(asks, func(a, b *ask) int { return p.turns[a.text].Compare(p.turns[b.text]) })
}

// asked notes that a reference had its turn, and whether the host said something.
func (p *peer) asked(a *ask, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn := time.Now()
	if !answered {
		turn = turn.Add(behind)
	}
	p.turns[a.text] = turn
}
