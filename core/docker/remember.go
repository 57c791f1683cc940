package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/refit-dev/refit/core"
)

// Defaults returns what an image on the engine says where a user said nothing.
// The zero Defaults, without an error, means that there is no such image.
func (c *Client) Defaults(ctx context.Context, imageID string) (core.Defaults, error) {
	v, err := c.negotiate(ctx)
	if err != nil {
		return core.Defaults{}, err
	}
	var image object
	err = c.inspectImage(ctx, imageID, &image)
	if isNotFound(err) {
		return core.Defaults{}, nil
	}
	if err != nil {
		return core.Defaults{}, fmt.Errorf("inspect the image %s: %w", core.Short(imageID), err)
	}
	// An image that says nothing has {} here, or nothing at all.
	config, err := json.Marshal(image.object("Config").clone())
	if err != nil {
		return core.Defaults{}, fmt.Errorf("inspect the image %s: %w", core.Short(imageID), err)
	}
	return core.Defaults{
		Config:      config,
		Platform:    v.differs(image.text("Os"), image.text("Architecture"), image.text("Variant")),
		RepoDigests: parseAll(image.texts("RepoDigests")),
	}, nil
}

// askImage learns what the container's image says, from the engine if it has it,
// else from what is known.
func (c *Client) askImage(ctx context.Context, f *facts, known core.Defaults) error {
	err := c.inspectImage(ctx, f.Container.text("Image"), &f.Image)
	if !isNotFound(err) || !known.Known() {
		return err
	}
	config, err := configOf(known)
	f.Image = object{"Id": f.Container.text("Image"), "Config": config}
	return err
}

// configOf reads the configuration of an image with its numbers as they stand.
func configOf(d core.Defaults) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(d.Config))
	decoder.UseNumber()
	var config map[string]any
	if err := decoder.Decode(&config); err != nil {
		return nil, fmt.Errorf("read what is remembered of the image: %w", err)
	}
	return config, nil
}
