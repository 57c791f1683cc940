package docker

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// macvlan is the driver of the networks in which an address is known to the world
// outside, and kept: see statedMAC.
const macvlan = "macvlan"

// exclusive says why no second container with c's settings can run beside it, in the
// order of its settings. What a random choice of the engine's settles is no reason,
// and neither is a name: of hosts, of containers, of links.
func (s census) exclusive(c container.InspectResponse) []string {
	mode := c.HostConfig.NetworkMode
	var reasons []string
	switch {
	case mode.IsHost():
		reasons = []string{"it is in the host's network"}
	case mode.IsContainer():
		target, there := s.find(mode.ConnectedContainer())
		if !there {
			target = mode.ConnectedContainer()
		}
		reasons = []string{"it is in the network of the container " + target}
	case networked(string(mode)):
		reasons = slices.Concat(publishedPorts(c), s.fixedAddresses(c))
	}
	return append(reasons, devices(c.HostConfig)...)
}

// publishedPorts are those that the user has chosen. Of a range the engine takes one
// that is free.
func publishedPorts(c container.InspectResponse) []string {
	var reasons []string
	for _, port := range slices.Sorted(maps.Keys(c.HostConfig.PortBindings)) {
		for _, b := range c.HostConfig.PortBindings[port] {
			first, last, isRange := strings.Cut(b.HostPort, "-")
			if first == "" || first == "0" || isRange && first != last {
				continue
			}
			if protocol := port.Proto(); protocol != "tcp" {
				first += "/" + protocol
			}
			reasons = append(reasons, "it publishes the host's port "+first)
		}
	}
	slices.Sort(reasons)
	return slices.Compact(reasons) // a port is bound once for each kind of address
}

// fixedAddresses are those in its networks that the user has chosen, or that stay.
func (s census) fixedAddresses(c container.InspectResponse) []string {
	var reasons []string
	if chosenMAC(c.Config) != "" {
		reasons = append(reasons, "its MAC address is fixed")
	}
	if c.NetworkSettings == nil {
		return reasons
	}
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		endpoint := c.NetworkSettings.Networks[name]
		for _, address := range chosen(endpoint) {
			reasons = append(reasons, fmt.Sprintf("its address %s in the network %s is fixed", address, name))
		}
		if slices.Contains(s.macvlans, name) {
			reasons = append(reasons, fmt.Sprintf("its MAC address in the network %s, a macvlan, is fixed", name))
		}
	}
	return reasons
}

// chosenMAC reads a field that the client's struct calls deprecated, and may lose, and
// with which engines still say that a user chose the address: see statedMAC. By way of
// JSON it was an eighth of what a listing costs.
func chosenMAC(config *container.Config) string {
	field := reflect.Indirect(reflect.ValueOf(config)).FieldByName("MacAddress")
	if !field.IsValid() {
		return ""
	}
	return field.String()
}

func chosen(endpoint *network.EndpointSettings) []string {
	if endpoint == nil || endpoint.IPAMConfig == nil {
		return nil
	}
	all := append([]string{endpoint.IPAMConfig.IPv4Address, endpoint.IPAMConfig.IPv6Address}, endpoint.IPAMConfig.LinkLocalIPs...)
	return slices.DeleteFunc(all, func(address string) bool { return address == "" })
}

// devices are the host's. Some can be used twice at a time, but which is not known here.
func devices(host *container.HostConfig) []string {
	var reasons []string
	for _, d := range host.Devices {
		reasons = append(reasons, "it uses the host's device "+d.PathOnHost)
	}
	for _, r := range host.DeviceRequests {
		what := r.Driver
		for _, capabilities := range r.Capabilities {
			if what == "" && len(capabilities) > 0 {
				what = strings.Join(capabilities, ", ")
			}
		}
		reasons = append(reasons, fmt.Sprintf("it asks for devices of the host (%s)", what))
	}
	return reasons
}
