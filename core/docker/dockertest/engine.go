// Package dockertest gives tests a Docker Engine: the one of this machine, on
// which they may only touch what they have made themselves, or one of their own in
// its own network namespace.
//
// It knows nothing of Refit: what is done to the containers is the tests' business.
package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
)

// Fixture is where the static program of package cmd/fixture is in the images
// that Image makes.
const Fixture = "/fixture"

// tidyTime is how long the clean-up of a test may take.
const tidyTime = 2 * time.Minute

// Engine is an engine with a name that is this test's own. Everything made under
// that name is removed when the test ends, also if it fails.
type Engine struct {
	API  *client.Client
	Host string // "unix:///var/run/docker.sock"

	t      testing.TB
	prefix string

	mu     sync.Mutex
	images []string // ids of images that may have lost their names
}

// New connects to the engine that DOCKER_HOST names, else to the machine's own.
// Where none answers the test is skipped, or fails if REFIT_ENGINE=required.
func New(t testing.TB) *Engine {
	t.Helper()
	host := os.Getenv(client.EnvOverrideHost)
	if host == "" {
		host = client.DefaultDockerHost
	}
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation())
	if err == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = api.Ping(ctx)
	}
	if err != nil {
		Missing(t, "no engine answers at "+host+": "+err.Error())
	}
	return connected(t, api, host)
}

// Missing skips the test because of what is not there, or fails it if
// REFIT_ENGINE=required.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("REFIT_ENGINE") == "required" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func connected(t testing.TB, api *client.Client, host string) *Engine {
	e := &Engine{API: api, Host: host, t: t, prefix: "refit-test-" + random()}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
		defer cancel()
		e.tidy(ctx)
		api.Close()
	})
	return e
}

func random() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Name returns a name that is this test's own: for containers, networks and
// volumes, and as the last part of an image's repository.
func (e *Engine) Name(part string) string { return e.prefix + "-" + part }

// Prefix is what all names of this test begin with.
func (e *Engine) Prefix() string { return e.prefix }

// Image makes an image that holds the fixture program and nothing else, with the
// configuration that the Dockerfile instructions in changes say (ENV, CMD,
// ENTRYPOINT, LABEL, EXPOSE, VOLUME, USER, WORKDIR, HEALTHCHECK; older engines take
// no others), tags it and returns its id. Each call makes a new image, also with
// the same changes.
func (e *Engine) Image(reference string, changes ...string) string {
	e.t.Helper()
	archive, err := layer()
	if err != nil {
		e.t.Fatalf("make the image %s: %v", reference, err)
	}
	// Only a difference in its configuration makes two images differ.
	changes = append(slices.Clone(changes), "LABEL dockertest="+random())
	stream, err := e.API.ImageImport(e.t.Context(),
		image.ImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, reference, image.ImportOptions{Changes: changes})
	if err == nil {
		defer stream.Close()
		err = jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil)
	}
	if err != nil {
		e.t.Fatalf("make the image %s: %v", reference, err)
	}
	made, err := e.API.ImageInspect(e.t.Context(), reference)
	if err != nil {
		e.t.Fatalf("make the image %s: %v", reference, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images = append(e.images, made.ID)
	return made.ID
}

// Push pushes the tag to its registry, which asks for no credentials, and
// returns the digest that it has there.
func (e *Engine) Push(reference string) string {
	e.t.Helper()
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.PushAs(reference, auth)
}

// PushAs is Push with a value for the X-Registry-Auth header.
func (e *Engine) PushAs(reference, auth string) string {
	e.t.Helper()
	stream, err := e.API.ImagePush(e.t.Context(), reference, image.PushOptions{RegistryAuth: auth})
	if err == nil {
		defer stream.Close()
		err = jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil)
	}
	if err != nil {
		e.t.Fatalf("push %s: %v", reference, err)
	}
	pushed, err := e.API.ImageInspect(e.t.Context(), reference)
	if err != nil {
		e.t.Fatalf("push %s: %v", reference, err)
	}
	repository := reference[:strings.LastIndex(reference, ":")]
	for _, name := range pushed.RepoDigests {
		if digest, found := strings.CutPrefix(name, repository+"@"); found {
			return digest
		}
	}
	e.t.Fatalf("push %s: the engine has no digest of it: %v", reference, pushed.RepoDigests)
	return ""
}

// Pull pulls a tag from its registry, which asks for no credentials.
func (e *Engine) Pull(reference string) {
	e.t.Helper()
	stream, err := e.API.ImagePull(e.t.Context(), reference, image.PullOptions{})
	if err == nil {
		defer stream.Close()
		err = jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil)
	}
	if err != nil {
		e.t.Fatalf("pull %s: %v", reference, err)
	}
}

// Container makes a container, without starting it, and returns its id.
func (e *Engine) Container(name string, config *container.Config, host *container.HostConfig, networks *network.NetworkingConfig) string {
	e.t.Helper()
	made, err := e.API.ContainerCreate(e.t.Context(), config, host, networks, nil, name)
	if err != nil {
		e.t.Fatalf("create %s: %v", name, err)
	}
	return made.ID
}

// Path is where this process finds a file that the engine calls by this name. An
// engine in a mount namespace of its own, as .ci/engines starts it, mounts a volume
// where nobody else sees it.
func (e *Engine) Path(name string) string {
	return filepath.Join("/", os.Getenv("REFIT_ENGINE_ROOT"), name)
}

// Start starts a container.
func (e *Engine) Start(id string) {
	e.t.Helper()
	if err := e.API.ContainerStart(e.t.Context(), id, container.StartOptions{}); err != nil {
		e.t.Fatalf("start %s: %v", id, err)
	}
}

// Inspect looks at a container that must be there.
func (e *Engine) Inspect(nameOrID string) container.InspectResponse {
	e.t.Helper()
	found, err := e.API.ContainerInspect(e.t.Context(), nameOrID)
	if err != nil {
		e.t.Fatalf("inspect %s: %v", nameOrID, err)
	}
	return found
}

// Wait waits until the container is as ok wants it, and fails the test if it
// is not within half a minute.
func (e *Engine) Wait(nameOrID, what string, ok func(container.InspectResponse) bool) container.InspectResponse {
	e.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		found := e.Inspect(nameOrID)
		if ok(found) {
			return found
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("%s is not %s after 30s: %+v", nameOrID, what, found.State)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ReadFile returns what is in a file of a container, running or not.
func (e *Engine) ReadFile(id, name string) string {
	e.t.Helper()
	stream, _, err := e.API.CopyFromContainer(e.t.Context(), id, name)
	if err != nil {
		e.t.Fatalf("read %s of %s: %v", name, id, err)
	}
	defer stream.Close()
	archive := tar.NewReader(stream)
	if _, err := archive.Next(); err != nil {
		e.t.Fatalf("read %s of %s: %v", name, id, err)
	}
	content, err := io.ReadAll(archive)
	if err != nil {
		e.t.Fatalf("read %s of %s: %v", name, id, err)
	}
	return string(content)
}

// Network makes a bridge network, with the subnet if that is not "", and returns its id.
func (e *Engine) Network(name, subnet string) string {
	e.t.Helper()
	options := network.CreateOptions{Driver: "bridge"}
	if subnet != "" {
		options.IPAM = &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}
	}
	made, err := e.API.NetworkCreate(e.t.Context(), name, options)
	if err != nil {
		e.t.Fatalf("create the network %s: %v", name, err)
	}
	return made.ID
}

// fixture builds the static program once for the whole test process.
var fixture = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "refit-fixture-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is in the folder for temporary files
	name := filepath.Join(dir, "fixture")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, "github.com/refit-dev/refit/cmd/fixture")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the fixture: %w\n%s", err, out)
	}
	program, err := os.ReadFile(name)
	return string(program), err
})

// layer is the file system of an image: the program, and a place for its files.
var layer = sync.OnceValues(func() ([]byte, error) {
	program, err := fixture()
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range []string{"tmp/", "data/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o1777}); err != nil {
			return nil, err
		}
	}
	err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: Fixture[1:], Mode: 0o755, Size: int64(len(program))})
	if err == nil {
		_, err = io.WriteString(w, program)
	}
	if err == nil {
		err = w.Close()
	}
	return archive.Bytes(), err
})
