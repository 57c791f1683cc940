package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/refit-dev/refit/core"
)

// Resolve returns the id of the image that the reference names on the engine, ""
// if there is none.
func (c *Client) Resolve(ctx context.Context, text string) (string, error) {
	found, err := c.resolve(ctx, text)
	return found.ID, err
}

// resolve returns the zero value where the reference names no image.
func (c *Client) resolve(ctx context.Context, text string) (image.InspectResponse, error) {
	if err := c.ready(ctx); err != nil {
		return image.InspectResponse{}, err
	}
	r, err := ParseReference(text)
	if err != nil {
		return image.InspectResponse{}, err
	}
	var found image.InspectResponse
	err = c.inspectImage(ctx, text, &found)
	switch {
	case isNotFound(err):
		return image.InspectResponse{}, nil
	case err != nil:
		return image.InspectResponse{}, fmt.Errorf("look for the image %s: %w", text, err)
	case !names(found.RepoTags, found.RepoDigests, r):
		return image.InspectResponse{}, nil // the engine takes the beginning of an id as well
	}
	return found, nil
}

// Tag points the reference to the image, wherever it pointed before.
func (c *Client) Tag(ctx context.Context, id, text string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	if err := c.api.ImageTag(ctx, id, text); err != nil {
		return fmt.Errorf("tag %s as %s: %w", core.Short(id), text, err)
	}
	return nil
}

// Untag removes a reference. It is no error if it is gone. It never removes the
// last name of an image that no container uses: such a tag is an error.
func (c *Client) Untag(ctx context.Context, text string) error {
	found, err := c.resolve(ctx, text)
	if err != nil || found.ID == "" {
		return err
	}
	r, err := ParseReference(text)
	if err != nil {
		return err
	}
	used, err := c.uses(ctx, found.ID)
	if err != nil {
		return fmt.Errorf("untag %s: %w", text, err)
	}
	named := keepsName(found, r)
	if !named && !used {
		return fmt.Errorf("untag %s: it is the last name of an image that no container uses", text)
	}
	if !named {
		// Without force the engine refuses to take the last name, and with force it
		// takes the image from a stopped container. Pointed elsewhere first, the
		// tag is one of several there.
		if err := c.pointElsewhere(ctx, found.ID, r); err != nil {
			return fmt.Errorf("untag %s: %w", text, err)
		}
	}
	if err := c.removeImage(ctx, text, false); err != nil && !isNotFound(err) {
		return fmt.Errorf("untag %s: %w", text, err)
	}
	return nil
}

// keepsName tells whether an image has a name left when r goes. With the last tag
// of a repository the engine drops the digests of that repository as well.
func keepsName(i image.InspectResponse, r core.Reference) bool {
	sibling := false
	for _, tag := range parseAll(i.RepoTags) {
		if !same(tag, r) {
			sibling = true
		}
	}
	return sibling || slices.ContainsFunc(parseAll(i.RepoDigests), func(d core.Reference) bool {
		return d.Repository != r.Repository
	})
}

// pointElsewhere points the tag to any other image that has a tag in another
// repository, and no digest in this one: that would go with the tag.
func (c *Client) pointElsewhere(ctx context.Context, id string, r core.Reference) error {
	all, err := c.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return err
	}
	for _, other := range all {
		here := func(name core.Reference) bool { return name.Repository == r.Repository }
		elsewhere := func(name core.Reference) bool { return !here(name) }
		if other.ID == id || !slices.ContainsFunc(parseAll(other.RepoTags), elsewhere) ||
			slices.ContainsFunc(parseAll(other.RepoDigests), here) {
			continue
		}
		return c.api.ImageTag(ctx, other.ID, r.Text)
	}
	return errors.New("it is the last name of an image that a container uses, and there is no other image to point it to")
}

// uses tells whether a container, running or not, was made from the image.
func (c *Client) uses(ctx context.Context, id string) (bool, error) {
	all, err := c.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(c container.Summary) bool { return c.ImageID == id }), nil
}

// TagsOf returns the tags of a repository: reference → image id.
func (c *Client) TagsOf(ctx context.Context, repository string) (map[string]string, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	r, err := ParseReference(repository)
	if err != nil {
		return nil, err
	}
	all, err := c.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", repository, err)
	}
	tags := map[string]string{}
	for _, i := range all {
		for _, tag := range parseAll(i.RepoTags) {
			if tag.Repository == r.Repository {
				tags[tag.Text] = i.ID
			}
		}
	}
	return tags, nil
}

// RemoveImage removes an image that has no tag and that no container uses, and
// tells whether it did. An image that is still used stays: no error.
func (c *Client) RemoveImage(ctx context.Context, id string) (bool, error) {
	if err := c.ready(ctx); err != nil {
		return false, err
	}
	var found image.InspectResponse
	err := c.inspectImage(ctx, id, &found)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove the image %s: %w", core.Short(id), err)
	}
	// Asked before, because of several digests the engine takes all but the last
	// one away from an image in use.
	used, err := c.uses(ctx, found.ID)
	if err != nil {
		return false, fmt.Errorf("remove the image %s: %w", core.Short(id), err)
	}
	if used || len(parseAll(found.RepoTags)) > 0 {
		return false, nil
	}
	return c.removeByNames(ctx, found)
}

// removeByNames removes an image that nothing uses by its digests, where it has
// some: a tag that comes meanwhile then keeps it, while by id the engine would
// take the tag with it.
func (c *Client) removeByNames(ctx context.Context, found image.InspectResponse) (bool, error) {
	handles := slices.DeleteFunc(slices.Clone(found.RepoDigests), func(d string) bool { return strings.HasPrefix(d, "<none>") })
	if len(handles) == 0 {
		handles = []string{found.ID}
	}
	for _, handle := range handles {
		err := c.removeImage(ctx, handle, true)
		if isConflict(err) {
			return false, nil
		}
		if err != nil && !isNotFound(err) {
			return false, fmt.Errorf("remove the image %s: %w", core.Short(found.ID), err)
		}
	}
	err := c.inspectImage(ctx, found.ID, nil)
	if err != nil && !isNotFound(err) {
		return false, fmt.Errorf("remove the image %s: %w", core.Short(found.ID), err)
	}
	return isNotFound(err), nil
}
