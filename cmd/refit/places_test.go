package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/registry/registrytest"
)

// TestStoriesOfRegistriesElsewhere are those of registries that are not on this
// machine's loopback: nothing but a proxy leads to them. What stands in for an
// engine has a container of each, and nothing is asked of it but what there is.
func TestStoriesOfRegistriesElsewhere(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:  filepath.Join("testdata", "places"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(e *testscript.Env) error {
			t := e.T().(testing.TB)
			secure := registrytest.New(t, registrytest.Options{TLS: true})
			plain, mirror := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{})
			for repository, r := range map[string]*registrytest.Registry{"team/web": secure, "team/db": plain, "library/nginx": mirror} {
				if _, err := r.Push(repository, "1"); err != nil {
					return err
				}
			}
			engine := httptest.NewServer(shop("http://" + mirror.Host + "/"))
			e.Defer(engine.Close)
			gate := httptest.NewServer(proxy(map[string]string{"example.com:5000": secure.Host, "plain.example:5000": plain.Host}))
			e.Defer(gate.Close)
			e.Setenv("DOCKER_HOST", strings.Replace(engine.URL, "http://", "tcp://", 1))
			e.Setenv("PROXY", gate.URL)
			e.Setenv("MIRROR", mirror.Host)
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Server.Certificate().Raw})
			return os.WriteFile(filepath.Join(e.WorkDir, "ca.pem"), certificate, 0o600)
		},
	})
}

// shop answers as an engine that runs three containers and pulls from a mirror.
func shop(mirror string) http.Handler {
	images := map[string]string{"web": "example.com:5000/team/web", "db": "plain.example:5000/team/db", "hub": "nginx"}
	empty := emptyEngine("1.41")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := inVersion.ReplaceAllString(r.URL.Path, "")
		kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		name := strings.TrimSuffix(rest, "/json")
		image, known := images[name]
		switch {
		case path == "/info":
			fmt.Fprintf(w, `{"ID":"shop","RegistryConfig":{"Mirrors":[%q]}}`, mirror)
		case path == "/containers/json":
			fmt.Fprint(w, `[{"Id":"web"},{"Id":"db"},{"Id":"hub"}]`)
		case kind == "containers" && known:
			fmt.Fprintf(w, `{"Id":%q,"Name":"/%s","Image":%q,"State":{"Status":"running"},"HostConfig":{"NetworkMode":"none"},"NetworkSettings":{},
				"Config":{"Image":"%s:1","Labels":{"refit.enable":"true"}}}`, name, name, name, image)
		case kind == "images" && known:
			fmt.Fprintf(w, `{"Id":%q,"Os":"linux","Architecture":"amd64","Config":{},
				"RepoTags":["%s:1"],"RepoDigests":["%s@sha256:%064d"]}`, name, image, image, 0)
		default:
			empty.ServeHTTP(w, r)
		}
	})
}

// proxy leads to the places that it knows, under the names that it knows them by.
func proxy(places map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, known := places[r.Host]
		switch {
		case !known:
			w.WriteHeader(http.StatusForbidden)
		case r.Method == http.MethodConnect:
			tunnel(w, place)
		default:
			httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: place}).ServeHTTP(w, r)
		}
	})
}

// tunnel joins the client's connection with one to that place.
func tunnel(w http.ResponseWriter, place string) {
	there, err := net.Dial("tcp", place)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = there.Close() }()
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = here.Close() }()
	go func() {
		_, _ = io.Copy(there, buffered)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
}
