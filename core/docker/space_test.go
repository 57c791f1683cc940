package docker_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

func TestTheRoomIsThatOnTheEnginesOwnDisk(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	info, err := e.API.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	free, err := c.Free(t.Context())
	if here, _ := os.Hostname(); here != info.Name || docker.Self() != "" {
		t.Skipf("not on the engine's host: %v", err)
	}
	for _, row := range info.DriverStatus {
		if row[0] == "driver-type" {
			if err == nil {
				t.Errorf("%s are free in a store that is nobody knows where", free)
			}
			return
		}
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(info.DockerRootDir, &s); err != nil {
		t.Fatal(err)
	}
	// Others write to the disk meanwhile.
	want := core.Size(s.Bfree) * core.Size(s.Bsize)
	if err != nil || free < want-want/10-1e9 || free > want+want/10+1e9 {
		t.Errorf("%s are free (%v), want about %s", free, err, want)
	}
}

func TestTheLayersOfTheEnginesImagesAreKnown(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	r := registrytest.New(t, registrytest.Options{})
	c := connect(t, e)
	id, err := c.Pull(t.Context(), offered(t, e, r, registrytest.For(runtime.GOARCH)), nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := e.API.ImageInspect(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := c.LayerIDs(t.Context())
	if err != nil || len(found.RootFS.Layers) != 1 || !ids[found.RootFS.Layers[0]] {
		t.Errorf("%v is not among %d (%v)", found.RootFS.Layers, len(ids), err)
	}
}
