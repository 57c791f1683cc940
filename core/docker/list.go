package docker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/refit-dev/refit/core"
)

// inspections is how many containers or images are looked at at the same time.
const inspections = 8

// Containers returns every container of the engine, running or not. One that
// vanishes while it is being looked at is left out. While Watch is at work, only
// those are inspected that may have changed since the last time, see memory.
func (c *Client) Containers(ctx context.Context) ([]core.Container, error) {
	v, err := c.negotiate(ctx)
	if err != nil {
		return nil, err
	}
	all, err := c.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list the containers: %w", err)
	}
	inspected, err := c.inspectListed(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("inspect the containers: %w", err)
	}
	census := census{engine: v, containers: inspected}
	if census.images, err = c.imagesOf(ctx, inspected); err != nil {
		return nil, fmt.Errorf("inspect the containers' images: %w", err)
	}
	networks, err := c.api.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the networks: %w", err)
	}
	for _, n := range networks {
		census.networks = append(census.networks, n.Name, n.ID)
		if n.Name == network.NetworkBridge {
			census.networks = append(census.networks, podmansBridge)
		}
		if n.Driver == macvlan {
			census.macvlans = append(census.macvlans, n.Name)
		}
	}
	return census.describe(), nil
}

// inspectListed inspects the containers of a list, as far as that is needed.
func (c *Client) inspectListed(ctx context.Context, all []container.Summary) ([]container.InspectResponse, error) {
	var ids []string
	proofs := map[string]proof{}
	for _, one := range all {
		ids = append(ids, one.ID)
		proofs[one.ID] = proofOfContainer(one)
	}
	return c.memory.containers.consult(ctx, ids, proofs, func(ctx context.Context, id string) (container.InspectResponse, bool, error) {
		var found container.InspectResponse
		err := c.inspectContainer(ctx, id, &found)
		return slimContainer(found), constant(found), err
	})
}

// imagesOf inspects the containers' images, each once, as far as that is needed.
func (c *Client) imagesOf(ctx context.Context, all []container.InspectResponse) (map[string]image.InspectResponse, error) {
	var ids []string
	seen := map[string]bool{}
	for _, one := range all {
		if one.ContainerJSONBase != nil && !seen[one.Image] {
			seen[one.Image] = true
			ids = append(ids, one.Image)
		}
	}
	proofs, err := c.proofsOfImages(ctx)
	if err != nil {
		return nil, err
	}
	inspected, err := c.memory.images.consult(ctx, ids, proofs, func(ctx context.Context, id string) (image.InspectResponse, bool, error) {
		var found image.InspectResponse
		err := c.inspectImage(ctx, id, &found)
		return slimImage(found), found.Os != "", err
	})
	if err != nil {
		return nil, err
	}
	images := map[string]image.InspectResponse{}
	for _, one := range inspected {
		if one.Os != "" { // else it is mute
			images[one.ID] = one
		}
	}
	return images, nil
}

// inspect asks about each id, several at a time, and leaves out what is not
// there any more. The answers are in the order of the ids.
func inspect[T any](ctx context.Context, ids []string, ask func(context.Context, string) (T, error)) ([]T, error) {
	answers, errs := make([]T, len(ids)), make([]error, len(ids))
	places := make(chan struct{}, inspections)
	var running sync.WaitGroup
	for i, id := range ids {
		places <- struct{}{}
		running.Go(func() {
			answers[i], errs[i] = ask(ctx, id)
			<-places
		})
	}
	running.Wait()
	var there []T
	for i, err := range errs {
		switch {
		case isNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("%s: %w", core.Short(ids[i]), err)
		default:
			there = append(there, answers[i])
		}
	}
	return there, nil
}

// census is what there is on an engine, at one moment. Nothing in it is nil that
// an engine always sends, see describe.
type census struct {
	engine     version
	containers []container.InspectResponse
	images     map[string]image.InspectResponse // by id
	networks   []string                         // their names and ids
	macvlans   []string                         // the names of those that are macvlans

	// What follows is worked out by describe.

	byHandle map[string]string   // name or id → name
	members  map[string][]string // services, as serviceOf tells them → the ids of their containers
}

// describe turns the engine's words into core's.
func (s census) describe() []core.Container {
	s.index()
	var all []core.Container
	for _, c := range s.containers {
		if c.ContainerJSONBase == nil || c.State == nil || c.Config == nil || c.HostConfig == nil {
			continue // no engine answers so; a proxy might
		}
		all = append(all, s.one(c))
	}
	return all
}

// index makes it cheap to find one container among a thousand. An id comes before a
// name that reads like it, as for the engine.
func (s *census) index() {
	s.byHandle, s.members = map[string]string{}, map[string][]string{}
	for _, c := range s.containers {
		if c.ContainerJSONBase == nil {
			continue
		}
		s.byHandle[nameOf(c)] = nameOf(c)
		if c.Config == nil || isOneOff(c.Config.Labels) {
			continue
		}
		if service := serviceOf(c.Config.Labels); service != "" {
			s.members[service] = append(s.members[service], c.ID)
		}
	}
	for _, c := range s.containers {
		if c.ContainerJSONBase != nil {
			s.byHandle[c.ID] = nameOf(c)
		}
	}
}

func (s census) one(c container.InspectResponse) core.Container {
	described := core.Container{
		ID: c.ID, Name: nameOf(c), State: core.State(c.State.Status), Labels: c.Config.Labels,
		DependsOn: s.dependencies(c), Tethers: s.tethers(c), Mounts: mountsOf(c),
		Restarts: s.restarts(c), Service: serviceOf(c.Config.Labels),
		Exclusive: s.exclusive(c),
	}
	described.Image = core.Image{ID: c.Image, Reference: core.Reference{Text: c.Config.Image}}
	var inherited map[string]string
	i, known := s.images[c.Image]
	if !known {
		described.ImageGone = true
		described.Image.Digest, described.Image.Platform = s.digest(c)
	}
	if known {
		described.RepoDigests = parseAll(i.RepoDigests)
		described.Image.Platform = s.engine.differs(i.Os, i.Architecture, i.Variant)
		if i.Config != nil {
			inherited = i.Config.Labels
		}
	}
	described.ImageLabels = inherited
	if value := c.Config.Labels[core.MarkLabel]; value != "" && inherited[core.MarkLabel] != value {
		described.Mark = core.ParseMark(value)
	}
	o := obstacles{census: s, container: c, inherited: inherited}
	described.Image.Reference = o.reference(i)
	described.Obstacles = o.all()
	return described
}

// digest tells by which digest registries know a container's image. Where images are
// in containerd's store their ids are their digests, of the index where there is one,
// and the container has a descriptor of the very manifest (API 1.48).
func (s census) digest(c container.InspectResponse) (string, core.Platform) {
	manifest := c.ImageManifestDescriptor
	if manifest == nil {
		return "", core.Platform{}
	}
	if p := manifest.Platform; p != nil {
		return c.Image, s.engine.differs(p.OS, p.Architecture, p.Variant)
	}
	return c.Image, core.Platform{}
}

// mountsOf are what the engine has mounted or would mount, in the order of their
// places: an engine's own order changes from one answer to the next.
func mountsOf(c container.InspectResponse) []core.Mount {
	var mounts []core.Mount
	for _, m := range c.Mounts {
		mounts = append(mounts, core.Mount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination, ReadOnly: !m.RW,
		})
	}
	slices.SortFunc(mounts, func(a, b core.Mount) int { return strings.Compare(a.Destination, b.Destination) })
	return mounts
}

func nameOf(c container.InspectResponse) string { return strings.TrimPrefix(c.Name, "/") }
