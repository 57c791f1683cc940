package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// readings are what registries have said of images that are gone from the engine, as
// long as the process lives. Those of enabled containers are written down, too.
type readings struct {
	mu    sync.Mutex
	known map[string]reading // by the image's id
}

// reading says nothing where the registry had no such image at that time.
type reading struct {
	says core.Defaults
	at   time.Time
}

// absence is how long a registry is believed that it has no such image: to who has not
// logged in some say so of all that is private.
const absence = 24 * time.Hour

func (r *readings) of(id string) (d core.Defaults, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	read, there := r.known[id]
	return read.says, there && (read.says.Known() || time.Since(read.at) < absence)
}

func (r *readings) add(id string, d core.Defaults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]reading{}
	}
	r.known[id] = reading{d, time.Now()}
}

// keep forgets all images but these.
func (r *readings) keep(gone []core.Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.known, func(id string, _ reading) bool {
		return !slices.ContainsFunc(gone, func(image core.Image) bool { return image.ID == id })
	})
}

// remembered returns what is known of those containers' images that are gone from
// the engine: it was written down, or the engine has kept the digest, by which a
// registry can be asked. It is asked about what this plan may move.
func (u *Updater) remembered(ctx context.Context, w core.World) (map[string]core.Defaults, error) {
	var gone, wanted []core.Image
	for _, c := range w.Containers {
		if c.ImageGone {
			gone = append(gone, c.Image)
			if w.MayMove(c) {
				wanted = append(wanted, c.Image)
			}
		}
	}
	u.readings.keep(gone)
	return u.recall(ctx, gone, wanted)
}

// recall is remembered, for images of which those that are wanted are asked for. It
// reads nothing if there are none.
func (u *Updater) recall(ctx context.Context, gone, wanted []core.Image) (map[string]core.Defaults, error) {
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
	mute := map[string]bool{} // registries that do not answer now: the next image would wait as long
	for _, image := range wanted {
		host, _, _ := strings.Cut(image.Reference.Repository, "/")
		if !known[image.ID].Known() && !mute[host] {
			mute[host] = !u.read(ctx, image)
		}
	}
	for _, id := range ids {
		if d, there := u.readings.of(id); there && !known[id].Known() {
			known[id] = d
		}
	}
	return known, nil
}

// read asks an image's registry what it says, unless that is known, and tells whether
// the registry answered.
func (u *Updater) read(ctx context.Context, image core.Image) (answered bool) {
	if _, there := u.readings.of(image.ID); there || image.Digest == "" || u.Reader == nil {
		return true
	}
	d, err := u.Reader.Config(ctx, image)
	var told interface{ Reason() core.Reason }
	if err != nil { // it stays unknown, and the plan says so
		u.logger().Debug("reading what an image says that is gone", slog.Any("error", err))
		if !errors.As(err, &told) || told.Reason().Code != core.NotFound {
			return false
		}
	}
	u.readings.add(image.ID, d)
	return true
}

// defaults returns what an image says, wherever that is still known, and tells
// whether the image is gone from the engine.
func (u *Updater) defaults(ctx context.Context, image core.Image) (d core.Defaults, gone bool, err error) {
	d, err = u.Engine.Defaults(ctx, image.ID)
	if err != nil || d.Known() {
		return d, false, err
	}
	known, err := u.recall(ctx, []core.Image{image}, []core.Image{image})
	return known[image.ID], true, err
}

// remember writes down what the images of enabled containers say that are seen for
// the first time. That it failed is no reason not to update: until an image is gone
// nobody needs it.
func (u *Updater) remember(ctx context.Context, plan core.Plan) {
	wanted := map[string]bool{}
	inUse := map[string]bool{}
	for _, s := range plan.Steps {
		if s.Back {
			return // such a plan has not all containers
		}
		inUse[s.Container.Image.ID] = true
		if s.Policy.Enabled {
			wanted[s.Container.Image.ID] = true
		}
	}
	if err := u.rememberImages(ctx, wanted, slices.Collect(maps.Keys(inUse))); err != nil && ctx.Err() == nil {
		u.logger().Warn("remembering what the images say", slog.Any("error", err))
	}
}

// rememberImages writes only if there is something new.
func (u *Updater) rememberImages(ctx context.Context, wanted map[string]bool, inUse []string) error {
	if len(wanted) == 0 {
		return nil
	}
	known, err := u.Journal.Recall(ctx, slices.Collect(maps.Keys(wanted)))
	if err != nil {
		return err
	}
	add := map[string]core.Defaults{}
	for id := range wanted {
		if known[id].Known() {
			continue
		}
		d, err := u.Engine.Defaults(ctx, id)
		if err != nil {
			return err
		}
		if !d.Known() { // it is gone, and was asked for if it was to move
			d, _ = u.readings.of(id)
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
