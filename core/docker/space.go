package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/image"

	"github.com/refit-dev/refit/core"
)

// Free returns how much room is left on the disk with the engine's images, for the
// engine, which is root. Its error says why this process cannot know that.
func (c *Client) Free(ctx context.Context) (core.Size, error) {
	if err := c.ready(ctx); err != nil {
		return 0, err
	}
	info, err := c.api.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the engine where its images are: %w", err)
	}
	inContainerd := slices.ContainsFunc(info.DriverStatus, func(row [2]string) bool {
		return strings.Contains(row[1], "io.containerd.snapshotter")
	})
	if inContainerd {
		return 0, errors.New("the engine has its images in containerd's store, and does not say where that is")
	}
	place, err := c.onItsDisk(ctx, info.Name, info.DockerRootDir)
	if err != nil {
		return 0, err
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(place, &s); err != nil {
		return 0, fmt.Errorf("look at the disk of %s: %w", place, err)
	}
	return core.Size(s.Bfree) * core.Size(s.Bsize), nil
}

// onItsDisk returns a file or a folder of this process's that is on the same disk as
// the engine's own folder.
func (c *Client) onItsDisk(ctx context.Context, host, root string) (string, error) {
	if Self() != "" {
		return c.mountedFromIt(ctx)
	}
	if !strings.HasPrefix(c.host, "unix://") {
		return "", errors.New("the engine is not reached by a socket of this machine's")
	}
	// A socket may be another machine's, by ssh. Its folder would have the same name.
	here, err := os.Hostname()
	if err != nil || here != host {
		return "", fmt.Errorf("the engine is on another host, %s", host)
	}
	if root == "" {
		return "", errors.New("the engine does not say where its images are")
	}
	return root, nil
}

// mountedFromIt is for who runs in a container: the engine mounts a container's
// /etc/hostname, /etc/hosts and /etc/resolv.conf from its own folder.
func (c *Client) mountedFromIt(ctx context.Context) (string, error) {
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // an empty file names nothing
	id, file := ofEngine(string(mounts))
	if file == "" {
		return "", errors.New("nothing in this container is on the engine's own disk")
	}
	here, err := c.Look(ctx, id)
	if err != nil {
		return "", fmt.Errorf("look for our own container: %w", err)
	}
	if !here.Exists() {
		return "", errors.New("another engine runs this container")
	}
	return file, nil
}

// LayerIDs returns the diff ids of all layers of the engine's images. It inspects each
// image.
func (c *Client) LayerIDs(ctx context.Context) (map[string]bool, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	all, err := c.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	ids := map[string]bool{}
	for _, one := range all {
		found, err := c.api.ImageInspect(ctx, one.ID)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("inspect an image: %w", err)
		}
		for _, layer := range found.RootFS.Layers {
			ids[layer] = true
		}
	}
	return ids, nil
}
