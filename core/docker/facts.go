package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/refit-dev/refit/core"
)

// facts are what must be known of a container to make another one with its
// settings. As JSON they are a core.Snapshot. They are never changed: what is
// edited is a copy.
type facts struct {
	Container object `json:"container"` // the engine's answer to inspect, raw
	Image     object `json:"image"`     // that of the image it was made from
	// Inherited are the volumes that the containers named by VolumesFrom give it:
	// destination → volume's name.
	Inherited map[string]string `json:"inherited,omitempty"`
	// Lenders are the containers that VolumesFrom names by an id, which may be cut
	// short: what it says → full id.
	Lenders map[string]string `json:"lenders,omitempty"`
	// Nameless are the volumes that inspect shows without their names, as engines
	// from 25 on do with those of which a bind says nothing but the destination:
	// destination → volume's name.
	Nameless map[string]string `json:"nameless,omitempty"`
	// Networks are those that it is in, and the one that its mode names.
	Networks map[string]link `json:"networks,omitempty"`
	// HostName is that of the engine's host, only where the container shares its network.
	HostName string `json:"host_name,omitempty"`
	// EngineAPI is the newest version of the API that the engine has, whichever is spoken.
	EngineAPI string `json:"engine_api,omitempty"`
	// EnvInOrder says that the engine appends the image's variables to the user's, in
	// the image's order, as Docker does. Others have them in any order.
	EnvInOrder bool `json:"env_in_order,omitempty"`
	// Files are what somebody copied into the container before its first start.
	Files []file `json:"files,omitempty"`
}

// link is what is to be known of a network.
type link struct {
	ID     string `json:"id"`
	Driver string `json:"driver"`
}

func (f facts) config() object { return f.Container.object("Config") }
func (f facts) host() object   { return f.Container.object("HostConfig") }
func (f facts) id() string     { return f.Container.text("Id") }

// started tells whether the container has ever run.
func (f facts) started() bool {
	return !strings.HasPrefix(f.Container.object("State").text("StartedAt"), "0001-")
}

// defaults are what the image says where the user said nothing.
func (f facts) defaults() object { return f.Image.object("Config") }

// mode is the network mode, with the engine's older word for the bridge made one
// with the newer.
func (f facts) mode() string {
	switch mode := f.host().text("NetworkMode"); mode {
	case "", "default":
		return network.NetworkBridge
	default:
		return mode
	}
}

// own is the name of the network that the mode names, "" where it names none:
// in the host's network, in none, in another container's. A mode may be an id.
func (f facts) own() string {
	mode := f.mode()
	if !networked(mode) {
		return ""
	}
	if _, there := f.Networks[mode]; there {
		return mode
	}
	for name, n := range f.Networks {
		if n.ID != "" && strings.HasPrefix(n.ID, mode) {
			return name
		}
	}
	return mode
}

// networked tells whether a container of that mode has networks of its own.
func networked(mode string) bool {
	return mode != network.NetworkHost && mode != network.NetworkNone && !strings.HasPrefix(mode, "container:")
}

// readFacts reads back what Snapshot wrote.
func readFacts(s core.Snapshot) (facts, error) {
	decoder := json.NewDecoder(bytes.NewReader(s))
	decoder.UseNumber()
	var f facts
	if err := decoder.Decode(&f); err != nil {
		return facts{}, fmt.Errorf("read the snapshot: %w", err)
	}
	if f.id() == "" || f.config() == nil || f.host() == nil {
		return facts{}, errors.New("read the snapshot: it is of no container")
	}
	return f, nil
}

// Snapshot writes down everything about a container and its image that a
// faithful copy needs. Known is what is remembered of the image, for the case that
// the engine does not have it any more; where both are missing Snapshot fails.
func (c *Client) Snapshot(ctx context.Context, id string, known core.Defaults) (core.Snapshot, error) {
	spare, err := answerOf(known)
	if err != nil {
		return nil, fmt.Errorf("write down the settings of %s: %w", core.Short(id), err)
	}
	f, err := c.facts(ctx, id, spare)
	if err != nil {
		return nil, fmt.Errorf("write down the settings of %s: %w", core.Short(id), err)
	}
	if f.Files, err = c.injected(ctx, f); err != nil {
		return nil, fmt.Errorf("write down the settings of %s: %w", core.Short(id), err)
	}
	encoded, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("write down the settings of %s: %w", core.Short(id), err)
	}
	return encoded, nil
}

// facts asks the engine for everything but the files. Spare are answers about images,
// for the case that the engine does not have the container's any more.
func (c *Client) facts(ctx context.Context, id string, spare ...object) (facts, error) {
	v, err := c.negotiate(ctx)
	if err != nil {
		return facts{}, err
	}
	f := facts{
		Inherited: map[string]string{}, Lenders: map[string]string{}, Networks: map[string]link{},
		EngineAPI: v.API, EnvInOrder: v.docker(),
	}
	if err := c.inspectContainer(ctx, id, &f.Container); err != nil {
		return facts{}, fmt.Errorf("inspect it: %w", err)
	}
	if err := c.askImage(ctx, &f, spare...); err != nil {
		return facts{}, fmt.Errorf("inspect its image, whose defaults must be known: %w", err)
	}
	if f.Nameless, err = c.askNames(ctx, f.Container); err != nil {
		return facts{}, err
	}
	if err := c.askInherited(ctx, f); err != nil {
		return facts{}, err
	}
	if err := c.askNetworks(ctx, f); err != nil {
		return facts{}, err
	}
	if f.mode() == network.NetworkHost {
		info, err := c.api.Info(ctx)
		if err != nil {
			return facts{}, fmt.Errorf("ask for the host's name: %w", err)
		}
		f.HostName = info.Name
	}
	return f, nil
}

// mounts are what is in place, each volume with its name.
func (f facts) mounts() []object { return withNames(f.Container, f.Nameless) }

func withNames(container object, names map[string]string) []object {
	mounts := container.clone().objects("Mounts")
	for _, mount := range mounts {
		if name := names[path.Clean(mount.text("Destination"))]; name != "" && mount.text("Name") == "" {
			mount["Name"] = name
		}
	}
	return mounts
}

// askNames learns the names of the volumes that inspect shows without, by the place
// where they are on the host.
func (c *Client) askNames(ctx context.Context, container object) (map[string]string, error) {
	nameless := map[string]string{} // source → destination
	for _, mount := range container.objects("Mounts") {
		if mount.text("Type") == "volume" && mount.text("Name") == "" {
			nameless[mount.text("Source")] = path.Clean(mount.text("Destination"))
		}
	}
	if len(nameless) == 0 {
		return nil, nil
	}
	list, err := c.api.VolumeList(ctx, volume.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the volumes, to find the names of its own: %w", err)
	}
	names := map[string]string{}
	for _, v := range list.Volumes {
		if at, asked := nameless[v.Mountpoint]; asked {
			names[at] = v.Name
			delete(nameless, v.Mountpoint)
		}
	}
	for _, at := range nameless {
		return nil, fmt.Errorf("find the name of its volume at %s: no volume has its place on the host", at)
	}
	return names, nil
}

// askInherited learns which mounts are another container's: inspect shows them
// like the container's own.
func (c *Client) askInherited(ctx context.Context, f facts) error {
	for _, from := range f.host().texts("VolumesFrom") {
		name, _, _ := strings.Cut(from, ":")
		var other object
		if err := c.inspectContainer(ctx, name, &other); err != nil {
			return fmt.Errorf("inspect %s, whose volumes it uses: %w", name, err)
		}
		if strings.TrimPrefix(other.text("Name"), "/") != strings.TrimPrefix(name, "/") {
			f.Lenders[name] = other.text("Id")
		}
		names, err := c.askNames(ctx, other)
		if err != nil {
			return fmt.Errorf("look at %s, whose volumes it uses: %w", name, err)
		}
		for _, mount := range withNames(other, names) {
			f.Inherited[path.Clean(mount.text("Destination"))] = mount.text("Name")
		}
	}
	return nil
}

func (c *Client) askNetworks(ctx context.Context, f facts) error {
	if !networked(f.mode()) {
		return nil
	}
	names := []string{f.mode()}
	for name := range f.Container.object("NetworkSettings").object("Networks") {
		names = append(names, name)
	}
	for _, name := range names {
		n, err := c.api.NetworkInspect(ctx, name, network.InspectOptions{})
		if err != nil {
			return fmt.Errorf("inspect its network %s: %w", name, err)
		}
		f.Networks[n.Name] = link{ID: n.ID, Driver: n.Driver}
	}
	return nil
}
