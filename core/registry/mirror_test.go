package registry_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// places carries requests to the registry of that name.
type places map[string]*registrytest.Registry

func (p places) RoundTrip(q *http.Request) (*http.Response, error) {
	return p[q.URL.Host].Transport().RoundTrip(q)
}

func TestMirrorsAreAskedBeforeDockerHub(t *testing.T) {
	t.Parallel()
	down, gone := registrytest.Status(500), registrytest.On("", manifests, registrytest.Status(404))
	private := func(w http.ResponseWriter, q *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
		return registrytest.Status(401)(w, q)
	}
	for name, test := range map[string]struct {
		first, second, hub registrytest.Trouble
		want               string // who answers; "" for nobody
		fault              core.Reason
	}{
		"the first knows it":              {nil, nil, nil, "first", core.Reason{}},
		"the first does not know it":      {gone, nil, nil, "second", core.Reason{}},
		"the first is down":               {down, nil, nil, "second", core.Reason{}},
		"the first wants to be alone":     {registrytest.RetryAfter(429, "60"), nil, nil, "second", core.Reason{}},
		"the first wants a login":         {private, nil, nil, "second", core.Reason{}},
		"none of them knows it":           {gone, gone, nil, "hub", core.Reason{}},
		"they are down, and the hub, too": {down, gone, down, "", core.Reason{Code: core.RegistryError, Text: "docker.io has trouble of its own (500 Internal Server Error); of its mirrors first.test has trouble of its own (500 Internal Server Error); of its mirrors second.test:80/team/web:1 is not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := map[string]*registrytest.Registry{}
				digests := map[string]string{}
				for name, trouble := range map[string]registrytest.Trouble{"first": test.first, "second": test.second, "hub": test.hub} {
					all[name] = registrytest.Handler(registrytest.Options{})
					digests[name] = must(all[name].Push("team/web", "1"))
					all[name].Misbehave(trouble)
				}
				r := &registry.Registry{
					ConfigDir: configDir(t, loginFor("https://index.docker.io/v1/", "u", password)),
					Transport: places{"first.test": all["first"], "second.test:80": all["second"], "index.docker.io": all["hub"]},
					Mirrors:   []string{"https://first.test/", "http://second.test:80", "%%", "nonsense"},
				}
				got := one(t, r, query("docker.io/team/web:1"))
				if diff := cmp.Diff(core.Answer{Digest: digests[test.want], Fault: test.fault}, got); diff != "" {
					t.Error(diff)
				}
				if test.want != "hub" && test.want != "" && len(all["hub"].Requests()) > 0 {
					t.Error("Docker Hub was asked for what a mirror knows")
				}
				for _, mirror := range []string{"first", "second"} {
					for _, q := range all[mirror].Requests() {
						if q.Authorization != "" {
							t.Errorf("%s got a login that is not for it: %+v", mirror, q)
						}
					}
				}
			})
		})
	}
}

func TestAMirrorsNameIsNotTakenForARepositorys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mirror := registrytest.Handler(registrytest.Options{})
		want := must(mirror.Push("library/web", "1"))
		r := &registry.Registry{ConfigDir: configDir(t, ""), Transport: places{"mirror:443": mirror}, Mirrors: []string{"https://mirror"}}
		if got := one(t, r, query("docker.io/library/web:1")); got.Digest != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	})
}

func TestAMirrorIsForDockerHubOnlyAndItsLimitsAreItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mirror, hub, other := registrytest.Handler(registrytest.Options{}), registrytest.Handler(registrytest.Options{}), registrytest.Handler(registrytest.Options{})
		fromHub, fromOther := must(hub.Push("team/web", "1")), must(other.Push("team/web", "1"))
		mirror.Misbehave(mirror.Hang)
		r := &registry.Registry{
			ConfigDir: configDir(t, ""), Mirrors: []string{"https://mirror.test"},
			Transport: places{"mirror.test": mirror, "index.docker.io": hub, "registry.test": other},
		}
		begun := time.Now()
		web, own := query("docker.io/team/web:1"), query("registry.test/team/web:1")
		got := r.Check(t.Context(), []core.Query{web, own})
		if got[web].Digest != fromHub || got[own].Digest != fromOther {
			t.Errorf("got %v", got)
		}
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("a mirror that hangs cost %s, want one timeout", took)
		}
		for _, q := range mirror.Requests() {
			if !strings.HasPrefix(q.Path, "/v2/") {
				t.Errorf("the mirror was asked for %s", q.Path)
			}
		}
	})
}
