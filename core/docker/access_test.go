package docker_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// gatekeeper is a Docker socket proxy that denies one endpoint, and writes down what
// would change something.
type gatekeeper struct {
	engine http.Handler

	mu      sync.Mutex
	denied  string
	changes []string
}

func (g *gatekeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	denied := false
	for _, e := range docker.Endpoints() {
		denied = denied || e.String() == g.denied && e.Serves(r.Method, r.URL.Path)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.changes = append(g.changes, r.Method+" "+r.URL.RequestURI())
	}
	g.mu.Unlock()
	if denied {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	g.engine.ServeHTTP(w, r)
}

func (g *gatekeeper) deny(e string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.denied = e
}

func TestProbingNamesEachEndpointThatIsNotLetThrough(t *testing.T) {
	t.Parallel()
	engine := dockertest.New(t)
	socket, ok := strings.CutPrefix(engine.Host, "unix://")
	if !ok {
		dockertest.Missing(t, "the engine has no socket: "+engine.Host)
	}
	g := &gatekeeper{engine: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}}
	c := newClient(t, g)
	if _, err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if denied, err := c.Probe(t.Context()); err != nil || len(denied) > 0 {
		t.Fatalf("with nothing denied: %v, %v", denied, err)
	}
	t.Logf("asking took %s", time.Since(began))
	for _, e := range docker.Endpoints() {
		g.deny(e.String())
		denied, err := c.Probe(t.Context())
		want := []string{e.String()}
		if slices.Contains([]string{"/version", "/info", "/system/df"}, e.Path) {
			want = nil // Ping has asked for two, and the other costs too much
		}
		if diff := cmp.Diff(want, names(denied)); diff != "" || err != nil {
			t.Errorf("without %s (-want +got): %v\n%s", e, err, diff)
		}
	}
	// Nothing that there is can have been meant.
	for _, change := range slices.DeleteFunc(g.changes, harmless) {
		t.Errorf("it asked for %s", change)
	}
}

func names(denied []docker.Denied) (all []string) {
	for _, d := range denied {
		all = append(all, d.String())
	}
	return all
}

func harmless(request string) bool {
	return strings.Contains(request, strings.Repeat("0", 64)) || strings.HasSuffix(request, "/containers/create") ||
		strings.HasSuffix(request, "/images/create?fromImage=REFIT")
}

func newClient(t *testing.T, engine http.Handler) *docker.Client {
	t.Helper()
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	c, err := docker.New(docker.Options{Host: strings.Replace(server.URL, "http://", "tcp://", 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A container that a proxy does not want to speak of is not gone: Refit would finish
// or undo an update for want of it.
func TestWhatAProxyAnswersIsNotTheEnginesAnswer(t *testing.T) {
	t.Parallel()
	const gone, refused = `{"message":"No such container: web"}`, "GET /containers/{id}/json is not allowed on the way to the engine"
	for name, row := range map[string]struct {
		status  int
		headers string // "Name: value"
		body    string
		want    string // in the error; "" for none
	}{
		"the engine does not know it":                   {404, "Api-Version: 1.41", gone, ""},
		"nor does one that says so without its version": {404, "Content-Type: application/json", gone, ""},
		"a proxy that forbids it":                       {403, "Content-Type: text/html", "<h1>403</h1>", refused + " (403 Forbidden); it is needed for reading their labels and settings"},
		"a proxy that forbids it in JSON":               {403, "Content-Type: application/json", `{"message":"no"}`, refused},
		"a proxy that has no such page":                 {404, "Content-Type: text/plain", "404 page not found", refused + " (404 Not Found)"},
		"a proxy that knows no such method":             {405, "Content-Type: text/plain", "", refused + " (405 Method Not Allowed)"},
		"a proxy that wants to know who asks":           {401, "Content-Type: text/plain", "", refused + " (401 Unauthorized)"},
		"a plugin of the engine":                        {403, "Api-Version: 1.41\nContent-Type: application/json", `{"message":"authorization denied by plugin x: no"}`, refused + " (authorization denied by plugin x: no)"},
		"an engine that has no such endpoint":           {404, "Api-Version: 1.41\nContent-Type: application/json", `{"message":"page not found"}`, refused + " (the engine does not have it)"},
	} {
		c := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/version" {
				_, _ = io.WriteString(w, `{"Version":"x","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}`)
				return
			}
			for header := range strings.SplitSeq(row.headers, "\n") {
				key, value, _ := strings.Cut(header, ": ")
				w.Header().Set(key, value)
			}
			w.WriteHeader(row.status)
			_, _ = io.WriteString(w, row.body)
		}))
		s, err := c.Look(t.Context(), "web")
		switch {
		case row.want == "" && (err != nil || s.Exists()):
			t.Errorf("%s: %v, %v, want none and no error", name, s, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want) || !docker.IsDenied(err)):
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}

func TestEachRequestBelongsToOneEndpoint(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"GET /version":                              "GET /version",
		"GET /v1.41/containers/json":                "GET /containers/json",
		"GET /containers/web/json":                  "GET /containers/{id}/json",
		"GET /v1.51/images/localhost:5000/a/b/json": "GET /images/{name}/json",
		"GET /v1.51/images/json":                    "GET /images/json",
		"DELETE /v1.41/images/a/b:1":                "DELETE /images/{name}",
		"POST /v1.41/containers/a/b/start":          "",
		"POST /v1.41/containers//start":             "",
		"POST /v1.41/build":                         "",
		"DELETE /v1.41/containers/json":             "DELETE /containers/{id}",
	} {
		method, path, _ := strings.Cut(request, " ")
		var got []string
		for _, e := range docker.Endpoints() {
			if e.Serves(method, path) {
				got = append(got, e.String())
			}
		}
		if want == "" && len(got) == 0 || slices.Equal(got, []string{want}) {
			continue
		}
		t.Errorf("%s is %q, want %q", request, got, want)
	}
}
