package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker"
)

func TestWhatIsDeniedIsToldByFeature(t *testing.T) {
	t.Parallel()
	deny := func(method, path string) docker.Denied {
		for _, e := range docker.Endpoints() {
			if e.Method == method && e.Path == path {
				return docker.Denied{Endpoint: e}
			}
		}
		t.Fatalf("there is no endpoint %s %s", method, path)
		return docker.Denied{}
	}
	exec, inspect := deny("POST", "/containers/{id}/exec"), deny("GET", "/exec/{id}/json")
	stop, pause, logs := deny("POST", "/containers/{id}/stop"), deny("POST", "/containers/{id}/pause"), deny("GET", "/containers/{id}/logs")
	for name, row := range map[string]struct {
		denied  []docker.Denied
		lenient bool
		want    []block
	}{
		"nothing": {},
		"one feature of several endpoints": {[]docker.Denied{exec, inspect}, false, []block{
			{"the hook command", []string{"POST /containers/{id}/exec", "GET /exec/{id}/json"}},
		}},
		"several features": {[]docker.Denied{logs, pause}, false, []block{
			{logs.For, []string{"GET /containers/{id}/logs"}}, {pause.For, []string{"POST /containers/{id}/pause"}},
		}},
		"updates, and what else would change something": {[]docker.Denied{stop, logs, pause, exec}, false, []block{
			{"updates", []string{"POST /containers/{id}/stop"}}, {logs.For, []string{"GET /containers/{id}/logs"}},
		}},
		"an engine that has only most of it": {[]docker.Denied{stop, pause}, true, []block{
			{stop.For, []string{"POST /containers/{id}/stop"}}, {pause.For, []string{"POST /containers/{id}/pause"}},
		}},
	} {
		if diff := cmp.Diff(row.want, blocked(row.denied, !row.lenient), cmp.AllowUnexported(block{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Podman 4 has no endpoint that changes a restart policy, and updates what has none.
func TestAnEngineThatIsNotDockersMayLackWhatUpdatesNeed(t *testing.T) {
	t.Parallel()
	empty := emptyEngine("1.41")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/update") {
			http.NotFound(w, r)
			return
		}
		empty.ServeHTTP(w, r)
	}))
	defer server.Close()
	client, err := docker.New(docker.Options{Host: strings.Replace(server.URL, "http://", "tcp://", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := &session{program: &program{}, client: client, engine: docker.Info{Docker: true}}
	if err := s.checkAccess(t.Context()); !errors.As(err, new(refusal)) {
		t.Errorf("Docker's: %v, want a refusal", err)
	}
	s.engine.Docker = false
	if err := s.checkAccess(t.Context()); err != nil || len(s.denied) != 1 {
		t.Errorf("another: %v, %v, want one endpoint that is told", err, s.denied)
	}
}
