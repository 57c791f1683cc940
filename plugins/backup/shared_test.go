package backup

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
)

// other makes a container that has the same volumes, with that end of each bind, and
// those labels.
func (s *stage) other(name, end string, labels map[string]string) string {
	s.Helper()
	host := &container.HostConfig{}
	for _, bind := range s.container.Binds {
		host.Binds = append(host.Binds, bind+end)
	}
	image := s.e.Inspect(s.id).Config.Image
	return s.e.Container(name, &container.Config{Image: image, Labels: labels}, host, nil)
}

func (s *stage) remove(id string) {
	s.Helper()
	must(s.T, s.e.API.ContainerRemove(s.Context(), id, container.RemoveOptions{Force: true}))
}

func TestWhatOthersWriteToIsNotUpdatedWithARestore(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	u := s.update("restore", "true")
	mark := func(attempt string) map[string]string {
		return map[string]string{markLabel: `{"attempt": "` + attempt + `", "owner": "x", "predecessor": "y"}`}
	}
	for name, test := range map[string]struct {
		name    string // of the other
		end     string
		labels  map[string]string
		started bool
		refused bool
	}{
		"another that runs":                  {name: s.e.Name("worker"), started: true, refused: true},
		"another that does not run":          {name: s.e.Name("worker"), refused: true},
		"another that only reads":            {name: s.e.Name("worker"), end: ":ro", started: true},
		"the one that is to take its place":  {name: s.name + ".refit-new", labels: mark(u.Attempt)},
		"its predecessor":                    {name: s.name + ".refit-old", labels: mark(u.Attempt)},
		"one of another replacement":         {name: s.name + ".refit-new", labels: mark("fedcba9876543210"), refused: true},
		"one with the name alone":            {name: s.name + ".refit-new", refused: true},
		"one with a mark under another name": {name: s.e.Name("worker"), labels: mark(u.Attempt), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			id := s.other(test.name, test.end, test.labels)
			defer s.remove(id)
			if test.started {
				s.e.Start(id)
			}
			_, before := s.hook().PreUpdate(t.Context(), u)
			cold := s.hook().PreRecreate(t.Context(), u)
			for stage, err := range map[string]error{"pre-update": before, "pre-recreate": cold} {
				if (err != nil) != test.refused {
					t.Errorf("%s: the error is %v", stage, err)
				}
				if err != nil && (!strings.Contains(err.Error(), test.name) || !strings.Contains(err.Error(), "set restore=false")) {
					t.Errorf("%s: the error is %v, and does not name %s and what to do", stage, err, test.name)
				}
			}
			if _, err := s.hook().PreUpdate(t.Context(), s.update()); err != nil {
				t.Errorf("without a restore: %v", err)
			}
		})
	}
}

func TestWhatOthersMayHaveWrittenIsNotRestored(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	file := filepath.Join(s.volumes["/data"], "file")
	write(t, file, "good")
	u := s.update()
	name := s.e.Name("other")
	other := s.other(name, "", nil)
	s.e.Start(other)
	s.backUp(u) // without a restore it is a warning
	if got := s.whole()[0].Manifest.Archives[0].Writers; !cmp.Equal(got, []string{name}) {
		t.Errorf("the manifest names %v as writers", got)
	}
	write(t, file, "bad")
	u.Labels["restore"] = "true"
	refused := func(what string) {
		t.Helper()
		if err := s.hook().OnRollback(t.Context(), u); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: the error is %v, want one that names the other", what, err)
		}
		contains(t, file, "bad")
	}
	refused("while the other runs")
	s.remove(other)
	refused("after it wrote during the backup")
	again := s.update("restore", "true")
	s.backUp(again)
	u = again
	write(t, file, "bad")
	other = s.other(name, "", nil)
	refused("while there is one that may have run since")
	s.remove(other)
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Error(err)
	}
	contains(t, file, "bad") // which is what was there at the second backup
}

// relay is the engine's socket with something done before certain requests.
func (s *stage) relay(before func(r *http.Request)) (host string) {
	s.Helper()
	dir, err := os.MkdirTemp("", "relay") // a socket's path must be short
	must(s.T, err)
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	must(s.T, err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(s.e.Host, "unix://"))
	}}
	proxy.FlushInterval = -1
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		proxy.ServeHTTP(w, r)
	}))
	must(s.T, server.Listener.Close())
	server.Listener = listener
	server.Start()
	s.Cleanup(server.Close)
	return "unix://" + socket
}

func TestABackupOfAContainerThatWasStartedMeanwhileIsNone(t *testing.T) {
	t.Parallel()
	for name, runs := range map[string]bool{"it runs": true, "it has run": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, "/data")
			write(t, filepath.Join(s.volumes["/data"], "file"), "content")
			host := s.relay(func(r *http.Request) {
				if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/archive") {
					return
				}
				// Somebody starts it while its volume is archived.
				err := s.e.API.ContainerStart(r.Context(), s.id, container.StartOptions{})
				if err == nil && !runs {
					err = s.e.API.ContainerKill(r.Context(), s.id, "KILL")
				}
				if err != nil {
					s.Error(err)
				}
			})
			c := s.process("pre-recreate", s.update())
			c.Env = append(c.Env, "DOCKER_HOST="+host)
			var said strings.Builder
			c.Stderr = &said
			if err := c.Run(); err == nil || !strings.Contains(said.String(), "was started while its volumes were archived") {
				t.Errorf("it ends with %v, and says %s", err, said.String())
			}
			if all := s.all(); len(all) > 0 {
				t.Errorf("there is %+v, want nothing", all)
			}
		})
	}
}
