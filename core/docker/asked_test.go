package docker

import (
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
)

func TestNetworksAreThoseThatSomebodyHasAskedFor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		mode     container.NetworkMode
		networks []string
		want     []string
	}{
		"the engine's default":      {mode: "default", networks: []string{"bridge"}},
		"the same by its name":      {mode: "bridge", networks: []string{"bridge"}},
		"two of somebody's":         {mode: "proxy", networks: []string{"proxy", "mail"}, want: []string{"mail", "proxy"}},
		"the host's":                {mode: "host", networks: []string{"host"}, want: []string{"host"}},
		"that of another container": {mode: "container:abc", want: []string{"container:abc"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := map[string]*network.EndpointSettings{}
			for _, n := range test.networks {
				in[n] = &network.EndpointSettings{}
			}
			found := container.InspectResponse{
				ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{NetworkMode: test.mode}},
				NetworkSettings:   &container.NetworkSettings{Networks: in},
			}
			if diff := cmp.Diff(test.want, networksOf(found)); diff != "" {
				t.Errorf("networks (-want +got):\n%s", diff)
			}
		})
	}
}
