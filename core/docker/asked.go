package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
)

// Asked is how a container was asked for, as far as core.Container does not tell.
type Asked struct {
	// Args are what its program was given.
	Args []string
	// Env is its whole environment, what its image says included. It holds secrets: no
	// output shows a value of which it is not known that it is none.
	Env map[string]string
	// Mounts are what is in place.
	Mounts []core.Mount
	// Networks are those that it was put into, by name: "host" for the host's, none for
	// the engine's default.
	Networks []string
}

// Asked reads how a container was asked for. It changes nothing.
func (c *Client) Asked(ctx context.Context, id string) (Asked, error) {
	if err := c.ready(ctx); err != nil {
		return Asked{}, err
	}
	var found container.InspectResponse
	if err := c.inspectContainer(ctx, id, &found); err != nil {
		return Asked{}, fmt.Errorf("inspect %s: %w", id, err)
	}
	if found.ContainerJSONBase == nil || found.Config == nil {
		return Asked{}, fmt.Errorf("inspect %s: what answers is no container engine", id)
	}
	asked := Asked{Args: found.Args, Env: map[string]string{}, Mounts: mountsOf(found), Networks: networksOf(found)}
	for _, one := range found.Config.Env {
		name, value, _ := strings.Cut(one, "=")
		asked.Env[name] = value
	}
	return asked, nil
}

func networksOf(c container.InspectResponse) []string {
	switch {
	case c.HostConfig == nil || c.HostConfig.NetworkMode.IsDefault() || c.HostConfig.NetworkMode.IsBridge():
		return nil
	case c.NetworkSettings == nil || len(c.NetworkSettings.Networks) == 0:
		return []string{string(c.HostConfig.NetworkMode)}
	}
	return slices.Sorted(maps.Keys(c.NetworkSettings.Networks))
}
