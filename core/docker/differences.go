package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
)

// Differences compares the settings of a container with those that d asks for: what
// the engine should have made of the snapshot's settings and the container's own
// image, with what it has made. Each line names one field; values are shown only of
// fields that hold no secrets.
func (c *Client) Differences(ctx context.Context, d core.Draft, id string) ([]string, error) {
	was, err := readFacts(d.From)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", core.Short(id), err)
	}
	says, err := answerOf(d.Says)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", core.Short(id), err)
	}
	is, err := c.facts(ctx, id, was.Image, says)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", core.Short(id), err)
	}
	wantAims, gotAims, err := c.aim(ctx, d.Replaced)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", core.Short(id), err)
	}
	return compare(was, is, wantAims, gotAims), nil
}

// compare is the pure part of Differences. The aims are those of what was asked for,
// and of what is there.
func compare(was, is facts, wantAims, gotAims aims) []string {
	want, got := was.stated(), is.stated()
	wantAims.apply(want.host, was.Lenders)
	gotAims.apply(got.host, is.Lenders)
	was.subtract(want.config, want.host.object("PortBindings"))
	merge(want.config, is.defaults())
	// Compose's word for the image is the new one's, or still the old one's.
	asked, labels := want.config.object("Labels"), got.config.object("Labels")
	if _, composed := asked[composeImage]; composed && labels.text(composeImage) == is.Container.text("Image") {
		asked[composeImage] = labels[composeImage]
	}
	dropNewVolumes(want, got, is.defaults().object("Volumes"))
	var c comparison
	a, b := want.comparable(), got.comparable()
	settleMACs(a.object("Networks"), b.object("Networks"))
	c.objects("", "", a, b)
	return c.lines
}

// dropNewVolumes leaves out the volumes that the new image asks for at places
// where the predecessor had nothing.
func dropNewVolumes(want, got settings, volumes object) {
	for at := range volumes {
		at = path.Clean(at)
		if _, there := want.mounts[at]; !there {
			delete(got.mounts, at)
			delete(got.volumes, at)
		}
	}
}

// comparable puts the settings into one tree in which the order of what has no
// order does not matter.
func (s settings) comparable() object {
	config := s.config
	config["Env"] = byName(config.texts("Env"))
	if dir := config.text("WorkingDir"); dir != "" {
		config["WorkingDir"] = path.Clean(dir) // some engines clean an image's, some do not
	}
	delete(config, "MacAddress") // it is in its network's endpoint
	return object{
		"Config": config, "HostConfig": s.comparableHost(), "Networks": s.comparableNetworks(), "Mounts": s.comparableMounts(),
	}
}

func (s settings) comparableHost() object {
	host := s.host
	binds := object{}
	for _, bind := range slices.Concat(host.texts("Binds"), slices.Collect(maps.Values(s.volumes))) {
		source, rest, _ := strings.Cut(bind, ":")
		_, mode, _ := strings.Cut(rest, ":")
		binds[destination(bind)] = source + ":" + mode
	}
	host["Binds"] = binds
	mounts := object{}
	for _, mount := range host.objects("Mounts") {
		mounts[path.Clean(mount.text("Target"))] = mount
	}
	host["Mounts"] = mounts
	if policy := host.object("RestartPolicy"); policy.text("Name") == "no" {
		policy["Name"] = ""
	}
	if host.text("NetworkMode") == "default" {
		host["NetworkMode"] = "bridge"
	}
	return host
}

func (s settings) comparableNetworks() object {
	networks := object{}
	for name, endpoint := range s.networks {
		endpoint = endpoint.clone()
		var aliases []string
		for _, alias := range endpoint.texts("Aliases") {
			// Engines before API 1.45 add the host's name once it has started.
			if alias != s.config.text("Hostname") {
				aliases = append(aliases, alias)
			}
		}
		slices.Sort(aliases)
		endpoint["Aliases"] = list(aliases)
		networks[name] = endpoint
	}
	return networks
}

// comparableMounts looks at what is in place, whoever asked for it: this is the
// proof that the data is where it was.
func (s settings) comparableMounts() object {
	mounts := object{}
	for at, mount := range s.mounts {
		seen := object{"Type": mount["Type"], "RW": mount["RW"]}
		if name := mount.text("Name"); name != "" {
			seen["Name"] = name // its source is only known while a plugin has it mounted
		} else {
			seen["Source"] = mount["Source"]
		}
		mounts[at] = seen
	}
	return mounts
}

// settleMACs leaves out the addresses that nobody has asked for: the engine shows its
// own choice while a container runs.
func settleMACs(want, got object) {
	for name := range want {
		if want.object(name).text("MacAddress") == "" {
			delete(got.object(name), "MacAddress")
		}
	}
}

// byName turns "NAME=value" into an object. A name that appears twice keeps both
// values in their order.
func byName(env []string) object {
	values := object{}
	for _, variable := range env {
		name, value, assigned := strings.Cut(variable, "=")
		if !assigned {
			value = "\x00" // "NAME" takes the variable away, "NAME=" empties it
		}
		earlier, _ := values[name].([]any)
		values[name] = append(earlier, value)
	}
	return values
}

// comparison collects what two trees differ in.
type comparison struct{ lines []string }

// objects compares two objects that stand under the key, at the path.
func (c *comparison) objects(at, under string, want, got object) {
	keys := slices.Concat(slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(got)))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		name := strings.TrimPrefix(at+"."+key, ".")
		if named[under] {
			name = at + "[" + key + "]"
		}
		a, wanted := want[key]
		b, there := got[key]
		switch {
		case named[under] && wanted && !there:
			c.lines = append(c.lines, name+" is missing")
		case named[under] && there && !wanted:
			c.lines = append(c.lines, name+" is new")
		default:
			c.values(name, key, a, b)
		}
	}
}

func (c *comparison) values(at, key string, want, got any) {
	a, b := object{"": want}.object(""), object{"": got}.object("")
	switch {
	case a != nil && (b != nil || blank(got)), b != nil && blank(want):
		c.objects(at, key, a, b)
	case equal(want, got), blank(want) && blank(got) && !meaningful[key]:
	case mayShow(at, key, want, got):
		c.lines = append(c.lines, fmt.Sprintf("%s: %s, was %s", at, show(got), show(want)))
	default:
		c.lines = append(c.lines, at+" differs")
	}
}

func mayShow(at, key string, want, got any) bool {
	return !secret(at) && (shown[key] || !isText(want) && !isText(got))
}

// named are the objects whose keys the user chose: that a key is there says
// something, whatever its value. In all others, missing and empty are the same.
var named = map[string]bool{
	"Env": true, "Labels": true, "ExposedPorts": true, "Volumes": true, "Networks": true, "PortBindings": true,
	"Binds": true, "Mounts": true, "Tmpfs": true, "Sysctls": true, "Annotations": true, "StorageOpt": true,
	"DriverOpts": true, "Options": true,
}

// secret tells whether what is at the path, or below it, may be a password: what
// the user named, and the settings of drivers.
func secret(at string) bool {
	for _, place := range []string{
		"Config.Env", "Labels", "Annotations", "StorageOpt", "DriverOpts", "Options", "LogConfig.Config",
	} {
		if strings.Contains(at, place) {
			return true
		}
	}
	return false
}

// meaningful are the lists of which an empty one says something else than none.
var meaningful = map[string]bool{"MaskedPaths": true, "ReadonlyPaths": true}

// shown are the texts that are no secrets.
var shown = map[string]bool{
	"NetworkMode": true, "IpcMode": true, "PidMode": true, "UTSMode": true, "UsernsMode": true, "CgroupnsMode": true,
	"CgroupParent": true, "CpusetCpus": true, "CpusetMems": true, "Runtime": true, "Name": true, "User": true,
	"WorkingDir": true, "StopSignal": true, "Hostname": true, "Domainname": true, "MacAddress": true, "Type": true,
	"IPv4Address": true, "IPv6Address": true, "Aliases": true, "HostPort": true, "HostIp": true,
}

// isText tells whether a value is, or holds, a text.
func isText(value any) bool {
	switch value.(type) {
	case nil, bool, json.Number:
		return false
	}
	return true
}

func show(value any) string {
	if value == nil {
		return "nothing"
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return "?" // what came from JSON goes back to it
	}
	return string(encoded)
}
