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
// the engine. The ledger is read only if there is one.
func (u *Updater) remembered(ctx context.Context, all []core.Container) (map[string]core.Defaults, error) {
	var gone []string
	for _, c := range all {
		if c.ImageGone {
			gone = append(gone, c.Image.ID)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	known, err := u.Journal.Recall(ctx, gone)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return known, nil
}

// remember writes down the defaults of the images of enabled containers that are
// seen for the first time. That it failed is no reason not to update: until an
// image is gone nobody needs them.
func (u *Updater) remember(ctx context.Context, plan core.Plan) {
	inUse := map[string]bool{} // image id → whether an enabled container uses it
	for _, s := range plan.Steps {
		if s.Back {
			return // such a plan has not all containers
		}
		id := s.Container.Image.ID
		inUse[id] = inUse[id] || s.Policy.Enabled
	}
	if err := u.rememberImages(ctx, inUse); err != nil && u.Log != nil && ctx.Err() == nil {
		u.Log.Warn("remembering what the images say", slog.Any("error", err))
	}
}

// rememberImages asks the engine for what is not remembered yet. It writes only if
// there is something new.
func (u *Updater) rememberImages(ctx context.Context, inUse map[string]bool) error {
	ids := slices.Sorted(maps.Keys(inUse))
	wanted := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !inUse[id] })
	if len(wanted) == 0 {
		return nil
	}
	known, err := u.Journal.Recall(ctx, wanted)
	if err != nil {
		return err
	}
	add := map[string]core.Defaults{}
	for _, id := range wanted {
		if known[id].Known() {
			continue
		}
		d, err := u.Engine.Defaults(ctx, id)
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
	return u.Journal.Remember(ctx, add, ids)
}

// snapshot takes P's, and tells whether its image is gone from the engine.
func (r *replacement) snapshot(ctx context.Context, id string) (gone bool, err error) {
	known, err := r.Engine.Defaults(ctx, r.From.ID)
	if err != nil {
		return false, engineFailed(err, "inspect its image")
	}
	if gone = !known.Known(); gone {
		recalled, err := r.Journal.Recall(ctx, []string{r.From.ID})
		if err != nil {
			return true, fail(core.LedgerFailed, "read the ledger: %v", err)
		}
		known = recalled[r.From.ID]
	}
	if r.Snapshot, err = r.Engine.Snapshot(ctx, id, known); err != nil {
		return gone, fail(core.Unsupported, "read its settings: %v", err)
	}
	return gone, nil
}
