package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
)

// Helper describes a second container of a program, beside the one that it runs in.
type Helper struct {
	Name string
	// Of is the container whose settings it gets: mounts, user, networks, environment,
	// command. It publishes nothing, has no healthcheck and no address of its own, and
	// whatever ends it, the engine starts it again.
	Of string
	// Image is the id of the image that it is made from; "" for that of Of.
	Image string
	// Env are further variables, as NAME=value.
	Env []string
	// Owner goes on its label.
	Owner string
}

// Help makes and starts the container that h describes. One that runs already is left
// alone, one that has ended is made anew. Where somebody else's container has the name
// the error answers NameTaken() with true.
func (c *Client) Help(ctx context.Context, h Helper) error {
	var found object
	err := c.inspectContainer(ctx, h.Name, &found)
	switch {
	case isNotFound(err):
	case err != nil:
		return fmt.Errorf("look for %s: %w", h.Name, err)
	case found.object("Config").object("Labels").text(core.HelperLabel) != h.Owner:
		return takenError{fmt.Errorf("a container %s exists that is not ours: rename or remove it", h.Name)}
	case core.State(found.object("State").text("Status")).Up():
		return nil
	default:
		gone, err := c.EndHelper(ctx, found.text("Id"), false)
		if err != nil || !gone { // it has been started again, and is at work
			return err
		}
	}
	id, err := c.createHelper(ctx, h)
	if err != nil {
		return err
	}
	if err := c.Start(ctx, id); err != nil {
		return errors.Join(err, c.discardHelper(ctx, id))
	}
	return nil
}

// discardHelper removes one that was never started. Its volumes are another one's.
func (c *Client) discardHelper(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	_, err := c.EndHelper(ctx, id, false)
	return err
}

func (c *Client) createHelper(ctx context.Context, h Helper) (string, error) {
	f, err := c.facts(ctx, h.Of)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", h.Name, err)
	}
	if f.Files, err = c.injected(ctx, f); err != nil {
		return "", fmt.Errorf("create %s: %w", h.Name, err)
	}
	f = f.unaddressed()
	var made struct{ ID string }
	err = c.call(ctx, http.MethodPost, c.versioned("/containers/create"), url.Values{"name": {h.Name}}, f.helper(h, c.api.ClientVersion()), &made)
	if err != nil {
		return "", taken(fmt.Errorf("create %s: %w", h.Name, err))
	}
	if err := c.complete(ctx, made.ID, f); err != nil {
		return "", fmt.Errorf("create %s: %w", h.Name, errors.Join(err, c.discardHelper(ctx, made.ID)))
	}
	return made.ID, nil
}

// helper is what a create call sends for it.
func (f facts) helper(h Helper, api string) object {
	s := f.stated()
	f.subtract(s.config, object{})
	for _, key := range []string{"Hostname", "Domainname", "ExposedPorts"} {
		delete(s.config, key)
	}
	s.config["Image"] = h.Image
	if h.Image == "" {
		s.config["Image"] = f.Container.text("Image")
	}
	s.config["Env"] = list(append(s.config.texts("Env"), h.Env...))
	s.config["Labels"] = object{core.HelperLabel: h.Owner, "refit.enable": "false"}
	s.config["Healthcheck"] = object{"Test": []any{"NONE"}}
	for _, key := range []string{"PortBindings", "PublishAllPorts", "AutoRemove"} {
		delete(s.host, key)
	}
	s.host["RestartPolicy"] = object{"Name": "always"}
	binds := s.host.list("Binds")
	for _, bind := range s.volumes {
		binds = append(binds, bind)
	}
	s.host["Binds"] = binds
	s.config["HostConfig"] = s.host
	f.addNetworks(s.config, s.networks, api)
	return s.config
}

// unaddressed leaves out of the networks what only one container can have.
func (f facts) unaddressed() facts {
	f.Container = f.Container.clone()
	networks := f.Container.object("NetworkSettings").object("Networks")
	for name := range networks {
		for _, key := range []string{"IPAMConfig", "MacAddress", "Aliases"} {
			delete(networks.object(name), key)
		}
	}
	delete(f.config(), "MacAddress")
	return f
}

// HelperState is what is to be seen of a helper. The zero value means that there is none.
type HelperState struct {
	ID      string
	Created time.Time
	// Up tells whether it runs, or is about to run again.
	Up bool
	// Restarts counts how often the engine has started it again.
	Restarts int
}

// LookHelper looks for a helper. Somebody else's container of that name is none.
func (c *Client) LookHelper(ctx context.Context, name, owner string) (HelperState, error) {
	var found container.InspectResponse
	err := c.inspectContainer(ctx, name, &found)
	switch {
	case isNotFound(err):
		return HelperState{}, nil
	case err != nil:
		return HelperState{}, fmt.Errorf("look for %s: %w", name, err)
	case found.ContainerJSONBase == nil || found.State == nil || found.Config == nil || found.Config.Labels[core.HelperLabel] != owner:
		return HelperState{}, nil
	}
	created, err := time.Parse(time.RFC3339Nano, found.Created)
	if err != nil {
		return HelperState{}, fmt.Errorf("look for %s: %w", name, err)
	}
	return HelperState{
		ID: found.ID, Created: created, Up: core.State(found.State.Status).Up(), Restarts: found.RestartCount,
	}, nil
}

// EndHelper removes a helper, and tells whether it is gone: one that has been started
// again meanwhile is not. With force it is killed where it runs.
func (c *Client) EndHelper(ctx context.Context, id string, force bool) (gone bool, err error) {
	err = c.removeContainer(ctx, id, false, force)
	switch {
	case err == nil, isNotFound(err):
		return true, nil
	case isConflict(err) && !force:
		return false, nil
	}
	return false, fmt.Errorf("remove a helper: %w", err)
}

// Resign keeps the engine from starting the container again that this process runs
// in, once the process has ended.
func (c *Client) Resign(ctx context.Context, id string) error {
	return c.SetRestartPolicy(ctx, id, core.RestartPolicy{Name: "no"})
}
