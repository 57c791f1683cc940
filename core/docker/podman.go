package docker

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"
)

// policyChange is the version of Podman from which its Docker API can change a
// restart policy (containers/podman#22322).
const policyChange = "5.1"

// keepsPolicies tells whether the engine is a Podman that cannot change restart policies.
func (v version) keepsPolicies() bool {
	podman := slices.ContainsFunc(v.Components, func(c struct{ Name string }) bool { return c.Name == "Podman Engine" })
	return podman && versions.LessThan(v.Version, policyChange)
}

// podmansBridge is what the containers of Podman call the network that its list of
// networks calls "bridge".
const podmansBridge = "podman"

// asDocker says in Docker's words what Podman's Docker API says in its own, and does
// not take back: "RLIMIT_NOFILE" for the limit "nofile".
func asDocker(host object) {
	for _, limit := range host.objects("Ulimits") {
		if name, podmans := strings.CutPrefix(limit.text("Name"), "RLIMIT_"); podmans {
			limit["Name"] = strings.ToLower(name)
		}
	}
}
