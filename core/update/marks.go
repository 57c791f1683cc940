package update

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// marked makes attempts of the successors that the ledger does not know. Kept are the
// attempts of which there are second tags.
func (u *Updater) marked(all []core.Container, known []core.Attempt, kept map[string]bool) (ours []core.Attempt, foreign []core.Result) {
	byID := map[string]core.Container{}
	for _, c := range all {
		byID[c.ID] = c
	}
	groups := map[string][]core.Container{} // by attempt
	var attempts []string
	for _, s := range all {
		if s.Mark == nil || slices.ContainsFunc(known, func(a core.Attempt) bool { return a.ID == s.Mark.Attempt }) {
			continue
		}
		if groups[s.Mark.Attempt] == nil {
			attempts = append(attempts, s.Mark.Attempt)
		}
		groups[s.Mark.Attempt] = append(groups[s.Mark.Attempt], s)
	}
	for _, attempt := range attempts {
		a := u.reconstruct(groups[attempt], byID)
		switch {
		case !unfinished(a, groups[attempt], byID, kept[attempt]):
			// Over long ago: the mark is dropped at its next update.
		case a.Policy.Scope != u.Settings.Scope:
			// Another Refit's by name, and none of our business.
		case a.Owner != u.Owner && !u.Adopt:
			foreign = append(foreign, reportForeign(a))
		default:
			ours = append(ours, a)
		}
	}
	return ours, foreign
}

// unfinished tells whether something is left of an attempt but the containers that it
// was to bring about. A container keeps its mark until its next update, and what the
// mark says of others is over as soon as the attempt is: one that stands under its own
// name, or that was stopped since, tells of an attempt only while its second tags do.
func unfinished(a core.Attempt, made []core.Container, byID map[string]core.Container, kept bool) bool {
	if slices.ContainsFunc(made, func(c core.Container) bool { return strings.HasSuffix(c.Name, core.NewSuffix) }) {
		return true
	}
	return slices.ContainsFunc(a.Swaps(), func(s core.Swap) bool {
		p, there := byID[s.Predecessor]
		if s.Part == core.Restarts {
			return there && kept && !p.State.Up() && s.State.Up()
		}
		return there && (kept || s.Successor != "" || p.Name == s.Name+core.OldSuffix)
	})
}

func reportForeign(a core.Attempt) core.Result {
	id := a.Successor
	if id == "" {
		id = a.Predecessor
	}
	return core.Result{
		Name: a.Name, ID: id, Outcome: core.OutcomeHeld, Started: time.Now(),
		Reason: core.Reason{Code: core.Foreign, Text: fmt.Sprintf("another Refit (%s) is replacing it, or was", a.Owner)},
	}
}

// reconstruct makes an attempt of what the marks of its successors say.
func (u *Updater) reconstruct(made []core.Container, byID map[string]core.Container) core.Attempt {
	m := made[0].Mark
	group := m.Group
	if len(group) == 0 {
		group = []core.Parked{{ID: m.Predecessor, Name: nameOf(made[0], byID), RestartPolicy: m.RestartPolicy, State: m.State}}
	}
	a := core.Attempt{ID: m.Attempt, Owner: m.Owner, Started: time.Now(), Ran: time.Now(), Lost: true}
	for i, parked := range group {
		s := u.reconstructOne(parked, made, byID)
		a.Touched = a.Touched || s.State.Up()
		if i == 0 {
			a.Swap = s
			continue
		}
		a.Members = append(a.Members, s)
	}
	a.Line = lineOf(a, made, byID)
	if a.Policy.Strategy == core.StartFirst && len(a.Members) == 0 && byID[a.Successor].State == core.Created {
		a.Touched = false // P is stopped only after S has run
	}
	return a
}

// nameOf is the name of the container that a successor was made for.
func nameOf(s core.Container, byID map[string]core.Container) string {
	if p, there := byID[s.Mark.Predecessor]; there {
		return strings.TrimSuffix(p.Name, core.OldSuffix)
	}
	return strings.TrimSuffix(s.Name, core.NewSuffix)
}

// reconstructOne makes one container of it. Its P is zero if it is gone, and so is S.
func (u *Updater) reconstructOne(parked core.Parked, made []core.Container, byID map[string]core.Container) core.Swap {
	p := byID[parked.ID]
	swap := core.Swap{
		Name: parked.Name, Part: parked.Part, Needs: parked.Needs, Predecessor: parked.ID,
		RestartPolicy: parked.RestartPolicy, State: parked.State, From: p.Image, To: p.Image,
		FromVersion: core.VersionOf(p.Labels), Labels: p.Labels, Mounts: p.Mounts,
	}
	swap.Policy, _, _ = u.Settings.PolicyOf(p)
	i := slices.IndexFunc(made, func(c core.Container) bool { return c.Mark.Predecessor == parked.ID && !c.Mark.Rebuilt })
	if i < 0 {
		return swap
	}
	s := made[i]
	swap.Policy, _, _ = u.Settings.PolicyOf(s)
	swap.Policy.Strategy = s.Mark.Strategy
	swap.Successor, swap.To, swap.ToVersion, swap.Labels = s.ID, s.Image, core.VersionOf(s.Labels), s.Labels
	swap.From.Reference = s.Image.Reference
	swap.TagBefore, swap.TagMoved = s.Mark.TagBefore, true
	return swap
}

// lineOf tells how far an attempt had come: a successor that has not got its name is
// set aside. With start-first it may be what serves.
func lineOf(a core.Attempt, made []core.Container, byID map[string]core.Container) core.Line {
	waiting := slices.ContainsFunc(made, func(c core.Container) bool { return strings.HasSuffix(c.Name, core.NewSuffix) })
	switch {
	case a.Policy.Strategy == core.StartFirst && len(a.Members) == 0 && a.State.Up():
		if byID[a.Successor].State.Up() && !byID[a.Predecessor].State.Up() {
			return core.LineRename
		}
		return core.LineStart
	case waiting:
		return core.LineStop
	default:
		return core.LineStart
	}
}
