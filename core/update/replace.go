package update

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// replacement is a transaction: one container, or a group of them, in whose places
// others are put. The lines are docs/design.md's, section 5.
type replacement struct {
	*Updater
	core.Attempt
	swaps []*swap // the attempt's, in their order
	// place gives back the place among those between stop and start.
	place func()

	// resumed is set where another process began it.
	resumed bool
	// pending is why it is not over and should be tried again, nil if it is. What
	// only a person can mend is not tried again.
	pending error
	// result is that of the first of the group, and of the whole.
	result *core.Result
	log    *slog.Logger
}

// failure is a line that could not be done, with the reason for people. Where it
// came from an error, that is in the reason's text.
type failure struct {
	core.Reason
	evidence *core.Evidence
	of       string // the name of the container whose line it was, once that is known
}

func (f *failure) Error() string { return f.Reason.String() }

func fail(code core.Code, format string, args ...any) error {
	return &failure{Reason: core.Reason{Code: code, Text: fmt.Sprintf(format, args...)}}
}

// engineFailed is the failure of a call to the engine that says nothing about the
// container. People are told the innermost cause only: the layers above it hold
// addresses and ids, and begin with what the caller says anyway.
func engineFailed(err error, format string, args ...any) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fail(core.EngineFailed, "%s: %v", fmt.Sprintf(format, args...), err)
}

// leave notes that something is left to do, and why.
func (r *replacement) leave(err error) {
	r.pending, r.result.Open = err, true
}

// errInterrupted ends a replacement whose successor is left in its gate: the
// next start goes on from there.
var errInterrupted = errors.New("interrupted in the gate")

// replace puts new containers in the places of the step's. It returns when the new
// ones are proven, or the old ones stand again, with a result for each.
func (v *voyage) replace(ctx context.Context, s core.Step) []core.Result {
	r := v.begin(s)
	r.log.Info("found a new image", slog.String("image", r.From.Reference.Text), slog.String("reason", s.Reason.Text))
	idle, err := r.pull(ctx, v.pulls)
	switch {
	case err != nil:
		r.result.Outcome, r.result.Reason = core.OutcomeHeld, reasonOf(cancelled(ctx, err), core.PullFailed)
		r.noteIf(r.enter(context.WithoutCancel(ctx), false))
	case len(r.swaps) == 0:
	default:
		defer func() { r.place() }() // also after a panic
		err = r.forward(ctx, v.places)
		r.conclude(context.WithoutCancel(ctx), cancelled(ctx, err))
	}
	r.complete()
	return append(r.results(), idle...)
}

// complete fills in what is known at the end only.
func (r *replacement) complete() {
	for _, s := range r.swaps {
		s.complete()
	}
}

// results are those of the whole group, in its order. What the group came to is in the
// first one's, unless that would tell of it what is true of another one only.
func (r *replacement) results() (all []core.Result) {
	if len(r.swaps) == 0 {
		return nil
	}
	for _, s := range r.swaps {
		all = append(all, s.result)
	}
	others := slices.ContainsFunc(r.swaps, func(s *swap) bool { return !s.back })
	if first := &all[0]; first.Outcome == core.OutcomeDown && r.swaps[0].back && others {
		first.Outcome = core.OutcomeRolledBack // it is another one that is down
	}
	return all
}

// over tells the hooks that it is over, and enters it.
func (r *replacement) over(ctx context.Context) error {
	r.tellFinished(ctx)
	return r.enter(context.WithoutCancel(ctx), false)
}

// enter writes into the ledger how the attempt ended, and what is learned from
// it. Open is set where something is still to be done.
func (r *replacement) enter(ctx context.Context, open bool) error {
	r.complete()
	all := r.results()
	err := r.Journal.Record(ctx, core.Entry{
		Attempt: r.Attempt.ID, Open: open, Succeeded: r.succeeded(), Result: all[0], Members: all[1:], Lesson: r.lesson(ctx),
	})
	if err != nil {
		return fmt.Errorf("write the end into the ledger: %w", err)
	}
	return nil
}

// succeeded tells whether S stands in P's place, proven.
func (r *replacement) succeeded() bool {
	return r.Cause == nil && (r.result.Outcome == core.OutcomeUpdated || r.result.Outcome == core.OutcomeRecovered)
}

// lesson is what the end teaches, about the image of the one that is to blame. An
// image that a person has left is quarantined.
func (r *replacement) lesson(ctx context.Context) *core.Lesson {
	if r.Back && r.succeeded() {
		return &core.Lesson{Image: r.From, At: time.Now(), Reason: core.Reason{Code: core.AskedBack, Text: "a person went back from it"}}
	}
	before, err := r.Journal.Lessons(ctx)
	if err != nil {
		before = nil // only the length of a back-off depends on it
	}
	// Whose image is to blame may have failed by the gate of another one.
	s, gate := r.blamed(), r.swapOf(r.Blamed).Policy
	i := slices.IndexFunc(before, func(l core.Lesson) bool { return l.Container == s.Name && l.Teaches(s.To) })
	if i < 0 {
		return core.Learn(s.result, gate, nil)
	}
	return core.Learn(s.result, gate, &before[i])
}

// noteIf adds what went wrong, if anything, to what a person is told.
func (r *replacement) noteIf(err error) {
	if err != nil {
		r.note("%s", err.Error())
	}
}

// note adds something that a person should know, once.
func (r *replacement) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.result.Notes, text) {
		r.result.Notes = append(r.result.Notes, text)
	}
}

// cancelled gives the true reason for what failed because ctx ended.
func cancelled(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, errInterrupted) || ctx.Err() == nil {
		return err
	}
	if reasonOf(err, "").SpeaksOfImage() {
		return err // a verdict stays one
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
	switch {
	case err == nil:
		r.finish(ctx)
	case errors.Is(err, errInterrupted) && r.beside() && !r.Touched:
		// P serves: no second one is to run beside it until the next start.
		r.undo(ctx, fail(core.Cancelled, "Refit was asked to end"))
	case errors.Is(err, errInterrupted):
		r.result.Outcome = core.OutcomeInterrupted
		r.result.Reason = core.Reason{Code: core.Interrupted, Text: "Refit was asked to end while the new container was being watched; the next start goes on"}
	default:
		r.undo(ctx, err)
	}
}

// forward is lines 2 to 9. With start-first the successor proves itself beside its
// predecessor, and nothing is stopped before.
func (r *replacement) forward(ctx context.Context, places chan struct{}) error {
	take := func(ctx context.Context) error { return r.takePlace(ctx, places) }
	lines := []func(context.Context) error{
		r.record, r.create, r.preUpdate, take, r.stop, r.preRecreate, r.rename, r.start, r.postUpdate,
	}
	if r.beside() {
		lines = []func(context.Context) error{
			r.record, r.create, r.preUpdate, r.start, r.postUpdate, take, r.stop, r.changeOver,
		}
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
