// Package registrytest is a registry in memory, for tests and for demonstrations.
// It is go-containerregistry's, behind a door that counts who comes, asks for a
// login and misbehaves when told to.
//
// Nothing here checks what is pushed beyond what that registry checks, and
// nothing is kept on disk.
package registrytest

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Options say what the registry demands. The zero value is open to everybody.
type Options struct {
	// User and Password are demanded where User is not "".
	User, Password string
	// Bearer demands a bearer token, from the registry's own token endpoint. It
	// gives one to everybody where User is "", as Docker Hub does.
	Bearer bool
	// Identity is an identity token that the token endpoint gives bearer tokens
	// for, "" if it knows none.
	Identity string
	// TokenLife is how long a token is good; 0 means five minutes.
	TokenLife time.Duration
	// Addr is what New listens on; "" means a free port of 127.0.0.1.
	Addr string
	// TLS makes New speak TLS, with httptest's certificate.
	TLS bool
}

// Kind says what a request was for.
type Kind string

// The kinds of requests.
const (
	Ping      Kind = "ping"
	Token     Kind = "token"
	Manifests Kind = "manifests"
	Blobs     Kind = "blobs"
	Other     Kind = "other"
)

// Request is one request that came in.
type Request struct {
	Method        string
	Host          string // with the port, as the client knows it
	Kind          Kind
	Path          string
	Authorization string // the header, "" if there was none
	UserAgent     string
}

// Trouble answers a request in the registry's stead, and tells whether it did.
type Trouble func(w http.ResponseWriter, r *http.Request) bool

// Registry is the registry. It is an http.Handler: a program serves it, a test
// calls New.
type Registry struct {
	// Host is "127.0.0.1:PORT" where New made it.
	Host string
	// Server is what New started, nil where it did not.
	Server *httptest.Server

	options Options
	inner   http.Handler
	closed  chan struct{}

	mu       sync.Mutex
	requests []Request
	sent     map[Kind]int64 // bytes of answers
	trouble  Trouble
	tokens   map[string]token
	lies     map[string]lie // by repository
	limit    *limit
	issued   int
	busy     int
	busiest  int
	dialled  int
}

// Handler makes a registry that listens nowhere yet.
func Handler(o Options) *Registry {
	return &Registry{
		options: o,
		inner:   registry.New(registry.Logger(log.New(io.Discard, "", 0))),
		closed:  make(chan struct{}),
		sent:    map[Kind]int64{},
		tokens:  map[string]token{},
		lies:    map[string]lie{},
	}
}

// New makes a registry and serves it until the test ends.
func New(t testing.TB, o Options) *Registry {
	t.Helper()
	r := Handler(o)
	r.Server = httptest.NewUnstartedServer(r)
	r.Server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are part of the tests
	r.Server.Config.ConnState = r.dial
	if o.Addr != "" {
		listen(t, r.Server, o.Addr)
	}
	if o.TLS {
		r.Server.StartTLS()
	} else {
		r.Server.Start()
	}
	r.Host = r.Server.Listener.Addr().String()
	t.Cleanup(func() {
		close(r.closed) // lets go of those that hang: Close waits for them
		r.Server.Close()
	})
	return r
}

// ServeHTTP counts the request, lets trouble have it, demands the login, keeps
// the limit, and hands it to the registry.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	trouble := r.enter(q)
	defer r.leave()
	w = counter{w, r, kindOf(q)}
	if trouble != nil && trouble(w, q) {
		return
	}
	if kindOf(q) == Token {
		r.serveToken(w, q)
		return
	}
	if !r.admits(q) {
		r.challenge(w, q)
		return
	}
	if kindOf(q) == Manifests && !r.spend(w, q) {
		return
	}
	w, q = r.lying(w, q)
	r.serve(w, q)
}

func (r *Registry) enter(q *http.Request) Trouble {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, Request{
		q.Method, q.Host, kindOf(q), q.URL.Path, q.Header.Get("Authorization"), q.UserAgent(),
	})
	r.busy++
	r.busiest = max(r.busiest, r.busy)
	return r.trouble
}

func (r *Registry) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
}

func kindOf(q *http.Request) Kind {
	switch p := q.URL.Path; {
	case p == "/v2/" || p == "/v2":
		return Ping
	case p == "/token":
		return Token
	case path.Base(path.Dir(p)) == "manifests":
		return Manifests
	case strings.Contains(p, "/blobs/"):
		return Blobs
	}
	return Other
}

// Requests returns what came in since the start or the last Reset, in order.
// Pushes and look-ups by this type's own methods are not among them.
func (r *Registry) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Request(nil), r.requests...)
}

// Count counts the requests of a method ("" for any) and a kind ("" for any).
func (r *Registry) Count(method string, kind Kind) int {
	n := 0
	for _, q := range r.Requests() {
		if (method == "" || q.Method == method) && (kind == "" || q.Kind == kind) {
			n++
		}
	}
	return n
}

// Busiest returns how many requests were in the registry at the same time, at most.
func (r *Registry) Busiest() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busiest
}

// Reset forgets the requests that came in.
func (r *Registry) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.busiest, r.dialled = nil, r.busy, 0
	clear(r.sent)
}

// Connections counts the connections that were made since the start or the last
// Reset, to what New started.
func (r *Registry) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dialled
}

func (r *Registry) dial(_ net.Conn, state http.ConnState) {
	if state != http.StateNew {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialled++
}
