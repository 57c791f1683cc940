package docker

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/refit-dev/refit/core"
)

// shortID is how many digits of an id people and the docker command use.
const shortID = 12

// obstacles collects why a container cannot be copied faithfully.
type obstacles struct {
	census    census
	container container.InspectResponse
	inherited map[string]string // the labels of its image
	found     []core.Reason
}

func (o *obstacles) add(code core.Code, format string, args ...any) {
	o.found = append(o.found, core.Reason{Code: code, Text: fmt.Sprintf(format, args...)})
}

// reference takes apart what the container was created from. A bare id cannot be
// followed; the image's tag can, if there is just one.
func (o *obstacles) reference(i image.InspectResponse) core.Reference {
	text := o.container.Config.Image
	if isID(text, o.container.Image, i.RepoTags) {
		tags := slices.DeleteFunc(parseAll(i.RepoTags), func(r core.Reference) bool { return isKept(r) })
		if len(tags) == 1 {
			return tags[0]
		}
		o.add(core.BadReference, "it was created from the image id %s, and that image has %d tags: which one to follow is unknown",
			core.Short(text), len(tags))
		return core.Reference{Text: text}
	}
	r, err := ParseReference(text)
	if err != nil {
		o.add(core.BadReference, "%s", err.Error())
	}
	return r
}

// isKept tells whether a tag is one of ours, which keeps an image from being pruned.
func isKept(r core.Reference) bool {
	kept, err := ParseReference(core.KeptRepository)
	return err == nil && r.Repository == kept.Repository
}

// all returns everything that is in the way, the weightiest first.
func (o *obstacles) all() []core.Reason {
	c := o.container
	switch state := core.State(c.State.Status); state {
	case core.Dead, core.Removing:
		o.add(core.Unsupported, "it is %s: the engine is about to remove it, or has tried to", state)
	}
	if c.HostConfig.AutoRemove {
		o.add(core.Unsupported, "it was started with --rm: it vanishes when it is stopped, so that nothing could be rolled back")
	}
	if policy := c.HostConfig.RestartPolicy; o.census.engine.keepsPolicies() && !policy.IsNone() {
		o.add(core.Unsupported, "Podman before %s cannot change a restart policy, and it has one (%s)", policyChange, policy.Name)
	}
	o.managed()
	o.gone()
	return o.found
}

// managed finds the containers that somebody else looks after.
func (o *obstacles) managed() {
	labels := maps.Clone(o.container.Config.Labels)
	// What the image says of itself is not about this container.
	maps.DeleteFunc(labels, func(name, value string) bool { return o.inherited[name] == value })
	has := func(prefix string) bool {
		for name := range labels {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	}
	if has("com.docker.swarm.") {
		o.add(core.Unsupported, "it is a task of a Swarm service: update the service")
	}
	if has("io.kubernetes.") {
		o.add(core.Unsupported, "it belongs to Kubernetes: update the workload")
	}
	if unit := labels["PODMAN_SYSTEMD_UNIT"]; unit != "" {
		o.add(core.Unsupported, "it belongs to the systemd unit %s, which would make it again", unit)
	}
	if isOneOff(labels) {
		o.add(core.Unsupported, "it is a one-off of compose run: it is not meant to be there for long")
	}
	if strings.HasPrefix(nameOf(o.container), "buildx_buildkit_") {
		o.add(core.Unsupported, "it is a builder of docker buildx: use docker buildx")
	}
}

// gone finds what the container uses and what is not there any more.
func (o *obstacles) gone() {
	shared := namespaces(o.container)
	for _, what := range slices.Sorted(maps.Keys(shared)) {
		if _, there := o.census.find(shared[what]); !there {
			o.add(core.Unsupported, "it shares the %s namespace of the container %s, which is gone", what, core.Short(shared[what]))
		}
	}
	for _, target := range volumesFrom(o.container) {
		if _, there := o.census.find(target); !there {
			o.add(core.Unsupported, "it uses the volumes of the container %s, which is gone", target)
		}
	}
	for _, name := range o.usedNetworks() {
		known := func(known string) bool {
			return known == name || len(name) >= shortID && strings.HasPrefix(known, name) // the mode may be a short id
		}
		if !slices.ContainsFunc(o.census.networks, known) {
			o.add(core.Unsupported, "its network %s is gone", name)
		}
	}
}

// usedNetworks are those that the container is in, and the one of its mode.
func (o *obstacles) usedNetworks() []string {
	mode := o.container.HostConfig.NetworkMode
	if !networked(string(mode)) {
		return nil
	}
	var names []string
	if mode.IsUserDefined() {
		names = append(names, string(mode))
	}
	if o.container.NetworkSettings != nil {
		names = append(names, slices.Collect(maps.Keys(o.container.NetworkSettings.Networks))...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
