package update

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/refit-dev/refit/core"
)

// remembered returns what is known of those containers' images that are gone from
// the engine: it was written down, or the engine has kept the digest, by which a
// registry can be asked.
func (u *Updater) remembered(ctx context.Context, all []core.Container) (map[string]core.Defaults, error) {
	var gone []core.Image
	for _, c := range all {
		if c.ImageGone {
			gone = append(gone, c.Image)
		}
	}
	return u.recall(ctx, gone)
}

// recall is remembered, for images. It reads nothing if there are none.
func (u *Updater) recall(ctx context.Context, gone []core.Image) (map[string]core.Defaults, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	var ids []string
	for _, image := range gone {
		ids = append(ids, image.ID)
	}
	known, err := u.Journal.Recall(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	for _, image := range gone {
		if known[image.ID].Known() || image.Digest == "" || u.Reader == nil {
			continue
		}
		d, err := u.Reader.Config(ctx, image)
		if err != nil { // it stays unknown, and the plan says so
			u.logger().Debug("reading what an image says that is gone", slog.Any("error", err))
			continue
		}
		known[image.ID] = d
	}
	return known, nil
}

// defaults returns what an image says, wherever that is still known, and tells
// whether the image is gone from the engine.
func (u *Updater) defaults(ctx context.Context, image core.Image) (d core.Defaults, gone bool, err error) {
	d, err = u.Engine.Defaults(ctx, image.ID)
	if err != nil || d.Known() {
		return d, false, err
	}
	known, err := u.recall(ctx, []core.Image{image})
	return known[image.ID], true, err
}

// remember writes down what the images of enabled containers say that are seen for
// the first time. That it failed is no reason not to update: until an image is gone
// nobody needs it.
func (u *Updater) remember(ctx context.Context, plan core.Plan) {
	wanted := map[string]core.Image{}
	inUse := map[string]bool{}
	for _, s := range plan.Steps {
		if s.Back {
			return // such a plan has not all containers
		}
		inUse[s.Container.Image.ID] = true
		if s.Policy.Enabled {
			wanted[s.Container.Image.ID] = runs(s.Container)
		}
	}
	if err := u.rememberImages(ctx, wanted, slices.Collect(maps.Keys(inUse))); err != nil && ctx.Err() == nil {
		u.logger().Warn("remembering what the images say", slog.Any("error", err))
	}
}

// rememberImages writes only if there is something new.
func (u *Updater) rememberImages(ctx context.Context, wanted map[string]core.Image, inUse []string) error {
	if len(wanted) == 0 {
		return nil
	}
	known, err := u.Journal.Recall(ctx, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	add := map[string]core.Defaults{}
	for id, image := range wanted {
		if known[id].Known() {
			continue
		}
		d, _, err := u.defaults(ctx, image)
		if err != nil {
			return err
		}
		if d.Known() {
			add[id] = d
		}
	}
	if len(add) == 0 {
		return nil
	}
	return u.Journal.Remember(ctx, add, inUse)
}

// snapshot takes P's, and tells whether its image is gone from the engine.
func (s *swap) snapshot(ctx context.Context, id string) (gone bool, err error) {
	known, gone, err := s.r.defaults(ctx, s.From)
	if err != nil {
		return gone, engineFailed(err, "learn what its image says")
	}
	if gone && s.Part == core.Moves && !s.Changes() {
		return gone, fail(core.Unsupported, "it cannot be made again, because its image %s is gone from the engine", core.Short(s.From.ID))
	}
	if s.Snapshot, err = s.r.Engine.Snapshot(ctx, id, known); err != nil {
		return gone, fail(core.Unsupported, "read its settings: %v", err)
	}
	return gone, nil
}
