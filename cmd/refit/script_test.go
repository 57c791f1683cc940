package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary play refit in the stories, and a plugin.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"refit": main, "refit-hook-story": serveStoryHook, "refit-reports": reportUpdates})
}

// plugins is the folder in which the test binary is a plugin.
func plugins() (string, error) {
	plugin, err := exec.LookPath("refit-hook-story")
	return filepath.Dir(plugin), err
}

// TestStoriesWithoutAnEngine runs the whole program from outside. What stands in
// for an engine answers as one that has no containers; nothing that these
// stories do needs more of it.
func TestStoriesWithoutAnEngine(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "lines": lines, "eventually": eventually, "terminate": terminate,
			"webhook": turnWebhook, "heard": heard,
		},
		Setup: func(e *testscript.Env) error {
			for name, api := range map[string]string{"ENGINE": "1.41", "OLD_ENGINE": "1.12"} {
				server := httptest.NewServer(emptyEngine(api))
				e.Defer(server.Close)
				e.Setenv(name, strings.Replace(server.URL, "http://", "tcp://", 1))
			}
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			folder, err := plugins()
			e.Setenv("PLUGINS", folder)
			withWebhook(e)
			return errors.Join(err, tlsEngine(e))
		},
	})
}

// exits runs a command and wants its exit code: exits 2 refit check.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	case err != nil:
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// eventually runs a command until it ends well, for ten seconds at most.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: eventually COMMAND [ARGUMENT…]")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("it never ended well: %v", err)
		}
	}
}

// terminate sends SIGTERM, twice, to what runs in the background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			ts.Fatalf("signal it again: %v", err)
		}
	}
}

// lines wants a number of lines in what the last command wrote: lines 2 stderr.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines NUMBER stdout|stderr")
	}
	if got := strconv.Itoa(strings.Count(ts.ReadFile(args[1]), "\n")); got != args[0] {
		ts.Fatalf("%s has %s lines, want %s", args[1], got, args[0])
	}
}

var inVersion = regexp.MustCompile(`^/v[0-9.]+`)

// emptyEngine answers as an engine without containers.
func emptyEngine(api string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch path := inVersion.ReplaceAllString(r.URL.Path, ""); path {
		case "/version":
			fmt.Fprintf(w, `{"Version":"stand-in","ApiVersion":%q,"MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"}`, api)
		case "/info":
			fmt.Fprint(w, `{"ID":"stand-in"}`)
		case "/containers/json", "/images/json", "/networks":
			fmt.Fprint(w, `[]`)
		case "/events":
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"message":"no such thing: %s"}`, path)
		}
	})
}
