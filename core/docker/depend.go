package docker

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// The labels by which compose says what a container is.
const (
	composeService   = "com.docker.compose.service"
	composeDependsOn = "com.docker.compose.depends_on"
	composeOneOff    = "com.docker.compose.oneoff"
)

// namespaces returns the containers whose namespaces c shares, as its settings
// name them: by full id, unless somebody used the API with a name.
func namespaces(c container.InspectResponse) map[string]string {
	targets := map[string]string{}
	for what, mode := range map[string]string{
		"network": string(c.HostConfig.NetworkMode), "ipc": string(c.HostConfig.IpcMode), "pid": string(c.HostConfig.PidMode),
	} {
		if target, shared := strings.CutPrefix(mode, "container:"); shared {
			targets[what] = target
		}
	}
	return targets
}

// volumesFrom returns the containers whose volumes c uses.
func volumesFrom(c container.InspectResponse) []string {
	var targets []string
	for _, from := range c.HostConfig.VolumesFrom {
		target, _, _ := strings.Cut(from, ":")
		targets = append(targets, target)
	}
	return targets
}

// legacyLinks returns the containers that c has a link to on the default bridge.
func legacyLinks(c container.InspectResponse) []string {
	var targets []string
	for _, l := range c.HostConfig.Links {
		target, _, _ := strings.Cut(l, ":")
		targets = append(targets, strings.TrimPrefix(target, "/"))
	}
	return targets
}

// find returns the name of the container that the engine would find for an id,
// a name, or the beginning of an id.
func (s census) find(nameOrID string) (string, bool) {
	if name, there := s.byHandle[strings.TrimPrefix(nameOrID, "/")]; there {
		return name, true
	}
	byPrefix := ""
	for _, c := range s.containers {
		if c.ContainerJSONBase != nil && nameOrID != "" && strings.HasPrefix(c.ID, nameOrID) {
			byPrefix = nameOf(c)
		}
	}
	return byPrefix, byPrefix != ""
}

// tethers names the containers that c cannot live without under their present id.
// Volumes that it has by a container's id stay what they are when that is gone, but
// nothing could ever be made with its settings again.
func (s census) tethers(c container.InspectResponse) []string {
	targets := legacyLinks(c)
	for _, target := range volumesFrom(c) {
		if name, _ := s.find(target); name != strings.TrimPrefix(target, "/") {
			targets = append(targets, target)
		}
	}
	for _, target := range namespaces(c) {
		targets = append(targets, target)
	}
	return s.names(c, targets)
}

// dependencies names the containers that must be brought up to date before c.
func (s census) dependencies(c container.InspectResponse) []string {
	targets := slices.Concat(legacyLinks(c), volumesFrom(c), s.composed(c))
	for _, target := range namespaces(c) {
		targets = append(targets, target)
	}
	if c.NetworkSettings != nil {
		for _, endpoint := range c.NetworkSettings.Networks {
			if endpoint == nil {
				continue
			}
			for _, l := range endpoint.Links {
				target, _, _ := strings.Cut(l, ":")
				targets = append(targets, target)
			}
		}
	}
	return s.names(c, targets)
}

// composed returns the containers of the services that compose's depends_on
// names: "db:service_started:false,cache:service_healthy:true".
func (s census) composed(c container.InspectResponse) []string {
	return s.services(c, func(string) bool { return true })
}

// restarts names those after whose replacement c is to be restarted: the third word
// of their part of depends_on is true.
func (s census) restarts(c container.InspectResponse) []string {
	return s.names(c, s.services(c, func(how string) bool {
		_, restart, _ := strings.Cut(how, ":")
		return restart == "true"
	}))
}

// services returns the containers of those services that depends_on names and wanted
// takes by what stands behind the name.
func (s census) services(c container.InspectResponse, wanted func(how string) bool) []string {
	project, value := c.Config.Labels[composeProject], c.Config.Labels[composeDependsOn]
	if project == "" || value == "" {
		return nil
	}
	services := map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		service, how, _ := strings.Cut(strings.TrimSpace(part), ":")
		services[service] = wanted(how)
	}
	var targets []string
	for service, named := range services {
		if named && service != "" {
			targets = append(targets, s.members[project+"/"+service]...)
		}
	}
	return targets
}

// serviceOf tells the containers of one scaled service, "" for one that is in none.
func serviceOf(labels map[string]string) string {
	if labels[composeProject] == "" || labels[composeService] == "" {
		return ""
	}
	return labels[composeProject] + "/" + labels[composeService]
}

func isOneOff(labels map[string]string) bool { return strings.EqualFold(labels[composeOneOff], "true") }

// names returns the names of those targets that there are, each once, sorted,
// without c itself.
func (s census) names(c container.InspectResponse, targets []string) []string {
	var all []string
	for _, target := range targets {
		if name, there := s.find(target); there && name != nameOf(c) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
