package docker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
)

func TestWhyNoSecondOneCanRunBesideIt(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		said string // what the engine says beyond the ordinary
		want []string
	}{
		"an ordinary container": {`{}`, nil},
		"a port of the host": {
			`{"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"53/udp":[{"HostPort":"53"}]}}}`,
			[]string{"it publishes the host's port 53/udp", "it publishes the host's port 8080"},
		},
		"a range of one port": {
			`{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"8080-8080"}]}}}`, []string{"it publishes the host's port 8080"},
		},
		"ports that the engine chooses": {
			`{"HostConfig":{"PublishAllPorts":true,"PortBindings":{"80/tcp":[{"HostPort":""},{"HostPort":"0"}],"81/tcp":[{"HostPort":"8080-8090"}],"82/tcp":null}}}`, nil,
		},
		"the host's network": {
			`{"HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}}`, []string{"it is in the host's network"},
		},
		"a container's network": {
			`{"HostConfig":{"NetworkMode":"container:` + strings.Repeat("d", 64) + `"}}`, []string{"it is in the network of the container db"},
		},
		"the network of a container that is gone": {
			`{"HostConfig":{"NetworkMode":"container:gone"}}`, []string{"it is in the network of the container gone"},
		},
		"no network": {`{"HostConfig":{"NetworkMode":"none"}}`, nil},
		"addresses of its own": {
			`{"NetworkSettings":{"Networks":{"b":{"IPAMConfig":{"IPv6Address":"2001:db8::7"}},
				"a":{"IPAMConfig":{"IPv4Address":"10.0.0.7","LinkLocalIPs":["169.254.1.7"]}}}}}`,
			[]string{
				"its address 10.0.0.7 in the network a is fixed", "its address 169.254.1.7 in the network a is fixed",
				"its address 2001:db8::7 in the network b is fixed",
			},
		},
		"addresses that the engine chooses": {
			`{"NetworkSettings":{"Networks":{"a":{"IPAMConfig":{},"IPAddress":"10.0.0.7","MacAddress":"02:42:0a:00:00:07"},"b":null}}}`, nil,
		},
		"a MAC address of its own": {`{"Config":{"MacAddress":"02:42:0a:00:00:07"}}`, []string{"its MAC address is fixed"}},
		"a MAC address, in no network of its own": {
			`{"Config":{"MacAddress":"02:42:0a:00:00:07"},"HostConfig":{"NetworkMode":"host"}}`, []string{"it is in the host's network"},
		},
		"a macvlan": {
			`{"NetworkSettings":{"Networks":{"lan":{"MacAddress":"02:42:0a:00:00:07"}}}}`,
			[]string{"its MAC address in the network lan, a macvlan, is fixed"},
		},
		"devices": {
			`{"HostConfig":{"Devices":[{"PathOnHost":"/dev/ttyUSB0","PathInContainer":"/dev/modem"}],
				"DeviceRequests":[{"Driver":"nvidia"},{"Capabilities":[["gpu","compute"]]}]}}`,
			[]string{
				"it uses the host's device /dev/ttyUSB0", "it asks for devices of the host (nvidia)",
				"it asks for devices of the host (gpu, compute)",
			},
		},
		"names, links, other namespaces and privileges": {
			`{"Config":{"Hostname":"web","Domainname":"example.test"},"HostConfig":{"Links":["/db:/web/alias"],"Privileged":true,
				"PidMode":"container:db","IpcMode":"container:db","UTSMode":"host","VolumesFrom":["db"]},
				"NetworkSettings":{"Networks":{"a":{"Aliases":["site"],"Links":["db:d"]}}}}`, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := described(t, func(c *container.InspectResponse) {
				if err := json.Unmarshal([]byte(row.said), c); err != nil {
					t.Fatal(err)
				}
			}, tagged("nginx:1"), inspected("db")).Exclusive
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
