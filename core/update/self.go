package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/refit-dev/refit/core"
)

// Refit is a container like any other, and cannot replace itself: it would stop in the
// middle. So everything that concerns the container that this process runs in is left
// to a helper, be it to begin, to finish or to undo.

// isSelf tells whether a container is the one that this process runs in.
func (u *Updater) isSelf(id string) bool { return id != "" && id == u.Settings.Self }

// concernsSelf tells whether an attempt has put this process in its place, or is to
// take it away.
func (u *Updater) concernsSelf(a core.Attempt) bool {
	for _, s := range a.Swaps() {
		if u.isSelf(s.Predecessor) || u.isSelf(s.Successor) {
			return true
		}
	}
	return false
}

// handOver leaves the step that replaces Refit itself to a helper. Open is set, so that
// Recover looks at what has become of it.
func (v *voyage) handOver(ctx context.Context, s core.Step) []core.Result {
	if held, why := v.await(s); held {
		return together(s, settled(why))
	}
	open, err := v.Journal.Attempts(ctx)
	switch {
	case err != nil:
		return together(s, settled(s.Held(core.LedgerFailed, "read the ledger: %v", err)))
	case len(open) > 0:
		return together(s, settled(s.Held(core.InReplacement, "the replacement of %s is not over yet: that comes first", open[0].Name)))
	case ctx.Err() != nil:
		return together(s, settled(s.Held(core.Cancelled, "Refit was asked to end before it began")))
	case v.proofs.get(keyOf(s.To)) == failed:
		return together(s, settled(s.Held(core.CanaryFailed, "another container was moved to this image first, and failed")))
	}
	v.log(s.Container.Name).Info("found a new image of Refit itself: a helper takes over", slog.String("image", s.To.Reference.Text))
	r := settled(s)
	if err := v.Deputy.Send(ctx, s.Container.Image.ID); err != nil {
		r.Outcome, r.Reason = core.OutcomeHeld, reasonOf(engineFailed(err, "send the helper that is to replace Refit"), core.EngineFailed)
		return together(s, r)
	}
	r.Open = true
	r.Reason = core.Reason{Code: core.HandedOver, Text: "this is Refit itself: the container " +
		core.BaseName(s.Container.Name) + core.HelperSuffix + " replaces it"}
	return []core.Result{r}
}

// errHelperAtWork is why an attempt that concerns this process is not over yet.
var errHelperAtWork = errors.New("a helper goes on with it")

// HelperAtWork tells whether an error of Recover says that a helper was sent: when it is
// done, Recover should be called again.
func HelperAtWork(err error) bool { return errors.Is(err, errHelperAtWork) }

// others tells whether an attempt is none of a helper's business.
func (u *Updater) others(a core.Attempt) bool {
	return u.Only != "" && !slices.ContainsFunc(a.Swaps(), func(s core.Swap) bool { return s.Name == u.Only })
}

// sendAfter leaves an attempt that concerns this process to a helper, which is made
// from the image that was good before.
func (u *Updater) sendAfter(ctx context.Context, a core.Attempt) error {
	if u.Deputy == nil {
		return errors.New("it is the update of Refit itself: start the sidecar")
	}
	if err := u.Deputy.Send(ctx, a.From.ID); err != nil {
		return fmt.Errorf("send a helper: %w", err)
	}
	u.log(a.Name).Info("the update of Refit itself was interrupted: a helper goes on with it")
	return errHelperAtWork
}
