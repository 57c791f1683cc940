package main

import (
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
		denied []docker.Denied
		want   []block
	}{
		"nothing": {nil, nil},
		"one feature of several endpoints": {[]docker.Denied{exec, inspect}, []block{
			{"the hook command", []string{"POST /containers/{id}/exec", "GET /exec/{id}/json"}},
		}},
		"several features": {[]docker.Denied{logs, pause}, []block{
			{logs.For, []string{"GET /containers/{id}/logs"}}, {pause.For, []string{"POST /containers/{id}/pause"}},
		}},
		"updates, and what else would change something": {[]docker.Denied{stop, logs, pause, exec}, []block{
			{"updates", []string{"POST /containers/{id}/stop"}}, {logs.For, []string{"GET /containers/{id}/logs"}},
		}},
	} {
		if diff := cmp.Diff(row.want, blocked(row.denied), cmp.AllowUnexported(block{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
