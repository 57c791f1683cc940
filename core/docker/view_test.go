package docker_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// passing are the members of an inspect answer that are a container's own, or tell
// how it is and not how it was asked for.
var passing = []string{
	"Id", "Created", "State", "Name", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "GraphDriver", "RestartCount", "ExecIDs",
	"ProcessLabel", "MountLabel",
}

// notCarried are the members that are not meant to be: docs/cloning.md says why.
var notCarried = map[string][]string{"Config": {"ArgsEscaped", "OnBuild"}, "HostConfig": {"ContainerIDFile"}}

// passingNetwork are those of a network that only a running container has. MAC
// addresses and IP addresses are looked at where somebody has chosen them.
var passingNetwork = []string{
	"Gateway", "IPv6Gateway", "IPPrefixLen", "GlobalIPv6PrefixLen", "IPAddress", "GlobalIPv6Address", "MacAddress",
}

// view is what two containers are compared by.
type view struct {
	raw     tree
	volumes map[string]string // where → name, of volumes that nobody has given a name
}

var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// newView takes out of an inspect answer what is the container's own. Its id and
// name, wherever else they are, become words.
func newView(raw []byte) (view, error) {
	var all tree
	if err := json.Unmarshal(raw, &all); err != nil {
		return view{}, err
	}
	id, _ := all["Id"].(string)
	name, _ := all["Name"].(string)
	if id == "" || name == "" {
		return view{}, fmt.Errorf("no inspect answer: %s", raw)
	}
	text := strings.NewReplacer(id, "THE-ID", id[:12], "THE-SHORT-ID", strings.TrimPrefix(name, "/"), "THE-NAME").Replace(string(raw))
	v := view{volumes: map[string]string{}}
	if err := json.Unmarshal([]byte(text), &v.raw); err != nil {
		return view{}, err
	}
	v.forget()
	v.mounts()
	return v, nil
}

// forget takes out what passes, and what is not meant to be carried over.
func (v view) forget() {
	for _, key := range passing {
		delete(v.raw, key)
	}
	for part, keys := range notCarried {
		settings, _ := v.raw[part].(tree)
		for _, key := range keys {
			delete(settings, key)
		}
	}
	config, _ := v.raw["Config"].(tree)
	host, _ := v.raw["HostConfig"].(tree)
	if mode, _ := host["NetworkMode"].(string); anonymousName.MatchString(mode) {
		host["NetworkMode"] = mode[:12] // newer engines make a short id a full one at the start
	}
	for _, ports := range []any{config["ExposedPorts"], host["PortBindings"]} {
		ports, _ := ports.(tree)
		maps.DeleteFunc(ports, func(port string, _ any) bool { return port == "" || port[0] == '/' }) // not carried either
	}
	if dir, _ := config["WorkingDir"].(string); dir != "" {
		config["WorkingDir"] = path.Clean(dir) // some engines do so with an image's, some do not
	}
	settings, _ := v.raw["NetworkSettings"].(tree)
	v.raw["Networks"] = networksOf(settings)
	v.raw["Ports"] = portsOf(settings)
	delete(v.raw, "NetworkSettings")
	sortBy(host["Mounts"], "Target")
	sortTexts(host["Links"]) // the engine has them in a map
}

// mounts takes out the names of the volumes that nobody has given one.
func (v view) mounts() {
	for _, m := range objects(v.raw["Mounts"]) {
		name, _ := m["Name"].(string)
		if source, _ := m["Source"].(string); name == "" && path.Base(source) == "_data" {
			name = path.Base(path.Dir(source)) // newer engines do not show it where a bind is a destination alone
		}
		if at, _ := m["Destination"].(string); m["Type"] == "volume" && anonymousName.MatchString(name) {
			v.volumes[path.Clean(at)] = name
			m["Name"], m["Source"], m["Mode"] = "ANONYMOUS", "ANONYMOUS", "ANONYMOUS"
		}
		if m["Type"] == "image" {
			m["Source"] = "A LAYER OF THE CONTAINER'S OWN"
		}
	}
	sortBy(v.raw["Mounts"], "Destination")
}

func networksOf(settings tree) tree {
	networks, _ := settings["Networks"].(tree)
	kept := tree{}
	for name, value := range networks {
		endpoint, _ := value.(tree)
		endpoint = maps.Clone(endpoint)
		chosen, _ := endpoint["IPAMConfig"].(tree)
		for _, key := range passingNetwork {
			delete(endpoint, key)
		}
		was, _ := value.(tree)
		if chosen["IPv4Address"] != nil {
			endpoint["IPAddress"] = was["IPAddress"]
		}
		if chosen["IPv6Address"] != nil {
			endpoint["GlobalIPv6Address"] = was["GlobalIPv6Address"]
		}
		if mac, _ := was["MacAddress"].(string); strings.Contains(mac, ":99:00:00:00:") { // the generator's
			endpoint["MacAddress"] = mac
		}
		sortTexts(endpoint["DNSNames"])
		sortTexts(endpoint["Aliases"])
		if endpoint["EndpointID"] == "" {
			delete(endpoint, "DNSNames") // they come with the first start, or with the call that connects
		}
		delete(endpoint, "EndpointID")
		kept[name] = endpoint
	}
	return kept
}

// portsOf are the ports of a running container, but for those that the engine picks.
func portsOf(settings tree) tree {
	ports, _ := settings["Ports"].(tree)
	maps.DeleteFunc(ports, func(port string, _ any) bool { return strings.HasPrefix(port, "0/") }) // of no number
	for _, bindings := range ports {
		for _, b := range objects(bindings) {
			if port, _ := b["HostPort"].(string); len(port) != 5 || port[:2] != "20" {
				b["HostPort"] = "PICKED"
			}
		}
		sortBy(bindings, "HostIp", "HostPort")
	}
	return ports
}

func objects(list any) []tree {
	var all []tree
	items, _ := list.([]any)
	for _, item := range items {
		if o, is := item.(tree); is {
			all = append(all, o)
		}
	}
	return all
}

func sortBy(list any, keys ...string) {
	items, _ := list.([]any)
	slices.SortStableFunc(items, func(a, b any) int {
		text := func(item any) string {
			o, _ := item.(tree)
			all := ""
			for _, key := range keys {
				all += fmt.Sprint(o[key]) + "\x00"
			}
			return all
		}
		return strings.Compare(text(a), text(b))
	})
}

func sortTexts(list any) {
	items, _ := list.([]any)
	slices.SortFunc(items, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}
