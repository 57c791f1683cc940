package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/refit-dev/refit/core"
)

// mute tells whether an answer about an image says nothing of what the image says.
// Engines that have their images in containerd's store answer so for one of which they
// lack a layer: it happens to an image that shares one with a container whose own image
// was removed (seen on 28.5). Every other answer names the system that it is for.
func mute(image object) bool { return image.text("Os") == "" }

// errMute is a mute answer where there is no other.
var errMute = errors.New("the engine lacks a part of it, and tells nothing of what it says")

// Defaults returns what an image on the engine says where a user said nothing.
// The zero Defaults, without an error, means that there is no such image, or that the
// engine cannot tell.
func (c *Client) Defaults(ctx context.Context, imageID string) (core.Defaults, error) {
	v, err := c.negotiate(ctx)
	if err != nil {
		return core.Defaults{}, err
	}
	var image object
	err = c.inspectImage(ctx, imageID, &image)
	if isNotFound(err) || err == nil && mute(image) {
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

// askImage learns what the container's image says: from the engine if it can tell,
// else from the first of the spare answers that fits. One without an id fits always.
func (c *Client) askImage(ctx context.Context, f *facts, spare ...object) error {
	id := f.Container.text("Image")
	err := c.inspectImage(ctx, id, &f.Image)
	if err == nil && !mute(f.Image) || err != nil && !isNotFound(err) {
		return err
	}
	for _, s := range spare {
		if s["Config"] != nil && (s["Id"] == nil || s["Id"] == id) {
			f.Image = object{"Id": id, "Config": s["Config"]}
			return nil
		}
	}
	if err == nil {
		return errMute
	}
	return err
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
