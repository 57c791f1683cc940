package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker"
)

// guard is a Docker socket proxy that lets through what core/docker's table of
// endpoints has, and nothing else. Every story's refit and its hooks speak with the
// engine through one: what they ask for is in the table, or the story fails.
type guard struct {
	host   string // "unix://…"
	engine http.Handler

	mu     sync.Mutex
	denied []string // endpoints of the table that it does not let through
	passed map[string]bool
}

// guarding serves a guard in front of the engine at the socket, until the test ends.
func guarding(t testing.TB, socket string) *guard {
	t.Helper()
	g := &guard{engine: relay(socket), passed: map[string]bool{}}
	g.host = serveSocket(t, g, nil)
	return g
}

// ServeHTTP answers as such proxies do to what they do not let through.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.lets(r) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html><body><h1>403 Forbidden</h1></body></html>")
		return
	}
	g.engine.ServeHTTP(w, r)
}

func (g *guard) lets(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range docker.Endpoints() {
		if e.Serves(r.Method, r.URL.Path) {
			g.passed[e.String()] = true
			return !slices.Contains(g.denied, e.String())
		}
	}
	return false
}

// deny keeps endpoints from refit, and only these: deny 'GET /events'.
func (s *story) deny(ts *testscript.TestScript, args []string) {
	known := map[string]bool{}
	for _, e := range docker.Endpoints() {
		known[e.String()] = true
	}
	for _, arg := range args {
		if !known[arg] {
			ts.Fatalf("there is no endpoint %q in the table", arg)
		}
	}
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	s.guard.denied = args
}

// socketOf is the path of an engine's socket.
func socketOf(host string) (string, bool) { return strings.CutPrefix(host, "unix://") }

// open lets every user of the machine use the guard, as a proxy on a network would,
// and remembers the group of the engine's own socket as GROUP.
func (s *story) open(ts *testscript.TestScript, _ []string) {
	if s.guard == nil {
		ts.Fatalf("the engine has no socket")
	}
	socket, _ := socketOf(s.guard.host)
	ts.Check(os.Chmod(filepath.Dir(socket), 0o755))
	ts.Check(os.Chmod(socket, 0o666))
	engines, _ := socketOf(s.engine.Host)
	info, err := os.Stat(engines)
	ts.Check(err)
	ts.Setenv("GROUP", strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid)))
}
