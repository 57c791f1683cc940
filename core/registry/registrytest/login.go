package registrytest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// token is a bearer token: what it opens, and until when.
type token struct {
	scopes []string // "repository:team/web:pull"
	until  time.Time
}

// opens tells whether the token is good for a request. Which actions its scope
// names is not looked at.
func (t token) opens(q *http.Request) bool {
	if !time.Now().Before(t.until) {
		return false
	}
	path := strings.TrimPrefix(q.URL.Path, "/v2/")
	return path == "" || slices.ContainsFunc(t.scopes, func(scope string) bool {
		kind, rest, _ := strings.Cut(scope, ":")
		repository, _, ok := strings.Cut(rest, ":")
		return ok && kind == "repository" && strings.HasPrefix(path, repository+"/")
	})
}

// admits tells whether a request carries what the options demand.
func (r *Registry) admits(q *http.Request) bool {
	if !r.demands().Bearer {
		return r.knows(q)
	}
	name, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	r.mu.Lock()
	defer r.mu.Unlock()
	return ok && r.tokens[name].opens(q)
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
		if repository := repositoryOf(q); repository != "" {
			how += fmt.Sprintf(`,scope="repository:%s:pull"`, repository)
		}
	}
	w.Header().Set("WWW-Authenticate", how)
	w.WriteHeader(http.StatusUnauthorized)
}

// repositoryOf is the repository that a request is about, "" if none.
func repositoryOf(q *http.Request) string {
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/"} {
		if repository, _, ok := strings.Cut(strings.TrimPrefix(q.URL.Path, "/v2/"), part); ok {
			return repository
		}
	}
	return ""
}

// serveToken is the token endpoint. Who knows the password gets every scope.
func (r *Registry) serveToken(w http.ResponseWriter, q *http.Request) {
	o, scopes := r.demands(), q.URL.Query()["scope"]
	known := r.knows(q)
	if q.Method == http.MethodPost { // OAuth 2, for identity tokens
		scopes = strings.Fields(q.FormValue("scope"))
		known = o.Identity != "" && q.FormValue("grant_type") == "refresh_token" && q.FormValue("refresh_token") == o.Identity
	}
	if !o.Bearer || !known {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	lives := o.TokenLife
	if lives == 0 {
		lives = 5 * time.Minute
	}
	r.mu.Lock()
	r.issued++
	name := fmt.Sprintf("token-%d", r.issued)
	r.tokens[name] = token{scopes, time.Now().Add(lives)}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"token": %q, "expires_in": %d}`, name, int(lives.Seconds())) // a client that has gone needs no token
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
