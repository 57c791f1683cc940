package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
)

// memory is what inspections have told, so that a listing inspects only what may have
// changed since. It serves Containers alone: what a container is replaced by (Look,
// Snapshot, Differences) is always asked anew.
//
// An answer is taken from here only where two things vouch for it, each of which
// would do for almost everything. The engine's own list, which is asked for every
// time, says the same of the container's names, state, image and networks, or of the
// image's tags, digests and size, as it did before the inspection. And since before
// the inspection a stream of events has stood without interruption that told nothing of
// the container: an endpoint whose links were changed while the container was stopped
// shows in no list. Nothing else that core hears of can change under one id.
//
// Where no stream stands nothing is remembered, so a command that lists once or twice
// inspects everything. When a stream begins or ends all is forgotten.
//
// The environment and the like are not kept: see slimContainer.
type memory struct {
	containers shelf[container.InspectResponse]
	images     shelf[image.InspectResponse]
}

// begin is called when a stream of events has come to stand, end when it is lost.
func (m *memory) begin() {
	m.containers.watch(1)
	m.images.watch(1)
}

func (m *memory) end() {
	m.containers.watch(-1)
	m.images.watch(-1)
}

// heed forgets what an event casts doubt on.
func (m *memory) heed(e events.Message) {
	switch e.Type {
	case events.ContainerEventType:
		m.containers.forget(e.Actor.ID)
	case events.NetworkEventType:
		m.containers.forget(e.Actor.Attributes["container"])
	case events.ImageEventType:
		// An image can lose what it says when another one goes that shares a layer with
		// it: see mute.
		m.images.clear()
	}
}

// proofOfContainer leaves out what changes without meaning anything here ("Up 3 hours"),
// and what never changes. A list that lacks something, as those of other engines may,
// proves nothing.
func proofOfContainer(c container.Summary) proof {
	if len(c.Names) == 0 || c.State == "" || c.ImageID == "" || c.HostConfig.NetworkMode == "" ||
		c.NetworkSettings == nil || c.NetworkSettings.Networks == nil {
		return proof{}
	}
	names := slices.Clone(c.Names) // its legacy aliases are among them
	slices.Sort(names)
	return proofOf(struct {
		Names                   []string
		State, Image, ImageMode string
		Networks                map[string]*network.EndpointSettings
	}{names, string(c.State), c.ImageID, c.HostConfig.NetworkMode, c.NetworkSettings.Networks})
}

// proofsOfImages are of all images that the engine lists, by id. While nothing is
// remembered none are needed.
func (c *Client) proofsOfImages(ctx context.Context) (map[string]proof, error) {
	if !c.memory.images.watched() {
		return nil, nil
	}
	all, err := c.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, err
	}
	proofs := map[string]proof{}
	for _, i := range all {
		slices.Sort(i.RepoTags)
		slices.Sort(i.RepoDigests)
		proofs[i.ID] = proofOf(struct {
			Tags, Digests []string
			Size          int64
		}{i.RepoTags, i.RepoDigests, i.Size})
	}
	return proofs, nil
}

// slimContainer leaves what a census has a use for. It is a small part of an answer, and
// the rest, the environment among it, may hold secrets.
func slimContainer(c container.InspectResponse) container.InspectResponse {
	if c.ContainerJSONBase == nil || c.State == nil || c.Config == nil || c.HostConfig == nil {
		return c // the census leaves it out
	}
	host, config := c.HostConfig, *c.Config
	config.Env, config.Cmd, config.Entrypoint = nil, nil, nil
	config.Healthcheck, config.ExposedPorts, config.Volumes = nil, nil, nil
	slim := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.ID, Name: c.Name, Image: c.Image, State: &container.State{Status: c.State.Status},
			HostConfig: &container.HostConfig{
				NetworkMode: host.NetworkMode, IpcMode: host.IpcMode, PidMode: host.PidMode,
				PortBindings: host.PortBindings, RestartPolicy: host.RestartPolicy, AutoRemove: host.AutoRemove,
				VolumesFrom: host.VolumesFrom, Links: host.Links,
				Resources: container.Resources{Devices: host.Devices, DeviceRequests: host.DeviceRequests},
			},
		},
		Mounts: c.Mounts, Config: &config, ImageManifestDescriptor: c.ImageManifestDescriptor,
	}
	if c.NetworkSettings != nil {
		slim.NetworkSettings = &container.NetworkSettings{Networks: c.NetworkSettings.Networks}
	}
	return slim
}

// slimImage drops what a census has no use for.
func slimImage(i image.InspectResponse) image.InspectResponse {
	slim := image.InspectResponse{
		ID: i.ID, RepoTags: i.RepoTags, RepoDigests: i.RepoDigests, Os: i.Os, Architecture: i.Architecture, Variant: i.Variant,
	}
	if i.Config != nil {
		config := *i.Config
		config.Env, config.Cmd, config.Entrypoint, config.Healthcheck = nil, nil, nil, nil
		slim.Config = &config
	}
	return slim
}

// constant tells whether what was told of a container can be proved later. What it says
// of legacy links cannot: they follow the names of others.
func constant(c container.InspectResponse) bool {
	return c.ContainerJSONBase != nil && c.HostConfig != nil && len(c.HostConfig.Links) == 0
}
