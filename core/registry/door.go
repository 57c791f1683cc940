package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/refit-dev/refit/core"
)

const (
	// mostBody is the largest answer that is read. Engines take manifests of at
	// most 8 MB.
	mostBody = 8 << 20
	// mostHops is the longest chain of redirects, as net/http has it. The
	// library's own check of redirects has no end.
	mostHops = 10
)

var (
	errPlain = errors.New("plain HTTP is not allowed")
	errHops  = errors.New("too many redirects")
	// errAway is for what has a body: that is an identity token, and a 307 or 308
	// asks for it again. The headers net/http leaves behind, the body it does not.
	errAway = &fault{core.RegistryError, "refers to a token server that sends logins on to another host, which is refused"}
)

// door is where every request leaves. It holds what must be true of each of
// them, whichever part of the library makes it: pings, tokens and redirects too.
type door struct {
	strict, lax http.RoundTripper
	// shared is for plain HTTP by way of a proxy. There net/http counts all registries'
	// connections together, so that one that hangs would keep those of all others.
	shared   http.RoundTripper
	proxy    func(*http.Request) (*url.URL, error) // nil: there is none
	insecure func(hostport string) bool
}

func (r *Registry) newDoor() *door {
	base := r.Transport
	if base == nil {
		t := remote.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{RootCAs: r.Roots}
		t.OnProxyConnectResponse = proxyRefuses
		// As many as are needed at a time, kept for the next. Without the bound a request
		// that waits for a handshake has a connection made that nobody needs.
		t.MaxConnsPerHost, t.MaxIdleConnsPerHost = r.parallel(), r.parallel()
		base = t
	}
	d := &door{strict: base, lax: base, insecure: r.insecure}
	if t, ok := base.(*http.Transport); ok {
		t = t.Clone()
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.InsecureSkipVerify = true // only for registries that the operator named, and loopback
		d.lax, d.proxy = t, t.Proxy
		t = t.Clone()
		t.MaxConnsPerHost = 0
		d.shared = t
	}
	return d
}

// carrier is what a request goes by.
func (d *door) carrier(req *http.Request) http.RoundTripper {
	switch {
	case !d.insecure(req.URL.Host):
		return d.strict
	case req.URL.Scheme == "http" && d.proxy != nil:
		if proxy, err := d.proxy(req); err == nil && proxy != nil {
			return d.shared
		}
	}
	return d.lax
}

// proxyRefuses finds words for a proxy that makes no connection. net/http has
// nothing but the proxy's own.
func proxyRefuses(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return &fault{core.RegistryUnreachable, "cannot be reached: the proxy wants a login"}
	}
	return &fault{core.RegistryUnreachable, fmt.Sprintf(
		"cannot be reached: the proxy answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))}
}

// RoundTrip refuses plain HTTP where it is not allowed. The library alone would
// fall back to it for every private address, and so hand a password to whoever
// can block port 443; the engine does not.
func (d *door) RoundTrip(req *http.Request) (*http.Response, error) {
	var err error
	first, hops := origin(req)
	switch {
	case req.URL.Scheme != "https" && !d.insecure(req.URL.Host):
		err = errPlain
	case hops > mostHops:
		err = errHops
	case req.Body != nil && req.URL.Host != first.URL.Host:
		err = errAway
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper owes it; nothing was sent
		}
		return nil, err
	}
	resp, err := d.carrier(req).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, mostBody)
	tripOf(req.Context()).note(req, resp)
	return resp, nil
}

func (d *door) closeIdle() {
	for _, t := range []http.RoundTripper{d.strict, d.lax, d.shared} {
		if c, ok := t.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// origin is the request that redirects led on from, and how many there were.
func origin(req *http.Request) (first *http.Request, hops int) {
	for first = req; first.Response != nil && first.Response.Request != nil; hops++ {
		first = first.Response.Request
	}
	return first, hops
}

// insecure tells whether a host, with or without port, may do without TLS or
// without a good certificate.
func (r *Registry) insecure(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	if loopback(host) {
		return true
	}
	for _, i := range r.Insecure {
		if strings.EqualFold(i, hostport) || strings.EqualFold(i, host) {
			return true
		}
	}
	return slices.ContainsFunc(r.mirrors(), func(m *url.URL) bool {
		return m.Scheme == "http" && strings.EqualFold(m.Host, hostport)
	})
}

// loopback tells whether host is this machine by its form. The engine also
// looks names up; a name that merely resolves to loopback belongs in Insecure.
func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// trip is one reference's way to its registry and back. It goes along in the
// context of each of its requests.
type trip struct {
	peer *peer // that is spoken to

	mu   sync.Mutex // the library pings with http and https at the same time
	seen seen
}

// seen is what the last answer about the reference looked like.
type seen struct {
	method string
	status int
	digest string
}

type tripKey struct{}

func withTrip(ctx context.Context, t *trip) context.Context {
	return context.WithValue(ctx, tripKey{}, t)
}

// tripOf returns nil where the context belongs to no trip.
func tripOf(ctx context.Context) *trip {
	t, _ := ctx.Value(tripKey{}).(*trip)
	return t
}

// note keeps what the library does not pass on. Pings are left out: the one
// that lost the race may come back late.
func (t *trip) note(req *http.Request, resp *http.Response) {
	if t == nil {
		return
	}
	t.peer.heed(resp, strings.Contains(req.URL.Path, "/manifests/"))
	if req.URL.Path == "/v2/" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = seen{req.Method, resp.StatusCode, resp.Header.Get("Docker-Content-Digest")}
}

func (t *trip) last() seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}
