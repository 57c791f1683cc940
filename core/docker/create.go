package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/refit-dev/refit/core"
)

// discardTime is how long the clean-up of a half-made container may take. It has
// its own, because what made it necessary may be that the caller's is over.
const discardTime = 30 * time.Second

// severalNetworks is the API version from which create takes several networks,
// and MAC addresses by network.
const severalNetworks = "1.44"

// takenError is a refusal because the name belongs to another container.
type takenError struct{ error }

func (takenError) NameTaken() bool { return true }
func (e takenError) Unwrap() error { return e.error }

// taken marks an error whose cause is that the engine found a name in use.
func taken(err error) error {
	var said *answer
	if !errors.As(err, &said) {
		return err
	}
	podmans := strings.Contains(said.message, "that name is already in use") // with another status
	if podmans || isConflict(err) && strings.Contains(said.message, "already in use") {
		return takenError{err}
	}
	return err
}

// Create makes the container that d describes, connects its networks and copies
// its files. It does not start it. Where the name is taken the error answers
// NameTaken() with true. Where it fails half-way it removes what it made.
func (c *Client) Create(ctx context.Context, d core.Draft) (string, error) {
	f, err := readFacts(d.From)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", d.Name, err)
	}
	v, err := c.negotiate(ctx)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", d.Name, err)
	}
	var image object
	if err := c.inspectImage(ctx, d.Reference, &image); err != nil {
		return "", fmt.Errorf("create %s: inspect %s: %w", d.Name, d.Reference, err)
	}
	if err := errors.Join(c.checkNetworks(ctx, f), c.checkSources(ctx, f)); err != nil {
		return "", fmt.Errorf("create %s: %w", d.Name, err)
	}
	want, _, err := c.aim(ctx, d.Replaced)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", d.Name, err)
	}
	query := url.Values{"name": {d.Name}}
	if p := v.differs(image.text("Os"), image.text("Architecture"), image.text("Variant")); p != (core.Platform{}) &&
		!versions.LessThan(c.api.ClientVersion(), "1.41") {
		query.Set("platform", platformText(p))
	}
	var made struct{ ID string }
	body := f.body(d, image.text("Id"), c.api.ClientVersion())
	want.apply(body.object("HostConfig"), f.Lenders)
	err = c.call(ctx, http.MethodPost, c.versioned("/containers/create"), query, body, &made)
	if err != nil {
		return "", taken(fmt.Errorf("create %s: %w", d.Name, errors.Join(err, c.discardLost(ctx, d, err))))
	}
	if err := c.complete(ctx, made.ID, f); err != nil {
		return "", fmt.Errorf("create %s: %w", d.Name, errors.Join(err, c.discard(ctx, made.ID)))
	}
	return made.ID, nil
}

// body is what a create call sends.
func (f facts) body(d core.Draft, imageID, api string) object {
	s := f.stated()
	body := s.config
	f.subtract(body, s.host.object("PortBindings"))
	labels := body.object("Labels")
	_, composed := labels[composeImage] // the container's own, not an image's
	if labels == nil {
		labels = object{}
	}
	labels[core.MarkLabel] = d.Mark.String()
	if composed {
		labels[composeImage] = imageID
	}
	body["Labels"], body["Image"] = labels, d.Reference
	binds := s.host.list("Binds")
	for _, at := range slices.Sorted(maps.Keys(s.volumes)) {
		binds = append(binds, s.volumes[at])
	}
	s.host["Binds"] = binds
	body["HostConfig"] = s.host
	f.addNetworks(body, s.networks, api)
	return body
}

// addNetworks says as much of the networks as a create call of that API takes.
func (f facts) addNetworks(body object, networks map[string]object, api string) {
	own := f.own()
	endpoints := object{}
	if !versions.LessThan(api, severalNetworks) {
		delete(body, "MacAddress")
		for name, endpoint := range networks {
			endpoints[name] = endpoint
		}
	} else if endpoint, in := networks[own]; in {
		if mac := endpoint.text("MacAddress"); mac != "" {
			body["MacAddress"] = mac
		}
		endpoints[own] = withoutMAC(endpoint)
	}
	body["NetworkingConfig"] = object{"EndpointsConfig": endpoints}
}

func withoutMAC(endpoint object) object {
	copied := endpoint.clone()
	delete(copied, "MacAddress")
	return copied
}

// checkNetworks finds a network that is gone. The engine would connect a container
// that does not run to a network that does not exist, and find out when it starts.
func (c *Client) checkNetworks(ctx context.Context, f facts) error {
	for _, name := range slices.Sorted(maps.Keys(f.endpoints())) {
		if _, err := c.api.NetworkInspect(ctx, name, network.InspectOptions{}); err != nil {
			return fmt.Errorf("inspect its network %s: %w", name, err)
		}
	}
	return nil
}

// complete does what a create call cannot: it connects the networks that are
// missing, and leaves the one that the mode names where the predecessor had left it.
func (c *Client) complete(ctx context.Context, id string, f facts) error {
	var made object
	if err := c.inspectContainer(ctx, id, &made); err != nil {
		return fmt.Errorf("inspect it: %w", err)
	}
	wanted, in := f.endpoints(), made.object("NetworkSettings").object("Networks")
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, connected := in[name]; connected {
			continue
		}
		endpoint := wanted[name]
		if versions.LessThan(c.api.ClientVersion(), severalNetworks) {
			endpoint = withoutMAC(endpoint)
		}
		path := c.versioned("/networks/" + url.PathEscape(name) + "/connect")
		err := c.call(ctx, http.MethodPost, path, nil, object{"Container": id, "EndpointConfig": endpoint}, nil)
		if err != nil {
			return fmt.Errorf("connect it to the network %s: %w", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if _, meant := wanted[name]; meant || !networked(f.mode()) {
			continue
		}
		if err := c.api.NetworkDisconnect(ctx, name, id, false); err != nil {
			return fmt.Errorf("disconnect it from the network %s: %w", name, err)
		}
	}
	return c.inject(ctx, id, f.Files)
}

// discardLost removes the container of a create call whose answer was lost. An
// engine that answered with an error has made none.
func (c *Client) discardLost(ctx context.Context, d core.Draft, lost error) error {
	var answered *answer
	if errors.As(lost, &answered) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	s, err := c.Look(ctx, d.Name)
	if err != nil || s.Mark == nil || s.Mark.Attempt != d.Mark.Attempt {
		return err
	}
	return c.discard(ctx, s.ID)
}

// discard removes a container that was never started, and the volumes that were
// made for it. Volumes that were there before have names in its settings, and the
// engine removes none of those.
func (c *Client) discard(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	err := c.removeContainer(ctx, id, true, true)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("remove what was made of it: %w", err)
	}
	return nil
}
