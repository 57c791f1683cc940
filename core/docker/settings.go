package docker

import (
	"maps"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/refit-dev/refit/core"
)

// composeImage is the label in which compose remembers the image's id. With the
// old one there, the next "docker compose up" makes the container once more
// (containrrr/watchtower#339).
const composeImage = "com.docker.compose.image"

// settings are what a create call says of a container. Its parts may be edited.
type settings struct {
	config   object
	host     object
	networks map[string]object // none where the container has none of its own
	// volumes are those that nothing in host names: destination → how a bind
	// says it, "NAME:DESTINATION:MODE".
	volumes map[string]string
	// mounts are what is in place: destination → what is mounted there.
	mounts map[string]object
}

// stated returns the settings as a create call would say them, the image's
// defaults included.
func (f facts) stated() settings {
	s := settings{config: f.config().clone(), host: f.host().clone(), networks: f.endpoints()}
	f.editConfig(s.config)
	s.volumes = f.editMounts(s.host)
	delete(s.host, "ContainerIDFile")
	dropNumberless(s.host.object("PortBindings"))
	asDocker(s.host)
	if links := s.host.texts("Links"); len(links) > 0 {
		s.host["Links"] = list(statedLinks(links))
	}
	s.mounts = map[string]object{}
	for _, mount := range f.mounts() {
		s.mounts[path.Clean(mount.text("Destination"))] = mount
	}
	return s
}

// editConfig drops what the engine made up, and what is not the user's.
func (f facts) editConfig(config object) {
	for _, key := range []string{"Image", "OnBuild", "ArgsEscaped"} {
		delete(config, key)
	}
	if labels := config.object("Labels"); labels != nil {
		delete(labels, core.MarkLabel)
	}
	dropNumberless(config.object("ExposedPorts"))
	name := config.text("Hostname")
	switch {
	case strings.HasPrefix(f.mode(), "container:"):
		delete(config, "Hostname")
		delete(config, "Domainname")
	case f.host().text("UTSMode") == network.NetworkHost:
		delete(config, "Hostname")
	case len(name) >= shortID && strings.HasPrefix(f.id(), name), f.mode() == network.NetworkHost && name == f.HostName:
		delete(config, "Hostname")
	}
	if config.text("MacAddress") == "" || !networked(f.mode()) {
		delete(config, "MacAddress")
	}
}

// dropNumberless drops the ports that are none. Engines take them from careless
// clients, publish nothing for them, and may refuse them one day
// (nicholas-fedor/watchtower#1478).
func dropNumberless(ports object) {
	for port := range ports {
		if number, _, _ := strings.Cut(port, "/"); number == "" {
			delete(ports, port)
		}
	}
}

// statedLinks turns "/db:/web/alias", which is how inspect says it, into
// "db:alias", which is how create wants it.
func statedLinks(links []string) []string {
	var stated []string
	for _, l := range links {
		target, alias, _ := strings.Cut(l, ":")
		stated = append(stated, strings.TrimPrefix(target, "/")+":"+path.Base(alias))
	}
	slices.Sort(stated)
	return stated
}

// editMounts puts the name of its volume wherever host asks for a volume without
// one, and returns the volumes that host does not speak of at all: the image asks
// for them, or the user did with a path alone. Made again without a name such a
// volume would be new and empty (containrrr/watchtower#410).
func (f facts) editMounts(host object) map[string]string {
	unspoken := f.ownVolumes()
	volume := func(at string) object {
		defer delete(unspoken, at)
		return unspoken[at]
	}
	for _, mount := range host.objects("Mounts") {
		found := volume(path.Clean(mount.text("Target")))
		if found != nil && mount.text("Type") == "volume" && mount.text("Source") == "" {
			mount["Source"] = found.text("Name")
		}
	}
	binds := host.list("Binds")
	for i := range binds {
		bind, _ := binds[i].(string)
		if found := volume(destination(bind)); found != nil && !strings.Contains(bind, ":") {
			binds[i] = volumeBind(found)
		}
	}
	stated := map[string]string{}
	for at, found := range unspoken {
		stated[at] = volumeBind(found)
	}
	return stated
}

// ownVolumes are those in place, by destination, less those that are there
// because another container has them.
func (f facts) ownVolumes() map[string]object {
	own := map[string]object{}
	for _, mount := range f.mounts() {
		at, name := path.Clean(mount.text("Destination")), mount.text("Name")
		inherited, shared := f.Inherited[at]
		if mount.text("Type") == "volume" && name != "" && (!shared || inherited != name) {
			own[at] = mount
		}
	}
	return own
}

// destination is where a bind is mounted: "SOURCE:DESTINATION:MODE", or a
// destination alone.
func destination(bind string) string {
	parts := strings.SplitN(bind, ":", 3)
	if len(parts) == 1 {
		return path.Clean(parts[0])
	}
	return path.Clean(parts[1])
}

func volumeBind(mount object) string {
	mode := mount.text("Mode")
	if writable, known := mount["RW"].(bool); known && !writable && !slices.Contains(strings.Split(mode, ","), "ro") {
		mode = strings.TrimPrefix(mode+",ro", ",")
	}
	bind := mount.text("Name") + ":" + mount.text("Destination")
	if mode != "" {
		bind += ":" + mode
	}
	return bind
}

// operational are the members of an endpoint that the engine fills in. Whatever
// else is there, also what is unknown here, is taken for the user's.
var operational = []string{
	"NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway",
	"GlobalIPv6Address", "GlobalIPv6PrefixLen", "DNSNames", "MacAddress",
}

// endpoints returns what the user said of each network.
func (f facts) endpoints() map[string]object {
	all := map[string]object{}
	if !networked(f.mode()) {
		return all
	}
	own := f.own()
	for name, value := range f.Container.object("NetworkSettings").object("Networks") {
		was := object{"": value}.object("")
		endpoint := was.clone()
		for _, key := range operational {
			delete(endpoint, key)
		}
		maps.DeleteFunc(endpoint, func(_ string, value any) bool { return blank(value) })
		f.editAliases(name, endpoint)
		if address := endpoint.object("IPAMConfig"); address != nil {
			maps.DeleteFunc(address, func(_ string, value any) bool { return blank(value) })
		}
		if blank(endpoint["IPAMConfig"]) {
			delete(endpoint, "IPAMConfig")
		}
		if mac := f.statedMAC(name, own, was); mac != "" {
			endpoint["MacAddress"] = mac
		}
		all[name] = endpoint
	}
	return all
}

// editAliases drops the container's own id and host's name, which engines add before
// API 1.45, where ids would pile up, and all of them on the default bridge, where the engine
// refuses them (containrrr/watchtower#1906).
func (f facts) editAliases(network string, endpoint object) {
	var kept []string
	aliases := endpoint.texts("Aliases")
	isOwn := func(alias string) bool { return len(alias) >= shortID && strings.HasPrefix(f.id(), alias) }
	added := slices.ContainsFunc(aliases, isOwn)
	for _, alias := range aliases {
		own := isOwn(alias) || added && alias == f.config().text("Hostname")
		if !own && network != "bridge" && !slices.Contains(kept, alias) {
			kept = append(kept, alias)
		}
	}
	delete(endpoint, "Aliases")
	if len(kept) > 0 {
		endpoint["Aliases"] = list(kept)
	}
}

// statedMAC returns the MAC address that the user chose for a network, "" where the
// engine's own choice is to be left to the engine.
//
// Config shows the one that was chosen for the network of the mode. For the other
// networks one can be chosen from API 1.44 on, and the engine does not say who chose
// it (moby/moby#48168): before the first start it is the user's, and afterwards if an
// engine would not make such a one. On a macvlan the address is known to the world
// outside, so it is kept whoever chose it.
func (f facts) statedMAC(name, own string, endpoint object) string {
	mac := endpoint.text("MacAddress")
	switch {
	case name == own && f.config().text("MacAddress") != "":
		return f.config().text("MacAddress")
	case f.Networks[name].Driver == "macvlan" && (name == own || f.takesMACs()):
		return mac
	case f.takesMACs() && (!f.started() || !f.generated(mac)):
		return mac
	}
	return ""
}

// takesMACs tells whether the engine lets a MAC address be chosen for every network. If
// it does, and Refit has been told to speak an older API, the comparison finds it missing.
func (f facts) takesMACs() bool { return !versions.LessThan(f.EngineAPI, severalNetworks) }

// randomMACs is the API of the first engines that make all of a MAC address from
// random numbers. Those before it put a fixed beginning in front of the IPv4 address.
const (
	randomMACs   = "1.48"
	generatedMAC = "02:42:"
)

// generated tells whether the engine may have chosen the address. What it chooses is
// marked as locally administered, by the second bit of the first byte.
func (f facts) generated(mac string) bool {
	address, err := net.ParseMAC(mac)
	switch {
	case err != nil:
		return true // there is none
	case versions.LessThan(f.EngineAPI, randomMACs):
		return strings.HasPrefix(address.String(), generatedMAC)
	}
	return address[0]&2 != 0
}
