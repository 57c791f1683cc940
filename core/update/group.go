package update

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// swap is one container of a replacement: P its predecessor, S the successor, N the
// name.
type swap struct {
	*core.Swap // in the attempt
	r          *replacement
	n          int // its place in the group: what is said of the first needs no name
	log        *slog.Logger
	result     core.Result
	stopped    time.Time // when P was asked to stop

	// old and fresh are P and S as they were found when they were last looked at. In a
	// rollback, old is what stands for P, where it was made anew.
	old, fresh core.Status
	// now is what stands in P's place, as it was found when a gate was resumed.
	now core.Status
	// back says that P has everything back; left, that it is gone and nothing is to be
	// done about that; kept, that S stands for it all the same.
	back, left, kept bool
	// lost is why a P that is gone could not be made anew in this pass of a rollback.
	lost error
}

// begin makes a replacement of a step: of its container and of those that go with it.
func (v *voyage) begin(s core.Step) *replacement {
	began := time.Now()
	r := &replacement{Updater: v.Updater, log: v.log(s.Container.Name), place: func() {}}
	r.Attempt = core.Attempt{ID: attemptID(), Owner: v.Owner, Started: began, Back: s.Back}
	r.Swap = swapOf(core.Member{Container: s.Container, Policy: s.Policy, To: s.To})
	for _, m := range s.Members {
		r.Members = append(r.Members, swapOf(m))
	}
	r.enlist(began)
	for _, s := range r.swaps {
		s.result.Outcome = core.OutcomeUpdated
	}
	r.result.Reason = s.Reason
	return r
}

func swapOf(m core.Member) core.Swap {
	c := m.Container
	s := core.Swap{
		Name: c.Name, Part: m.Part, Needs: m.Needs, Predecessor: c.ID, State: c.State,
		From: runs(c), To: m.To, Policy: m.Policy, FromVersion: core.VersionOf(c.Labels),
	}
	if len(m.Policy.Hooks) > 0 {
		s.Labels, s.Mounts = c.Labels, c.Mounts
	}
	return s
}

// enlist makes the swaps of what the attempt says.
func (r *replacement) enlist(began time.Time) {
	r.swaps = []*swap{{Swap: &r.Swap}}
	for i := range r.Members {
		r.swaps = append(r.swaps, &swap{Swap: &r.Members[i]})
	}
	for n, s := range r.swaps {
		s.n, s.r, s.log = n, r, r.Updater.log(s.Name)
		s.result = core.Result{
			Name: s.Name, ID: s.Predecessor, From: s.From, To: s.To, Started: began, Notify: s.Policy.Notify,
		}
	}
	r.result = &r.swaps[0].result
}

// pull is line 1: the images are fetched by digest. Whoever runs its new image
// already (only another platform of the tag has changed), and needs nobody who does
// not, is left out; its result is returned. A member whose image cannot be had goes
// on with the one that it has.
func (r *replacement) pull(ctx context.Context, pulls *pulls) (idle []core.Result, err error) {
	var moving []core.Swap
	moves := map[string]bool{}
	notes := map[string]string{}
	took := map[string]core.Transfer{}
	for _, s := range r.swaps {
		err := s.pull(ctx, pulls)
		took[s.Name] = s.result.Pull
		switch {
		case err != nil && s.n == 0:
			return nil, err
		case err != nil:
			notes[s.Name] = "its own new image was left for later: " + err.Error()
			s.To = s.From
		}
		needs := slices.ContainsFunc(s.Needs, func(id string) bool { return moves[id] })
		if moves[s.Predecessor] = s.Changes() || needs; moves[s.Predecessor] {
			moving = append(moving, *s.Swap)
			continue
		}
		s.result.Outcome = core.OutcomeUnchanged
		s.result.Reason = core.Reason{Code: core.UpToDate, Text: "the new image has the same content"}
		if err != nil {
			s.result.Outcome, s.result.Reason = core.OutcomeHeld, reasonOf(err, core.PullFailed)
		}
		s.result.To = s.To
		idle = append(idle, s.result)
	}
	if len(idle) > 0 {
		r.narrow(moving)
	}
	for _, s := range r.swaps {
		s.result.Pull = took[s.Name]
		if note, there := notes[s.Name]; there {
			s.result.Notes = append(s.result.Notes, note)
		}
	}
	return idle, nil
}

// narrow leaves only those of the group that move: the first of them has a new image.
func (r *replacement) narrow(moving []core.Swap) {
	began, reason := r.Started, r.result.Reason
	if len(moving) == 0 {
		r.swaps = nil
		return
	}
	if first := moving[0]; first.Name != r.Name {
		reason = core.Reason{Code: core.NewImage, Text: fmt.Sprintf("%s is now %s",
			first.To.Reference.Text, core.Short(cmp.Or(first.To.Digest, first.To.ID)))}
		r.log = r.Updater.log(first.Name)
	}
	r.Swap, r.Members = moving[0], moving[1:]
	r.enlist(began)
	for _, s := range r.swaps {
		s.result.Outcome = core.OutcomeUpdated
	}
	r.result.Reason = reason
}

// each does something with every swap, in their order, until one fails.
func (r *replacement) each(ctx context.Context, do func(s *swap, ctx context.Context) error) error {
	for _, s := range r.swaps {
		if err := do(s, ctx); err != nil {
			return s.named(err)
		}
	}
	return nil
}

// eachMoving does something with every swap that has, or gets, a successor.
func (r *replacement) eachMoving(ctx context.Context, do func(s *swap, ctx context.Context) error) error {
	return r.each(ctx, func(s *swap, ctx context.Context) error {
		if s.Part != core.Moves {
			return nil
		}
		return do(s, ctx)
	})
}

// named says in an error whose line it was.
func (s *swap) named(err error) error {
	var f *failure
	if errors.As(err, &f) && f.of == "" {
		if f.of = s.Name; s.n > 0 {
			f.Text = s.Name + ": " + f.Text
		}
	}
	return err
}

// replaced tells in whose place which successor stands, as far as they are made.
func (r *replacement) replaced() map[string]string {
	ids := map[string]string{}
	for _, s := range r.swaps {
		if s.Part == core.Moves && s.Successor != "" {
			ids[s.Predecessor] = s.Successor
		}
	}
	return ids
}

// up tells whether any of the group is to run.
func (r *replacement) up() bool {
	return slices.ContainsFunc(r.swaps, func(s *swap) bool { return s.State.Up() })
}

// blamed is the one whose image is to blame for the cause: the one at fault, or the
// nearest of those that it needs that has a new image, or the first of the group.
func (r *replacement) blamed() *swap {
	at := max(0, slices.IndexFunc(r.swaps, func(s *swap) bool { return s.Name == r.Blamed }))
	for i := at; i > 0; i-- {
		s := r.swaps[i]
		if s.Changes() && (i == at || slices.Contains(r.swaps[at].Needs, s.Predecessor)) {
			return s
		}
	}
	return r.swaps[0]
}

// note adds something that a person should know of this container.
func (s *swap) note(text string) { s.result.Notes = append(s.result.Notes, text) }

// complete fills in what is known at the end only. How the whole ended is in the
// first one's result.
func (s *swap) complete() {
	r, res := s.r, &s.result
	res.From, res.To, res.Took = s.From, s.To, time.Since(res.Started)
	res.FromVersion, res.ToVersion = s.FromVersion, s.ToVersion
	res.Ran, res.Undone = !r.Ran.IsZero(), r.Cause != nil
	if s.n > 0 {
		res.Outcome, res.Reason = r.result.Outcome, s.reason()
	}
	down := res.Outcome == core.OutcomeDown || res.Outcome == core.OutcomeFailed
	switch {
	case s.n == 0:
	case r.Cause != nil && s.back && down:
		res.Outcome = core.OutcomeRolledBack
	case res.Outcome == core.OutcomeUpdated && !s.Changes():
		res.Outcome = core.OutcomeFollowed
	}
}

// reason is why a member ended as the whole did.
func (s *swap) reason() core.Reason {
	r := s.r
	switch {
	case !r.succeeded() && r.Cause != nil && r.blamed() == s:
		// Its own name is in the row already.
		return core.Reason{Code: r.Cause.Code, Text: strings.TrimPrefix(r.Cause.Text, s.Name+": ")}
	case r.result.Outcome == core.OutcomeInterrupted:
		return r.result.Reason
	case !r.succeeded():
		return core.Reason{Code: core.MemberFailed, Text: "it goes together with " + r.Name + ": " + r.result.Reason.Text}
	case s.left:
		return core.Reason{Code: core.Follows, Text: "it was to be restarted after " + r.Name + ", and somebody made it anew"}
	case s.Changes():
		return core.Reason{Code: core.NewImage, Text: "it was updated together with " + r.Name}
	case s.Part == core.Restarts:
		return core.Reason{Code: core.Follows, Text: "it was restarted after " + r.Name}
	default:
		return core.Reason{Code: core.Follows, Text: "it was replaced together with " + r.Name}
	}
}
