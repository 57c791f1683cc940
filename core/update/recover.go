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
	kept, err := u.keptAttempts(ctx)
	if err != nil {
		return nil, err
	}
	marked, foreign := u.marked(all, attempts, kept)
	results := foreign
	for _, a := range slices.Concat(attempts, marked) {
		if u.others(a) {
			continue
		}
		if u.concernsSelf(a) {
			err = errors.Join(err, fmt.Errorf("recover %s: %w", a.Name, u.sendAfter(ctx, a)))
			continue
		}
		ended, pending := u.resume(ctx, a)
		results = append(results, ended...)
		if pending != nil {
			err = errors.Join(err, fmt.Errorf("recover %s: %w", a.Name, pending))
		}
		if ctx.Err() != nil {
			return results, ctx.Err()
		}
	}
	return results, errors.Join(err, u.dropStrayTags(ctx))
}

// resume goes on with one attempt from the line at which it was left. Pending is
// why it is not over yet.
func (u *Updater) resume(ctx context.Context, a core.Attempt) (results []core.Result, pending error) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			result := core.Result{Name: a.Name, ID: a.Predecessor, From: a.From, To: a.To, Started: began}
			u.panicked(&result, p)
			results, pending = []core.Result{result}, fmt.Errorf("panic: %v", p)
		}
	}()
	r := &replacement{Updater: u, Attempt: a, log: u.log(a.Name), place: func() {}, resumed: true}
	r.enlist(began)
	r.result.Outcome = core.OutcomeRecovered
	if a.Lost && len(a.Policy.Hooks) > 0 {
		r.note("the record of the update was lost, and with it what the hooks (%s) were told and said: "+
			"they do not hear of its end, and nothing was restored", strings.Join(a.Policy.Hooks, ", "))
	}
	r.log.Warn("recovering an interrupted replacement", slog.String("line", string(a.Line)), slog.Time("begun", a.Started))
	err := r.goOn(ctx)
	if errors.Is(err, errDown) {
		r.complete()
		return r.results(), r.pending
	}
	if err == nil {
		r.result.Reason = core.Reason{Code: core.Interrupted, Text: "an interrupted update was finished"}
	}
	r.conclude(context.WithoutCancel(ctx), err)
	r.complete()
	return r.results(), r.pending
}

// goOn does what is left of lines 5 to 9, as far as a replacement that was left at
// that line can go forward; its error says that it cannot, or what must be undone.
func (r *replacement) goOn(ctx context.Context) error {
	switch {
	case r.Line == core.LineCommit:
		return r.resumeFinish(ctx)
	case r.beside() && (r.Line == core.LineStop || r.Line == core.LineRename):
		return r.resumeBeside(ctx)
	case !r.beside() && (r.Line == core.LineStart || r.Line == core.LinePostUpdate):
		if err := r.resumeGate(ctx); err != nil {
			return err
		}
		return r.postUpdate(ctx)
	case r.Cause != nil:
		return &failure{Reason: *r.Cause}
	default:
		return fail(core.Interrupted, "an update was interrupted at line %q", r.Line)
	}
}

// resumeGate watches those that run under their names, and starts those of a group
// whose turn had not come; any other state is rolled back.
func (r *replacement) resumeGate(ctx context.Context) error {
	for i, s := range r.swaps {
		if err := s.resumeGate(ctx); err != nil {
			r.startRest(ctx, i+1, err)
			return s.named(err)
		}
	}
	return nil
}

func (s *swap) resumeGate(ctx context.Context) error {
	now, err := s.see(ctx)
	switch {
	case err != nil && !errors.Is(err, errDisturbed):
		return err
	case !now.Exists() || now.Name != s.Name:
		return fail(core.Interrupted, "an update was interrupted before the new container stood in its place")
	case s.State.Up():
		if err := s.bringUp(ctx, now); err != nil {
			return err
		}
		if err := s.rejoin(ctx); err != nil {
			return err
		}
		if err := s.policyBack(ctx); err != nil {
			return engineFailed(err, "give it its restart policy")
		}
	}
	s.r.mindService(ctx)
	return s.watch(ctx)
}

// bringUp starts what was to run when it was left and does not.
func (s *swap) bringUp(ctx context.Context, now core.Status) error {
	never := now.StartedAt.IsZero()
	switch {
	case s.n == 0 && never:
		return fail(core.Interrupted, "an update was interrupted before the new container ran")
	case never, s.Part == core.Restarts && !now.State.Up():
		return s.start(ctx) // its turn had not come
	case crashed(now) && !s.unjudged(),
		now.State == core.Exited && (now.ExitCode != 0 || s.Policy.GateStable > 0):
		// It ended while nobody watched: by itself, or with the engine. It gets its
		// chance again.
		return s.startAgain(ctx)
	default:
		return nil
	}
}

// rejoin restarts one that has run for longer than another one of the group that it
// needs: what it shares is then that one's earlier life.
func (s *swap) rejoin(ctx context.Context) (err error) {
	if s.now, err = s.see(ctx); err != nil && !errors.Is(err, errDisturbed) {
		return err
	}
	stale := s.outlives(func(o *swap) core.Status { return o.now })
	if !stale || !s.now.State.Up() {
		return nil
	}
	if err := s.halt(ctx, s.Policy.StopSignal); err != nil {
		return engineFailed(err, "restart it after what it hangs on")
	}
	if err := s.startAgain(ctx); err != nil {
		return err
	}
	if s.now, err = s.see(ctx); errors.Is(err, errDisturbed) {
		return nil
	}
	return err
}

// resumeFinish makes sure that every committed S still stands.
func (r *replacement) resumeFinish(ctx context.Context) error {
	for _, s := range r.swaps {
		if err := s.resumeFinish(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *swap) resumeFinish(ctx context.Context) error {
	now, err := s.see(ctx)
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case err != nil && !errors.Is(err, errDisturbed):
		return s.downAfterCommit(err)
	case !now.Exists() && s.r.turnable(ctx):
		s.TagMoved = true // with P its image is the one that the tag is to name
		return fail(core.ChangedMeanwhile, "somebody removed the new container")
	case !now.Exists():
		s.note("somebody removed the new container")
		return nil
	case s.State.Up() && !now.State.Up():
		if err := s.startAgain(ctx); err != nil {
			return s.downAfterCommit(err)
		}
	}
	err = s.rejoin(ctx)
	if err != nil && !errors.Is(err, errInterrupted) {
		return s.downAfterCommit(err)
	}
	return err
}

// turnable tells whether a committed replacement can still be turned round: no
// predecessor has been removed, unless there is but one container.
func (r *replacement) turnable(ctx context.Context) bool {
	if len(r.swaps) == 1 {
		return true
	}
	return r.each(ctx, func(s *swap, ctx context.Context) error {
		if err := s.find(ctx); err != nil || !s.old.Exists() {
			return errors.Join(err, errors.New("it is gone"))
		}
		return nil
	}) == nil
}

// downAfterCommit is what there is to say when a committed S does not start any
// more, or cannot be seen: from here on nothing is turned round, the next Recover tries again.
func (s *swap) downAfterCommit(cause error) error {
	s.r.leave(cause)
	if !errors.As(cause, new(*failure)) { // the engine is away: nobody knows how it is
		s.r.result.Outcome, s.r.result.Reason = core.OutcomeFailed, reasonOf(cause, core.EngineFailed)
		return errDown
	}
	s.r.result.Outcome, s.r.result.Reason = core.OutcomeDown, reasonOf(s.named(cause), core.StartFailed)
	s.r.note("%s passed its gate and does not start any more: docker start %s", s.what(), s.Name)
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
	for suffix, image := range kept {
		if slices.ContainsFunc(open, func(a core.Attempt) bool { return a.ID == attemptOf(suffix) }) {
			continue
		}
		tag := core.Attempt{ID: suffix, Owner: u.Owner}.KeptTag(0)
		if err := u.tagsBack(ctx, image); err != nil {
			return err
		}
		if err := u.Engine.Untag(ctx, tag); err != nil {
			u.log(tag).Warn("keeping a tag that is not needed any more", slog.Any("error", err))
		}
	}
	return nil
}

// attemptOf is the attempt's id in the end of a second tag.
func attemptOf(suffix string) string {
	attempt, _, _ := strings.Cut(suffix, ".")
	return attempt
}

// keptImages are the images that second tags of ours keep, by the ends of those tags:
// the attempt's id, and which of its containers it is.
func (u *Updater) keptImages(ctx context.Context) (map[string]string, error) {
	tags, err := u.Engine.TagsOf(ctx, core.KeptRepository)
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", core.KeptRepository, err)
	}
	kept := map[string]string{}
	prefix := core.Attempt{Owner: u.Owner}.KeptTag(0)
	for tag, image := range tags {
		if suffix, ours := strings.CutPrefix(tag, prefix); ours {
			kept[suffix] = image
		}
	}
	return kept, nil
}

// keptAttempts are the attempts, of whatever Refit, of which there are second tags.
// What is over has none.
func (u *Updater) keptAttempts(ctx context.Context) (map[string]bool, error) {
	tags, err := u.Engine.TagsOf(ctx, core.KeptRepository)
	if err != nil {
		return nil, fmt.Errorf("list the tags of %s: %w", core.KeptRepository, err)
	}
	kept := map[string]bool{}
	for tag := range tags {
		_, suffix, _ := strings.Cut(strings.TrimPrefix(tag, core.KeptRepository+":"), "-")
		kept[attemptOf(suffix)] = true
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
