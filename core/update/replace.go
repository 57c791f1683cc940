package update

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// replacement is one container being replaced: P its predecessor, S the
// successor, N the name. The lines are docs/design.md's, section 5.
type replacement struct {
	*Updater
	core.Attempt
	log *slog.Logger
	// place gives back the place among those between stop and start.
	place func()

	// resumed is set where another process began it.
	resumed bool

	result  core.Result
	stopped time.Time // when P was asked to stop
}

// failure is a line that could not be done, with the reason for people. Where it
// came from an error, that is in the reason's text.
type failure struct {
	core.Reason
	evidence *core.Evidence
}

func (f *failure) Error() string { return f.Reason.String() }

func fail(code core.Code, format string, args ...any) error {
	return &failure{Reason: core.Reason{Code: code, Text: fmt.Sprintf(format, args...)}}
}

// errInterrupted ends a replacement whose successor is left in its gate: the
// next start goes on from there.
var errInterrupted = errors.New("interrupted in the gate")

// replace puts a new container in the place of the step's. It returns when the
// new one is proven, or the old one stands again.
func (v *voyage) replace(ctx context.Context, s core.Step) core.Result {
	began := time.Now()
	c := s.Container
	r := &replacement{
		Updater: v.Updater,
		log:     v.log(c.Name),
		place:   func() {},
		Attempt: core.Attempt{
			ID: attemptID(), Owner: v.Owner, Name: c.Name, Predecessor: c.ID, State: c.State,
			From: c.Image, To: s.To, Policy: s.Policy, Started: began,
		},
		result: core.Result{
			Name: c.Name, ID: c.ID, Outcome: core.OutcomeUpdated, Reason: s.Reason,
			From: c.Image, To: s.To, Started: began,
		},
	}
	r.log.Info("found a new image", "image", c.Image.Reference.Text, "reason", s.Reason.Text)
	same, err := r.pull(ctx)
	switch {
	case err != nil:
		r.result.Outcome, r.result.Reason = core.OutcomeHeld, reasonOf(cancelled(ctx, err), core.PullFailed)
	case same:
		r.result.Outcome = core.OutcomeUnchanged
		r.result.Reason = core.Reason{Code: core.UpToDate, Text: "the new image has the same content"}
	default:
		err = r.forward(ctx, v.places)
		r.conclude(context.WithoutCancel(ctx), cancelled(ctx, err))
	}
	r.result.To = r.To
	r.result.Took = time.Since(began)
	return r.result
}

// cancelled gives the true reason for what failed because ctx ended.
func cancelled(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, errInterrupted) || ctx.Err() == nil {
		return err
	}
	return fail(core.Cancelled, "Refit was asked to end")
}

func attemptID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

// reasonOf takes the reason out of an error, or makes one with that code.
func reasonOf(err error, code core.Code) core.Reason {
	var f *failure
	if errors.As(err, &f) {
		return f.Reason
	}
	var told interface{ Reason() core.Reason }
	if errors.As(err, &told) {
		return told.Reason()
	}
	return core.Reason{Code: code, Text: err.Error()}
}

// conclude does what follows from how the lines ended.
func (r *replacement) conclude(ctx context.Context, err error) {
	defer r.place()
	switch {
	case err == nil:
		r.finish(ctx)
	case errors.Is(err, errInterrupted):
		r.result.Outcome = core.OutcomeInterrupted
		r.result.Reason = core.Reason{Code: core.Interrupted, Text: "Refit was asked to end while the new container was being watched; the next start goes on"}
	default:
		r.undo(ctx, err)
	}
}

// forward is lines 2 to 9.
func (r *replacement) forward(ctx context.Context, places chan struct{}) error {
	lines := []func(context.Context) error{
		r.record,
		r.create,
		func(ctx context.Context) error { return r.takePlace(ctx, places) },
		r.stop,
		r.rename,
		r.start,
		r.watch,
	}
	for _, line := range lines {
		if err := line(ctx); err != nil {
			return err
		}
	}
	return nil
}

// save records the intent of a line, before the line is done.
func (r *replacement) save(ctx context.Context, line core.Line) error {
	r.Line = line
	if err := r.Journal.Save(ctx, r.Attempt); err != nil {
		return fail(core.LedgerFailed, "the ledger did not take the record of line %s: %v", line, err)
	}
	return nil
}

// pull is line 1: the image is fetched by digest. Same means that P runs it
// already, and only another platform of the tag has changed.
func (r *replacement) pull(ctx context.Context) (same bool, err error) {
	if r.To.ID == "" {
		r.log.Info("pulling", "image", r.To.Reference.Text, "digest", r.To.Digest)
		r.To.ID, err = r.Engine.Pull(ctx, r.To)
		if err != nil {
			return false, fmt.Errorf("pull %s: %w", r.To.Reference.Text, err)
		}
	}
	return r.To.ID == r.From.ID, nil
}

// record is line 2: what is known of P is written down, what an earlier attempt
// of ours left under the reserved names is removed, and P's image gets a second
// tag so that a prune cannot take it.
func (r *replacement) record(ctx context.Context) error {
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return fail(core.EngineFailed, "inspect it: %v", err)
	}
	if p.Name != r.Name || p.State.Up() != r.State.Up() {
		return fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started since it was listed")
	}
	r.State, r.RestartPolicy, r.RunningSince = p.State, p.RestartPolicy, p.StartedAt
	if r.Policy.StopSignal == "" {
		r.Policy.StopSignal = p.StopSignal
	}
	if r.Snapshot, err = r.Engine.Snapshot(ctx, p.ID); err != nil {
		return fail(core.Unsupported, "read its settings: %v", err)
	}
	if err := r.clearNames(ctx); err != nil {
		return err
	}
	if r.TagBefore, err = r.Engine.Resolve(ctx, r.From.Reference.Text); err != nil {
		return fail(core.EngineFailed, "look up %s: %v", r.From.Reference.Text, err)
	}
	if r.TagBefore == "" {
		r.TagBefore = r.From.ID
	}
	if err := r.save(ctx, core.LineRecord); err != nil {
		return err
	}
	if err := r.Engine.Tag(ctx, r.From.ID, r.KeptTag()); err != nil {
		return fail(core.EngineFailed, "keep the old image by a second tag: %v", err)
	}
	return nil
}

// clearNames makes the reserved names free, or says who holds them.
func (r *replacement) clearNames(ctx context.Context) error {
	old, err := r.Engine.Look(ctx, r.Name+core.OldSuffix)
	if err != nil {
		return fail(core.EngineFailed, "look for %s: %v", r.Name+core.OldSuffix, err)
	}
	if old.Exists() {
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", old.Name)
	}
	left, err := r.Engine.Look(ctx, r.Name+core.NewSuffix)
	switch {
	case err != nil:
		return fail(core.EngineFailed, "look for %s: %v", r.Name+core.NewSuffix, err)
	case !left.Exists():
		return nil
	case left.Mark == nil:
		return fail(core.NameTaken, "a container %s exists; Refit needs that name: rename or remove it", left.Name)
	case left.Mark.Owner != r.Attempt.Owner:
		return fail(core.InProgressElsewhere, "another Refit (%s) is replacing it", left.Mark.Owner)
	}
	if err := r.Engine.Remove(ctx, left.ID, true); err != nil {
		return fail(core.EngineFailed, "remove %s, left by an earlier attempt: %v", left.Name, err)
	}
	return nil
}

// create is line 3: S is made from exactly the image that was checked, and
// compared with P. P never notices.
func (r *replacement) create(ctx context.Context) error {
	r.log.Info("creating", "name", r.Name+core.NewSuffix, "image", r.To.Reference.Text)
	id, err := r.createTagged(ctx)
	if err != nil {
		return err
	}
	r.Successor = id
	s, err := r.Engine.Look(ctx, id)
	switch {
	case err != nil:
		return fail(core.EngineFailed, "inspect the new container: %v", err)
	case s.ImageID != r.To.ID:
		return fail(core.ChangedMeanwhile, "the tag %s was moved by somebody else while the new container was made", r.To.Reference.Text)
	}
	differences, err := r.Engine.Differences(ctx, r.Snapshot, id)
	switch {
	case err != nil:
		return fail(core.EngineFailed, "compare the new container with the old one: %v", err)
	case len(differences) > 0:
		return fail(core.SettingsDiffer, "the new container would not be the same: %s", strings.Join(differences, "; "))
	}
	return nil
}

// createTagged makes S while the reference's local tag points to the new image,
// and puts the tag back, also when ctx has ended meanwhile.
func (r *replacement) createTagged(ctx context.Context) (id string, err error) {
	defer r.references.lock(r.From.Reference.Text)()
	r.TagMoved = true
	if err := r.save(ctx, core.LineCreate); err != nil {
		r.TagMoved = false
		return "", err
	}
	reference := r.From.Reference.Text
	if err := r.Engine.Tag(ctx, r.To.ID, reference); err != nil {
		return "", fail(core.EngineFailed, "tag the new image as %s: %v", reference, err)
	}
	id, err = r.Engine.Create(ctx, core.Draft{
		Name: r.Name + core.NewSuffix, From: r.Snapshot, Reference: reference, Mark: r.Mark(),
	})
	back := r.Engine.Tag(context.WithoutCancel(ctx), r.TagBefore, reference)
	r.TagMoved = back != nil
	switch {
	case nameTaken(err):
		return "", fail(core.InProgressElsewhere, "%s was taken a moment ago: %v", r.Name+core.NewSuffix, err)
	case err != nil:
		return "", fail(core.CreateFailed, "create the new container: %v", err)
	case back != nil:
		return id, fail(core.EngineFailed, "point %s back to the old image: %v", reference, back)
	}
	return id, nil
}

// takePlace waits until few enough containers are between stop and start.
func (r *replacement) takePlace(ctx context.Context, places chan struct{}) error {
	if !r.State.Up() {
		return nil
	}
	select {
	case places <- struct{}{}:
		r.place = sync.OnceFunc(func() { <-places })
		return nil
	case <-ctx.Done():
		return fail(core.Cancelled, "Refit was asked to end")
	}
}

// stop is line 5: P is checked once more, gets restart policy "no" so that its
// stop cannot bring it back, and is stopped.
func (r *replacement) stop(ctx context.Context) error {
	p, err := r.Engine.Look(ctx, r.Predecessor)
	if err != nil {
		return fail(core.EngineFailed, "inspect it: %v", err)
	}
	if p.Name != r.Name || p.State.Up() != r.State.Up() {
		return fail(core.ChangedMeanwhile, "it was removed, renamed, stopped or started meanwhile")
	}
	differences, err := r.Engine.Differences(ctx, r.Snapshot, r.Predecessor)
	if err != nil {
		return fail(core.EngineFailed, "look for changes: %v", err)
	}
	if len(differences) > 0 {
		return fail(core.ChangedMeanwhile, "its settings were changed meanwhile: %s", strings.Join(differences, "; "))
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	if !r.State.Up() {
		return nil
	}
	r.Touched = true
	if err := r.save(ctx, core.LineStop); err != nil {
		r.Touched = false
		return err
	}
	if err := r.park(ctx, p); err != nil {
		return err
	}
	r.log.Info("stopping", "signal", r.Policy.StopSignal)
	r.stopped = time.Now()
	// An engine goes on stopping when its caller hangs up. Whoever starts P again
	// must know that it is down, so this call is not cut short; grace bounds it.
	if err := r.Engine.Stop(context.WithoutCancel(ctx), r.Predecessor, r.Policy.StopSignal, r.Policy.StopTimeout); err != nil {
		return fail(core.StopFailed, "stop it: %v", err)
	}
	p, err = r.Engine.Look(context.WithoutCancel(ctx), r.Predecessor)
	if err != nil {
		return fail(core.EngineFailed, "see that it is down: %v", err)
	}
	if !p.Exists() || p.State.Up() {
		return fail(core.StopFailed, "it is %s after its stop", stateOf(p))
	}
	return nil
}

// park sets the restart policy "no", where it is another.
func (r *replacement) park(ctx context.Context, p core.Status) error {
	if parked(p) {
		return nil
	}
	if err := r.Engine.SetRestartPolicy(ctx, p.ID, core.RestartPolicy{Name: "no"}); err != nil {
		return fail(core.EngineFailed, "set its restart policy to no: %v", err)
	}
	return nil
}

// parked tells whether the engine leaves the container alone when it ends.
func parked(p core.Status) bool {
	return p.RestartPolicy.Name == "no" || p.RestartPolicy.Name == ""
}

func stateOf(s core.Status) string {
	if !s.Exists() {
		return "gone"
	}
	return string(s.State)
}

// rename is line 7: P is parked beside its name, S takes it.
func (r *replacement) rename(ctx context.Context) error {
	if err := r.save(ctx, core.LineRename); err != nil {
		return err
	}
	if err := r.Engine.Rename(ctx, r.Predecessor, r.Name+core.OldSuffix); err != nil {
		return fail(core.NameTaken, "park the old container: %v", err)
	}
	if err := r.Engine.Rename(ctx, r.Successor, r.Name); err != nil {
		return fail(core.NameTaken, "give the new container its name: %v", err)
	}
	return nil
}

// start is line 8, first half: S runs.
func (r *replacement) start(ctx context.Context) error {
	if err := r.save(ctx, core.LineStart); err != nil {
		return err
	}
	if !r.State.Up() {
		return nil
	}
	if ctx.Err() != nil {
		return fail(core.Cancelled, "Refit was asked to end")
	}
	r.log.Info("starting")
	if err := r.Engine.Start(ctx, r.Successor); err != nil {
		return fail(core.StartFailed, "start the new container: %v", err)
	}
	r.result.Downtime = time.Since(r.stopped)
	r.place()
	return nil
}

// watch is line 8, second half: the gate.
func (r *replacement) watch(ctx context.Context) error {
	if !r.State.Up() {
		return nil
	}
	if err := r.gate(ctx); err != nil {
		return err
	}
	if !r.stopped.IsZero() { // unknown to a process that resumes another's gate
		r.result.DowntimeToHealthy = time.Since(r.stopped)
	}
	return nil
}
