package update

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// Recover finishes or undoes what an earlier process left in the middle, and
// returns a result for each container that it had to do with. It runs at every
// start, before the first cycle, and when nothing is left to do it does nothing.
// An error means that something could not be finished, and that it should be called again.
//
// It goes by the ledger; where the ledger knows nothing, by the containers'
// names and the successors' marks. It touches only what this instance began:
// what another one left is reported, with the outcome held, unless Adopt is set.
func (u *Updater) Recover(ctx context.Context) ([]core.Result, error) {
	defer u.rest()
	attempts, err := u.Journal.Attempts(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	all, err := u.arrived(ctx, attempts)
	if err != nil {
		return nil, err
	}
	marked, foreign := u.marked(all, attempts)
	results := foreign
	for _, a := range slices.Concat(attempts, marked) {
		result, pending := u.resume(ctx, a)
		results = append(results, result)
		if pending != nil {
			err = errors.Join(err, fmt.Errorf("recover %s: %w", a.Name, pending))
		}
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
	}
	return results, errors.Join(err, u.dropStrayTags(ctx))
}

// marked makes attempts of the successors that the ledger does not know.
func (u *Updater) marked(all []core.Container, known []core.Attempt) (ours []core.Attempt, foreign []core.Result) {
	byID := map[string]core.Container{}
	for _, c := range all {
		byID[c.ID] = c
	}
	for _, s := range all {
		if s.Mark == nil || slices.ContainsFunc(known, func(a core.Attempt) bool { return a.ID == s.Mark.Attempt }) {
			continue
		}
		p, parked := byID[s.Mark.Predecessor]
		name, waiting := strings.CutSuffix(s.Name, core.NewSuffix)
		if parked {
			name = strings.TrimSuffix(p.Name, core.OldSuffix)
		}
		if !parked && !waiting {
			continue // finished long ago: the mark is dropped at its next update
		}
		if policy, _, _ := u.Settings.PolicyOf(s); policy.Scope != u.Settings.Scope {
			continue // another Refit's by name, and none of our business
		}
		if s.Mark.Owner != u.Owner && !u.Adopt {
			foreign = append(foreign, reportForeign(s, name))
			continue
		}
		ours = append(ours, u.reconstruct(s, p, name))
	}
	return ours, foreign
}

func reportForeign(s core.Container, name string) core.Result {
	return core.Result{
		Name: name, ID: s.ID, Outcome: core.OutcomeHeld, Started: time.Now(),
		Reason: core.Reason{Code: core.Foreign, Text: fmt.Sprintf("another Refit (%s) is replacing it, or was", s.Mark.Owner)},
	}
}

// reconstruct makes an attempt of what S's mark says. P is zero if it is gone.
func (u *Updater) reconstruct(s, p core.Container, name string) core.Attempt {
	m := s.Mark
	policy, _, _ := u.Settings.PolicyOf(s)
	from := p.Image
	from.Reference = s.Image.Reference
	line := core.LineStart
	if strings.HasSuffix(s.Name, core.NewSuffix) {
		line = core.LineStop
	}
	return core.Attempt{
		ID: m.Attempt, Owner: m.Owner, Line: line, Touched: m.State.Up(), Started: time.Now(), Ran: time.Now(), Lost: true,
		Swap: core.Swap{
			Name: name, Predecessor: m.Predecessor, RestartPolicy: m.RestartPolicy, State: m.State, Successor: s.ID,
			From: from, To: s.Image, TagBefore: m.TagBefore, TagMoved: true, Policy: policy,
			FromVersion: core.VersionOf(p.Labels), ToVersion: core.VersionOf(s.Labels), Labels: s.Labels, Mounts: p.Mounts,
		},
	}
}

// resume goes on with one attempt from the line at which it was left. Pending is
// why it is not over yet.
func (u *Updater) resume(ctx context.Context, a core.Attempt) (result core.Result, pending error) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			result = core.Result{Name: a.Name, ID: a.Predecessor, From: a.From, To: a.To, Started: began}
			u.panicked(&result, p)
			pending = fmt.Errorf("panic: %v", p)
		}
	}()
	r := &replacement{
		Updater: u, Attempt: a, log: u.log(a.Name), place: func() {}, resumed: true,
		result: core.Result{
			Name: a.Name, ID: a.Predecessor, From: a.From, To: a.To, Started: began,
			Outcome: core.OutcomeRecovered, Notify: a.Policy.Notify,
		},
	}
	if a.Lost && len(a.Policy.Hooks) > 0 {
		r.result.Notes = append(r.result.Notes, fmt.Sprintf("the record of the update was lost, and with it what the hooks (%s) were told and said: "+
			"they do not hear of its end, and nothing was restored", strings.Join(a.Policy.Hooks, ", ")))
	}
	r.log.Warn("recovering an interrupted replacement", slog.String("line", string(a.Line)), slog.Time("begun", a.Started))
	var err error
	switch a.Line {
	case core.LineStart, core.LinePostUpdate:
		if err = r.resumeGate(ctx); err == nil {
			err = r.postUpdate(ctx)
		}
	case core.LineCommit:
		if err = r.resumeFinish(ctx); errors.Is(err, errDown) {
			return r.result, r.pending
		}
	default:
		err = fail(core.Interrupted, "an update was interrupted at line %q", a.Line)
		if a.Cause != nil {
			err = &failure{Reason: *a.Cause}
		}
	}
	if err == nil {
		r.result.Reason = core.Reason{Code: core.Interrupted, Text: "an interrupted update was finished"}
	}
	r.conclude(context.WithoutCancel(ctx), err)
	r.complete()
	return r.result, r.pending
}

// resumeGate watches an S that runs under its name; any other is rolled back.
func (r *replacement) resumeGate(ctx context.Context) error {
	s, err := r.see(ctx)
	switch {
	case err != nil && !errors.Is(err, errDisturbed):
		return err
	case !s.Exists() || s.Name != r.Name:
		return fail(core.Interrupted, "an update was interrupted before the new container stood in its place")
	case r.State.Up() && s.StartedAt.IsZero():
		return fail(core.Interrupted, "an update was interrupted before the new container ran")
	case r.State.Up() && s.State == core.Exited && (s.ExitCode != 0 || r.Policy.GateStable > 0):
		// It ended while nobody watched: by itself, or with the engine. It gets its
		// chance again.
		if err := r.startAgain(ctx); err != nil {
			return err
		}
	}
	r.mindService(ctx)
	return r.watch(ctx)
}

// resumeFinish makes sure that a committed S still stands.
func (r *replacement) resumeFinish(ctx context.Context) error {
	s, err := r.see(ctx)
	switch {
	case err != nil && !errors.Is(err, errDisturbed):
		return err
	case !s.Exists():
		r.TagMoved = true // with P its image is the one that the tag is to name
		return fail(core.ChangedMeanwhile, "somebody removed the new container")
	case r.State.Up() && !s.State.Up() && s.State != core.Paused:
		if err := r.startAgain(ctx); err != nil {
			return r.downAfterCommit(err)
		}
	}
	return nil
}

// downAfterCommit is what there is to say when a committed S does not start any
// more: from here on nothing is turned round, the next Recover tries again.
func (r *replacement) downAfterCommit(cause error) error {
	r.leave(cause)
	r.result.Outcome, r.result.Reason = core.OutcomeDown, reasonOf(cause, core.StartFailed)
	r.result.Notes = append(r.result.Notes, "the new container passed its gate and does not start any more: docker start "+r.Name)
	return errDown
}

// dropStrayTags removes the second tags that no record explains. Only a ledger
// that was lost leaves them. If the process before died while a reference's tag
// was moved for a moment (line 3), they are also all that tells of it.
func (u *Updater) dropStrayTags(ctx context.Context) error {
	kept, err := u.keptImages(ctx)
	if err != nil {
		return err
	}
	open, err := u.Journal.Attempts(ctx)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	for attempt, image := range kept {
		tag := core.Attempt{ID: attempt, Owner: u.Owner}.KeptTag(0)
		if slices.ContainsFunc(open, func(a core.Attempt) bool { return a.KeptTag(0) == tag }) {
			continue
		}
		if err := u.tagsBack(ctx, image); err != nil {
			return err
		}
		if err := u.Engine.Untag(ctx, tag); err != nil {
			u.log(tag).Warn("keeping a tag that is not needed any more", slog.Any("error", err))
		}
	}
	return nil
}

// keptImages are the images that second tags of ours keep, by the attempt that
// tagged them.
func (u *Updater) keptImages(ctx context.Context) (map[string]string, error) {
	tags, err := u.Engine.TagsOf(ctx, core.KeptRepository)
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", core.KeptRepository, err)
	}
	kept := map[string]string{}
	prefix := core.Attempt{Owner: u.Owner}.KeptTag(0)
	for tag, image := range tags {
		if attempt, ours := strings.CutPrefix(tag, prefix); ours {
			kept[attempt] = image
		}
	}
	return kept, nil
}

// tagsBack points the references of the containers that run the image back to
// it, unless a container runs what they point to now.
func (u *Updater) tagsBack(ctx context.Context, image string) error {
	all, err := u.Engine.Containers(ctx)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	for _, c := range all {
		if c.Image.ID != image {
			continue
		}
		reference := c.Image.Reference.Text
		now, err := u.Engine.Resolve(ctx, reference)
		if err != nil {
			return fmt.Errorf("look up %s: %w", reference, err)
		}
		inUse := slices.ContainsFunc(all, func(o core.Container) bool { return o.Image.ID == now })
		if now == "" || inUse { // image itself is in use, by c
			continue
		}
		if err := u.Engine.Tag(ctx, image, reference); err != nil {
			return fmt.Errorf("point %s back to the old image: %w", reference, err)
		}
	}
	return nil
}
