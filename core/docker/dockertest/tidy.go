package dockertest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// tidy removes everything that carries the test's name, and the anonymous volumes
// and images that hung on it. What cannot be removed is told, and fails the test.
func (e *Engine) tidy(ctx context.Context) {
	e.tidyContainers(ctx)
	networks, err := e.API.NetworkList(ctx, network.ListOptions{Filters: e.named()})
	e.told("list the networks", err)
	for _, n := range networks {
		e.told("remove the network "+n.Name, e.API.NetworkRemove(ctx, n.ID))
	}
	volumes, err := e.API.VolumeList(ctx, volume.ListOptions{Filters: e.named()})
	e.told("list the volumes", err)
	for _, v := range volumes.Volumes {
		e.told("remove the volume "+v.Name, e.API.VolumeRemove(ctx, v.Name, true))
	}
	e.tidyImages(ctx)
}

func (e *Engine) named() filters.Args { return filters.NewArgs(filters.Arg("name", e.prefix)) }

func (e *Engine) tidyContainers(ctx context.Context) {
	containers, err := e.API.ContainerList(ctx, container.ListOptions{All: true, Filters: e.named()})
	e.told("list the containers", err)
	anonymous := map[string]bool{}
	for _, c := range containers {
		for _, m := range c.Mounts {
			// A copy of a container names its anonymous volumes, and the engine
			// does not remove what has been named.
			if len(m.Name) == 64 && strings.Trim(m.Name, "0123456789abcdef") == "" {
				anonymous[m.Name] = true
			}
		}
		err := e.API.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		e.told("remove the container "+strings.Join(c.Names, " "), err)
	}
	for name := range anonymous {
		e.told("remove the volume "+name, e.API.VolumeRemove(ctx, name, true))
	}
}

func (e *Engine) tidyImages(ctx context.Context) {
	all, err := e.API.ImageList(ctx, image.ListOptions{All: true})
	e.told("list the images", err)
	var ours []string
	for _, i := range all {
		named := slices.ContainsFunc(slices.Concat(i.RepoTags, i.RepoDigests), func(name string) bool {
			return strings.Contains(name, e.prefix)
		})
		if named || slices.Contains(e.images, i.ID) {
			ours = append(ours, i.ID)
		}
	}
	// One that others were made from goes after them.
	for left := ours; len(left) > 0; {
		var refused []string
		for _, id := range left {
			_, err := e.API.ImageRemove(ctx, id, image.RemoveOptions{Force: true, PruneChildren: true})
			if err != nil && strings.Contains(err.Error(), "dependent child images") {
				refused = append(refused, id)
				continue
			}
			e.told("remove the image "+id, err)
		}
		if len(refused) == len(left) {
			e.told("remove images", fmt.Errorf("%v are in use", refused))
			return
		}
		left = refused
	}
}

// told reports an error, unless it says that what should go is gone.
func (e *Engine) told(what string, err error) {
	e.t.Helper()
	// The client's errors tell their kind to a package of another module only.
	gone := err != nil && strings.Contains(strings.ToLower(err.Error()), "no such")
	if err != nil && !gone {
		e.t.Errorf("tidy up: %s: %v", what, err)
	}
}
