package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// smallDisk mounts a file system of a few hundred kilobytes, and returns the folder.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		dockertest.Missing(t, "a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		dockertest.Missing(t, "a small disk cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("tidy up: %v", err)
		}
	})
	return dir
}

const ballast = "ballast"

// fill leaves no room on a disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, ballast), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Error(err) // it may be another goroutine's
		return
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	err = errors.Join(err, f.Close())
	if !strings.Contains(err.Error(), "no space left") {
		t.Error(err)
	}
}

// untouched wants the container as it was, without so much as a restart.
func (x *trial) untouched() {
	x.Helper()
	for _, wrong := range x.violations(false).wrong {
		x.Error(wrong)
	}
	now := x.engine.Inspect(x.name)
	if now.ID != x.before.ID || now.State.StartedAt != x.before.State.StartedAt {
		x.Errorf("the container is another, or was started again: %s of %s", now.ID, now.State.StartedAt)
	}
}

// says wants a line of refit's in its output.
func (x *trial) says(output, pattern string) {
	x.Helper()
	if !regexp.MustCompile("(?m)" + pattern).MatchString(output) {
		x.Errorf("refit does not say %q:\n%s", pattern, output)
	}
}

// TestTortureOfTheLedger lets the place for the state be full or protected: what
// could not be undone is not begun, and what has begun is undone.
func TestTortureOfTheLedger(t *testing.T) {
	t.Parallel()
	b := newBench(t, dockertest.New(t), registrytest.New(t, registrytest.Options{}).Host)
	t.Run("a disk that is full from the beginning", func(t *testing.T) {
		x := begin(t, b, true)
		x.data = smallDisk(t)
		fill(t, x.data)
		code, out := x.start("unix://"+x.socket, "update").wait()
		if code != exitWrong && code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		x.says(out, "no space left")
		x.untouched()
	})
	t.Run("a disk that is full once there is a ledger", func(t *testing.T) {
		x := begin(t, b, true)
		x.data = smallDisk(t)
		x.recover()
		fill(t, x.data)
		code, out := x.start("unix://"+x.socket, "update").wait()
		if code != exitWrong && code != exitFailed {
			t.Errorf("exit code %d", code)
		}
		x.says(out, "no space left")
		x.untouched()
	})
	t.Run("a disk that is full in the middle of the update", func(t *testing.T) { fullInTheMiddle(t, b) })
	t.Run("a disk that is read-only", func(t *testing.T) {
		x := begin(t, b, true)
		x.data = smallDisk(t)
		if err := syscall.Mount("", x.data, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		code, out := x.start("unix://"+x.socket, "update").wait()
		if code != exitWrong {
			t.Errorf("exit code %d, want %d", code, exitWrong)
		}
		x.says(out, "read-only file system")
		x.untouched()
	})
}

// fullInTheMiddle fills the disk when the old container is about to be stopped.
func fullInTheMiddle(t *testing.T, b *bench) {
	x := begin(t, b, true)
	x.data = smallDisk(t)
	p := intercept(t, b.socket)
	p.counted = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/stop") }
	p.at = 1
	p.fault = fault{act: func(p *interceptor, w http.ResponseWriter, r *http.Request) {
		fill(t, x.data)
		p.engine.ServeHTTP(w, r)
	}}
	code, out := x.update(p).wait()
	if p.struck() == "" || code == exitDown {
		t.Errorf("struck %q, exit code %d:\n%s", p.struck(), code, out)
	}
	if now := x.engine.Inspect(x.name); !now.State.Running {
		t.Errorf("nothing runs under the name: %s\n%s", now.State.Status, out)
	}
	if err := os.Remove(filepath.Join(x.data, ballast)); err != nil {
		t.Fatal(err)
	}
	x.recover()
	for _, wrong := range x.violations(false).wrong {
		t.Errorf("%s\n%s", wrong, out)
	}
}

// TestTortureByTheRegistry lets the registry fail in the middle of a pull: the
// container is held with a reason and never notices, the others are updated.
func TestTortureByTheRegistry(t *testing.T) {
	t.Parallel()
	b := newBench(t, dockertest.New(t), "")
	troubles := map[string]struct {
		reason  string // a code
		trouble func(*registrytest.Registry) registrytest.Trouble
	}{
		"it hangs": {"registry-unreachable", func(r *registrytest.Registry) registrytest.Trouble {
			return registrytest.On("GET", registrytest.Blobs, r.Hang)
		}},
		"it answers 500": {"pull-failed", func(*registrytest.Registry) registrytest.Trouble {
			return registrytest.On("GET", registrytest.Manifests, registrytest.Status(http.StatusInternalServerError))
		}},
		"it cuts the connection in the middle of a layer": {"registry-unreachable", func(*registrytest.Registry) registrytest.Trouble {
			return registrytest.On("GET", registrytest.Blobs, cut)
		}},
	}
	for name, c := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := registrytest.New(t, registrytest.Options{})
			own := *b
			own.registry = registry.Host
			x := begin(t, &own, true)
			y := own.trial(t, x.engine, "beside", true)
			y.scope, y.data = x.scope, x.data
			t.Cleanup(y.forget)
			y.prepare()
			// An image with layers that the engine has not got yet.
			if _, err := registry.Push(x.name, "1"); err != nil {
				t.Fatal(err)
			}
			registry.Misbehave(on(x.name, c.trouble(registry)))
			code, out := x.start("unix://"+x.socket, "update", "--pull-stall", "3s").wait()
			if code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			x.says(out, "^"+x.name+` +held .*`+c.reason+": .")
			x.untouched()
			for _, wrong := range y.violations(false).wrong {
				t.Errorf("the container beside it: %s\n%s", wrong, out)
			}
			if now := y.engine.Inspect(y.name); now.Image != y.new {
				t.Errorf("the container beside it was not updated:\n%s", out)
			}
		})
	}
}

// on limits trouble to one repository.
func on(repository string, trouble registrytest.Trouble) registrytest.Trouble {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/v2/"+repository+"/") && trouble(w, r)
	}
}

// cut begins an answer and hangs up.
func cut(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte("the beginning of a layer")) // the client may have hung up first
	_ = http.NewResponseController(w).Flush()
	time.Sleep(10 * time.Millisecond)
	panic(http.ErrAbortHandler)
}
