package docker

import (
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
)

// Self returns the full id of the container that this process runs in, "" where
// it runs in none that it can see. Where control groups do not tell, it may be the id of
// the container whose network this one shares: see Client.Self.
func Self() string {
	cgroup, _ := os.ReadFile("/proc/self/cgroup") // an empty file names nothing
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return selfFrom(string(cgroup), string(mounts))
}

// Self finds the container that this process runs in; the zero Status where it runs in
// none that the engine knows. A container that shares another one's network has that
// one's files mounted, and then only its program tells which of them it is: where that
// does not tell either it is an error, because who takes another container for himself
// would do to it what he may do to himself only.
func (c *Client) Self(ctx context.Context) (core.Status, error) {
	id := Self()
	if id == "" {
		return core.Status{}, nil
	}
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	if selfFrom(string(cgroup), "") != id {
		var err error
		if id, err = c.amongGuests(ctx, id); err != nil {
			return core.Status{}, err
		}
	}
	return c.Look(ctx, id)
}

// amongGuests tells which it is, of a container and those that share its network.
func (c *Client) amongGuests(ctx context.Context, host string) (string, error) {
	all, err := c.api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("list the containers: %w", err)
	}
	ids := []string{host}
	for _, one := range all {
		if one.HostConfig.NetworkMode == "container:"+host {
			ids = append(ids, one.ID)
		}
	}
	if len(ids) == 1 {
		return host, nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find out what our own program is: %w", err)
	}
	var ours []string
	for _, id := range ids {
		var found container.InspectResponse
		if err := c.inspectContainer(ctx, id, &found); err != nil && !isNotFound(err) {
			return "", fmt.Errorf("inspect %s: %w", core.Short(id), err)
		}
		if found.ContainerJSONBase != nil && path.Base(found.Path) == path.Base(program) {
			ours = append(ours, id)
		}
	}
	if len(ours) != 1 {
		return "", fmt.Errorf("which of the containers that share the network of %s Refit runs in cannot be told: give it another network, or --cgroupns host", core.Short(host))
	}
	return ours[0], nil
}

var (
	inCgroup = regexp.MustCompile(`[/-]([0-9a-f]{64})\b`)
	inMount  = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)$`)
)

// selfFrom reads the two files that can tell. The control group comes first: a
// container that shares another one's network has that one's files mounted. With a
// control group namespace of its own it names nothing, and the mounts tell.
func selfFrom(cgroup, mounts string) string {
	for line := range strings.Lines(cgroup) {
		// A container inside of a container names both, the outer one first.
		if found := inCgroup.FindAllStringSubmatch(strings.TrimSpace(line), -1); len(found) > 0 {
			return found[len(found)-1][1]
		}
	}
	id, _ := ofEngine(mounts)
	return id
}

// ofEngine finds a file that the engine has mounted into a container from its own
// folder of that container, whose id that is.
func ofEngine(mounts string) (id, file string) {
	for line := range strings.Lines(mounts) {
		// The fourth field is what is mounted. The host sees the folders of all
		// containers too, but in the fifth, which is where it is mounted.
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasPrefix(fields[4], "/etc/") {
			continue
		}
		if found := inMount.FindStringSubmatch(fields[3]); found != nil {
			return found[1], fields[4]
		}
	}
	return "", ""
}
