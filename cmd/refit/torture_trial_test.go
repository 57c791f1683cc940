package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

const (
	// recovery is how long a fresh refit may take to bring everything in order.
	recovery = time.Minute
	// ending is how long an update may take that something has gone wrong with,
	// and a refit that was asked to end.
	ending = 3 * time.Minute
)

// bench is an engine with a registry, a base for images and a built refit: what
// trials share.
type bench struct {
	wire
	registry string // "127.0.0.1:PORT", as the engine sees it
	base     string // the image that all others are made from
	restart  string // the containers' restart policy
	program  string
	// command runs a program where the engine's 127.0.0.1 is.
	command func(ctx context.Context, name string, args ...string) *exec.Cmd
}

// newBench builds refit, and makes the base for images on the engine.
func newBench(t testing.TB, e *dockertest.Engine, registry string) *bench {
	t.Helper()
	b := &bench{
		wire: newWire(strings.TrimPrefix(e.Host, "unix://")), registry: registry,
		base: e.Name("base") + ":1", restart: "unless-stopped", program: built(t, "refit"), command: exec.CommandContext,
	}
	if !strings.HasPrefix(e.Host, "unix://") {
		dockertest.Missing(t, "the proxy needs an engine at a unix socket, not "+e.Host)
	}
	e.Image(b.base, `ENTRYPOINT ["/fixture", "web"]`)
	return b
}

// built builds one of this module's programs.
func built(t testing.TB, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", file, "github.com/refit-dev/refit/cmd/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // it is to run in a container, too
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return file
}

// wire talks to an engine in its own words: what is compared must not have gone
// through anybody's structs.
type wire struct {
	socket string
	client *http.Client
}

func newWire(socket string) wire {
	return wire{socket: socket, client: &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialling(socket)}, Timeout: executing,
	}}
}

// call sends a body (nil, an io.Reader that is a tar archive, or a value for JSON)
// and reads the answer into out, unless that is nil.
func (w wire) call(method, path string, body, out any) error {
	var payload io.Reader
	kind := "application/x-tar"
	switch b := body.(type) {
	case nil:
	case io.Reader:
		payload = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		payload, kind = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequest(method, "http://engine/v1.41"+path, payload)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	answer, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case answer.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	case bytes.Contains(text, []byte(`"errorDetail"`)): // in a stream of messages
		return fmt.Errorf("%s %s: %s", method, path, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// archive is a tar archive with one file.
func archive(name, content string) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content))})
	_, _ = io.WriteString(w, content)
	_ = w.Close() // writing to memory does not fail
	return &b
}

// trial is one container that is to be updated, and what must be true of it
// whatever happens.
type trial struct {
	testing.TB
	*bench
	engine *dockertest.Engine

	name      string            // the container's
	labels    map[string]string // of it, beside the usual ones
	build     string            // instructions for both images
	env       []string          // for refit, beside the usual
	scope     string
	reference string
	data      string
	good      bool   // the new image deserves to stay
	old, new  string // image ids
	before    inspected

	guest *trial // shares its network, nil where none does
	host  *trial // of a guest
}

// inspected is what the engine says of a container.
type inspected struct {
	ID, Name, Image string
	State           struct {
		Status, StartedAt   string
		Running, Restarting bool
	}
	Config, HostConfig map[string]any
	Mounts             []map[string]any
}

// trial is one that has yet to be prepared.
func (b *bench) trial(t testing.TB, e *dockertest.Engine, part string, good bool) *trial {
	return &trial{
		TB: t, bench: b, engine: e, name: e.Name(part), scope: e.Name(part),
		reference: b.registry + "/" + e.Name(part) + ":1", data: filepath.Join(t.TempDir(), part), good: good,
	}
}

// prepare starts a container, with settings and data that must survive, and
// publishes another image for it.
func (x *trial) prepare() {
	x.Helper()
	x.old = x.make("VERSION=1")
	change := "VERSION=2 FORMAT=2"
	if !x.good {
		change += " CRASH=true"
	}
	x.new = x.make(change)
	// As if another machine had built it: whoever wants it has to pull.
	x.must("POST", "/images/"+x.old+"/tag?repo="+x.registry+"/"+x.name+"&tag=1", nil, nil)
	x.must("DELETE", "/images/"+x.new+"?force=1", nil, nil)
	labels := map[string]string{"refit.enable": "true", "refit.scope": x.scope, "colour": "red"}
	maps.Copy(labels, x.labels)
	x.launch(map[string]any{"Labels": labels})
	if x.guest != nil {
		x.guest.arrive()
	}
}

// launch starts the container.
func (x *trial) launch(more map[string]any) {
	x.Helper()
	host := map[string]any{"Memory": 64 << 20, "RestartPolicy": map[string]any{"Name": x.restart}}
	body := map[string]any{
		"Image": x.reference, "Env": []string{"COLOUR=blue"}, "Volumes": map[string]any{"/data": map[string]any{}},
		"HostConfig": host,
	}
	maps.Copy(body, more)
	if x.host != nil {
		host["NetworkMode"] = "container:" + x.host.before.ID
	}
	var made struct{ ID string }
	x.must("POST", "/containers/create?name="+x.name, body, &made)
	x.must("PUT", "/containers/"+made.ID+"/archive?path=/data", archive("proof", x.name), nil)
	x.must("POST", "/containers/"+made.ID+"/start", nil, nil)
	x.must("GET", "/containers/"+made.ID+"/json", nil, &x.before)
}

// make builds an image of the reference, pushes it, and returns its id.
func (x *trial) make(environment string) string {
	x.Helper()
	// Without the cache: the engine looks for it among all that others have made from
	// the base, and fails if one of these is being removed.
	file := fmt.Sprintf("FROM %s\nENV TRIAL=%s %s\n%s\n", x.base, x.name, environment, x.build)
	x.must("POST", "/build?forcerm=1&nocache=1&t="+x.reference, archive("Dockerfile", file), nil)
	var made struct{ ID string }
	x.must("GET", "/images/"+x.reference+"/json", nil, &made)
	x.engine.Push(x.reference)
	return made.ID
}

func (x *trial) must(method, path string, body, out any) {
	x.Helper()
	if err := x.call(method, path, body, out); err != nil {
		x.Fatal(err)
	}
}

// forget removes what a container's end does not take with it, also where the
// names by which the engine's test would know it have gone.
func (x *trial) forget() {
	for _, path := range []string{"/images/" + x.new, "/images/" + x.old} {
		_ = x.call("DELETE", path+"?force=1", nil, nil) // most are gone
	}
	if x.guest != nil {
		x.guest.forget()
	}
	for tag := range x.kept() {
		_ = x.call("DELETE", "/images/"+tag, nil, nil) // after a failure only
	}
}

// refit is the program, with nothing of this test's surroundings.
func (x *trial) refit(ctx context.Context, host, name string, args ...string) *exec.Cmd {
	args = append([]string{name, "--scope", x.scope, "--data", x.data, "--host", host}, args...)
	cmd := x.command(ctx, x.program, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + x.data, "DOCKER_CONFIG=" + x.data,
		"REFIT_GATE_STABLE=500ms", "REFIT_REGISTRY_TIMEOUT=5s",
	}
	cmd.Env = append(cmd.Env, x.env...)
	cmd.WaitDelay = time.Second
	return cmd
}

// runningRefit is a refit at work.
type runningRefit struct {
	*trial
	cmd   *exec.Cmd
	out   bytes.Buffer
	err   error
	ended chan struct{} // closed when it has ended and err is set
	late  bool
}

// start starts refit. A refit that does not end within the time for it is killed.
func (x *trial) start(host, name string, args ...string) *runningRefit {
	x.Helper()
	r := &runningRefit{trial: x, ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(x.Context(), ending)
	r.cmd = x.refit(ctx, host, name, args...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		cancel()
		x.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		defer cancel()
		r.err = r.cmd.Wait()
		r.late = ctx.Err() != nil
	}()
	return r
}

// wait returns the exit code, -1 if it was killed, and what was said.
func (r *runningRefit) wait() (code int, output string) {
	r.Helper()
	<-r.ended
	var ended *exec.ExitError
	switch {
	case r.late:
		r.Errorf("refit did not end within %s:\n%s", ending, &r.out)
	case r.err != nil && !errors.As(r.err, &ended):
		r.Fatal(r.err)
	}
	return r.cmd.ProcessState.ExitCode(), r.out.String()
}

// update starts refit update with its calls going through p.
func (x *trial) update(p *interceptor) *runningRefit {
	x.Helper()
	if p.only = x.name; x.guest != nil {
		p.only = x.engine.Prefix()
	}
	r := x.start(p.host, "update")
	p.runs(r.cmd.Process)
	return r
}

// recover runs a fresh refit recover, straight at the engine, and wants it to
// have been quick and to be content.
func (x *trial) recover() (took time.Duration, output string) {
	x.Helper()
	began := time.Now()
	code, output := x.start("unix://"+x.socket, "recover").wait()
	took = time.Since(began)
	if code != exitDone && code != exitRolledBack {
		x.Errorf("refit recover: exit code %d", code)
	}
	if took > recovery {
		x.Errorf("refit recover took %s", took)
	}
	return took, output
}

// loseLedger removes the data directory.
func (x *trial) loseLedger() {
	x.Helper()
	if err := os.RemoveAll(x.data); err != nil {
		x.Fatal(err)
	}
}

// kept returns the second tags that this trial's refit made: tag → image id.
func (x *trial) kept() map[string]string {
	x.Helper()
	var info struct{ ID string }
	x.must("GET", "/info", nil, &info)
	s := session{program: &program{config: config{data: x.data}}, engine: docker.Info{ID: info.ID}}
	s.settings.Scope = x.scope
	var images []struct {
		ID       string
		RepoTags []string
	}
	x.must("GET", "/images/json", nil, &images)
	tags := map[string]string{}
	for _, i := range images {
		for _, tag := range i.RepoTags {
			if strings.HasPrefix(tag, core.KeptRepository+":") && (i.ID == x.old || i.ID == x.new || strings.Contains(tag, s.owner())) {
				tags[tag] = i.ID
			}
		}
	}
	return tags
}
