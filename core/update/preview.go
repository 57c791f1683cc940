package update

import (
	"context"
	"fmt"
	"sync"

	"github.com/refit-dev/refit/core"
)

// Preview is what a step would change in its container's settings because the new
// image says other things than the old one.
type Preview struct {
	Changes []core.Change
	// Err is why that is not known. It answers Reason() core.Reason where a registry
	// gave one.
	Err error
}

// Preview returns one for each step, in their order: the zero Preview for one without
// a new image (To). What an image says is asked once, of the engine, or, if that does
// not have it, of its registry: nothing is pulled.
func (u *Updater) Preview(ctx context.Context, steps []core.Step) []Preview {
	previews := make([]Preview, len(steps))
	said := map[core.Image]func() (core.Defaults, error){}
	for i, s := range steps {
		if s.To == (core.Image{}) {
			continue
		}
		if said[s.To] == nil {
			said[s.To] = sync.OnceValues(func() (core.Defaults, error) { return u.says(ctx, s.To) })
		}
		previews[i].Changes, previews[i].Err = u.changes(ctx, s.Container, said[s.To])
	}
	return previews
}

func (u *Updater) changes(ctx context.Context, c core.Container, next func() (core.Defaults, error)) ([]core.Change, error) {
	is, err := next()
	if err != nil {
		return nil, err
	}
	was, _, err := u.defaults(ctx, runs(c))
	if err != nil {
		return nil, err
	}
	return u.Engine.Preview(ctx, c.ID, was, is)
}

// says returns what an image says.
func (u *Updater) says(ctx context.Context, image core.Image) (core.Defaults, error) {
	id := image.ID
	if id == "" {
		var err error
		if id, err = u.Engine.Resolve(ctx, image.Reference.Repository+"@"+image.Digest); err != nil {
			return core.Defaults{}, err
		}
	}
	if id != "" {
		d, err := u.Engine.Defaults(ctx, id)
		// By an index's digest the engine may know the image of another platform.
		if err != nil || d.Known() && d.Platform == image.Platform {
			return d, err
		}
	}
	if u.Reader == nil || image.Digest == "" {
		return core.Defaults{}, fmt.Errorf("the engine does not have the image %s", core.Short(image.ID))
	}
	return u.Reader.Config(ctx, image)
}
