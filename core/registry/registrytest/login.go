package registrytest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// admits tells whether a request carries what the options demand.
func (r *Registry) admits(q *http.Request) bool {
	if !r.demands().Bearer {
		return r.knows(q)
	}
	token, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	r.mu.Lock()
	defer r.mu.Unlock()
	return ok && r.tokens[token]
}

// knows tells whether a request has the right user and password, if any is needed.
func (r *Registry) knows(q *http.Request) bool {
	o := r.demands()
	user, password, _ := q.BasicAuth()
	return o.User == "" || user == o.User && password == o.Password
}

// challenge answers 401 and says how to log in.
func (r *Registry) challenge(w http.ResponseWriter, q *http.Request) {
	how := `Basic realm="registrytest"`
	if r.demands().Bearer {
		scheme := "http"
		if q.TLS != nil {
			scheme = "https"
		}
		how = fmt.Sprintf(`Bearer realm="%s://%s/token",service="registrytest"`, scheme, q.Host)
	}
	w.Header().Set("WWW-Authenticate", how)
	w.WriteHeader(http.StatusUnauthorized)
}

// serveToken is the token endpoint. A token opens every repository: scopes are
// not looked at.
func (r *Registry) serveToken(w http.ResponseWriter, q *http.Request) {
	if !r.demands().Bearer || !r.knows(q) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	r.mu.Lock()
	r.issued++
	token := fmt.Sprintf("token-%d", r.issued)
	r.tokens[token] = true
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"token": %q, "expires_in": 300}`, token) // a client that has gone needs no token
}

// RevokeTokens makes all tokens invalid that were given so far.
func (r *Registry) RevokeTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tokens)
}

// Demand changes what the registry demands: for one whose password or whose way
// of logging in changes.
func (r *Registry) Demand(o Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.options = o
}

func (r *Registry) demands() Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.options
}

// listen gives the server an address of the test's choice.
func listen(t testing.TB, s *httptest.Server, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen for the registry: %v", err)
	}
	_ = s.Listener.Close() // replaced before anybody could connect
	s.Listener = l
}
