package update

import (
	"context"
	"fmt"

	"github.com/refit-dev/refit/core"
)

// Preview returns what a step that has a new image (To) would change in the
// container's settings because that image says other things than the old one. What
// it says is asked of the engine, or, if it does not have it, of its registry:
// nothing is pulled. The error answers Reason() core.Reason where a registry gave one.
func (u *Updater) Preview(ctx context.Context, s core.Step) ([]core.Change, error) {
	next, err := u.says(ctx, s.To)
	if err != nil {
		return nil, err
	}
	was, _, err := u.defaults(ctx, runs(s.Container))
	if err != nil {
		return nil, err
	}
	return u.Engine.Preview(ctx, s.Container.ID, was, next)
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
