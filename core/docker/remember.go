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

// askImage learns what the container's image says: from the engine if it has it,
// else from the spare answer, which is of any image where it has no id.
func (c *Client) askImage(ctx context.Context, f *facts, spare object) error {
	id := f.Container.text("Image")
	err := c.inspectImage(ctx, id, &f.Image)
	if !isNotFound(err) || spare["Config"] == nil || spare["Id"] != nil && spare["Id"] != id {
		return err
	}
	f.Image = object{"Id": id, "Config": spare["Config"]}
	return nil
}

// answerOf makes of what is remembered of an image as much of the engine's answer
// as is needed, with its numbers as they stand.
func answerOf(known core.Defaults) (object, error) {
	if !known.Known() {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(known.Config))
	decoder.UseNumber()
	var config map[string]any
	if err := decoder.Decode(&config); err != nil {
		return nil, fmt.Errorf("read what is remembered of its image: %w", err)
	}
	return object{"Config": config}, nil
}
