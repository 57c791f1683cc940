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
	// Context is who its program runs as, and what it knows of the world. It and Others
	// are AskedInFull's to fill in.
	Context
	// Others are the flags of docker run that say what is set besides, without values:
	// "--privileged". Labels are not among them.
	Others []string
}

// Context is what a container has of a user, of names and of rules.
type Context struct {
	User     string
	Groups   []string // besides the user's own
	Hostname string   // "" where the engine made it up
	Hosts    []string // "NAME:ADDRESS"
	DNS      []string // addresses
	// Security are options of which each fits on a command line.
	Security []string
}

// Asked reads how a container was asked for. It changes nothing.
func (c *Client) Asked(ctx context.Context, id string) (Asked, error) {
	asked, _, err := c.inspectAsked(ctx, id)
	return asked, err
}

func (c *Client) inspectAsked(ctx context.Context, id string) (asked Asked, found container.InspectResponse, err error) {
	if err := c.ready(ctx); err != nil {
		return asked, found, err
	}
	if err := c.inspectContainer(ctx, id, &found); err != nil {
		return asked, found, fmt.Errorf("inspect %s: %w", id, err)
	}
	if found.ContainerJSONBase == nil || found.Config == nil {
		return asked, found, fmt.Errorf("inspect %s: what answers is no container engine", id)
	}
	asked = Asked{Args: found.Args, Env: map[string]string{}, Mounts: mountsOf(found), Networks: networksOf(found)}
	for _, one := range found.Config.Env {
		name, value, _ := strings.Cut(one, "=")
		asked.Env[name] = value
	}
	return asked, found, nil
}

// AskedInFull is Asked with Context and Others, for which the engine may be asked once more.
func (c *Client) AskedInFull(ctx context.Context, id string) (Asked, error) {
	asked, found, err := c.inspectAsked(ctx, id)
	if err != nil || found.HostConfig == nil {
		return asked, err
	}
	asked.Context = contextOf(found)
	if found.HostConfig.NetworkMode.IsHost() && asked.Hostname != "" {
		// The engine has put its host's name there, or somebody another one. One that does
		// not tell its name is believed to be called so.
		if host, err := c.api.Info(ctx); err != nil || host.Name == asked.Hostname {
			asked.Hostname = ""
		}
	}
	asked.Others = othersOf(*found.Config, *found.HostConfig)
	return asked, nil
}

func contextOf(c container.InspectResponse) Context {
	x := Context{
		User: c.Config.User, Groups: c.HostConfig.GroupAdd, Hostname: c.Config.Hostname,
		Hosts: c.HostConfig.ExtraHosts, DNS: c.HostConfig.DNS,
	}
	made := len(x.Hostname) >= shortID && strings.HasPrefix(c.ID, x.Hostname)
	if made || c.HostConfig.NetworkMode.IsContainer() || c.HostConfig.UTSMode.IsHost() {
		x.Hostname = ""
	}
	for _, option := range c.HostConfig.SecurityOpt {
		if !isProfile(option) {
			x.Security = append(x.Security, option)
		}
	}
	return x
}

// isProfile knows a security option that the docker command has made of a file, which is
// not known any more.
func isProfile(option string) bool { return strings.Contains(option, "{") }

// othersOf leaves out what an engine sets by itself.
func othersOf(c container.Config, h container.HostConfig) []string {
	var set []string
	for _, one := range []struct {
		flag string
		is   bool
	}{
		{"--privileged", h.Privileged},
		{"--cap-add", len(h.CapAdd) > 0},
		{"--cap-drop", len(h.CapDrop) > 0},
		{"--security-opt with a file", slices.ContainsFunc(h.SecurityOpt, isProfile)},
		{"--read-only", h.ReadonlyRootfs},
		{"--memory", h.Memory > 0},
		{"--memory-reservation", h.MemoryReservation > 0},
		{"--cpus", h.NanoCPUs > 0 || h.CPUQuota > 0},
		{"--cpu-shares", h.CPUShares > 0},
		{"--cpuset-cpus", h.CpusetCpus != ""},
		{"--pids-limit", h.PidsLimit != nil && *h.PidsLimit > 0},
		{"--ulimit", len(h.Ulimits) > 0},
		{"--device", len(h.Devices) > 0},
		{"--tmpfs", len(h.Tmpfs) > 0},
		{"--publish", len(h.PortBindings) > 0},
		{"--link", len(h.Links) > 0},
		{"--dns-search", len(h.DNSSearch) > 0},
		{"--dns-option", len(h.DNSOptions) > 0},
		{"--domainname", c.Domainname != ""},
		{"--pid", h.PidMode != ""},
		{"--uts", h.UTSMode != ""},
		{"--sysctl", len(h.Sysctls) > 0},
	} {
		if one.is {
			set = append(set, one.flag)
		}
	}
	return set
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
