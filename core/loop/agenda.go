package loop

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// agenda is what is due when, by container name. A name and not an id: what an
// update puts in a container's place is not new.
type agenda map[string]*entry

type entry struct {
	schedule schedule.Schedule
	text     string // the schedule as the policy has it; "" for the default
	due      time.Time
}

// update brings the agenda up to date with what there is. It returns the first
// sights that are to be remembered, so that a time that goes by while nothing
// runs can be caught up. An interval that never ran is due now: it will be
// remembered once it has run.
func (a *agenda) update(r *run, all []core.Container, now time.Time) (sights map[string]time.Time) {
	next, sights := agenda{}, map[string]time.Time{}
	for _, c := range all {
		policy, ok := r.watched(c)
		if !ok {
			continue
		}
		if known := (*a)[c.Name]; known != nil && known.text == policy.Schedule {
			next[c.Name] = known
			continue
		}
		e := &entry{text: policy.Schedule, schedule: r.scheduleOf(policy)}
		due := schedule.Due(e.schedule, r.last[c.Name], now, r.CatchUp)
		if r.last[c.Name].IsZero() && due.After(now) {
			sights[c.Name] = now
		}
		e.due = r.jittered(due)
		next[c.Name] = e
	}
	*a = next
	return sights
}

// due returns the containers whose time has come.
func (a agenda) due(now time.Time) map[string]bool {
	names := map[string]bool{}
	for name, e := range a {
		if !e.due.After(now) {
			names[name] = true
		}
	}
	return names
}

// next is the entry that is due first, nil where there is none. A thousand of
// them are looked through in microseconds: no heap is worth its upkeep.
func (a agenda) next() *entry {
	var first *entry
	for _, e := range a {
		if first == nil || e.due.Before(first.due) {
			first = e
		}
	}
	return first
}

// ran plans the next run of those that have run.
func (a agenda) ran(r *run, runs map[string]time.Time, now time.Time) {
	for name, start := range runs {
		if e := a[name]; e != nil && !start.IsZero() {
			e.due = r.jittered(schedule.Due(e.schedule, start, now, r.CatchUp))
		}
	}
}

// deferred makes those due that were put off when that is over, be it before or after
// their regular time. A registry puts all of its own off to the same moment: they
// are one cycle, and need no jitter of ours.
func (a agenda) deferred(r *run, results []core.Result) {
	for _, result := range results {
		if e := a[result.Name]; e != nil && r.putOff(result) {
			e.due = result.RetryAt
		}
	}
}

// replan computes everything anew, after the clock was set back.
func (a agenda) replan(r *run, now time.Time) {
	for name, e := range a {
		e.due = r.jittered(schedule.Due(e.schedule, r.last[name], now, r.CatchUp))
	}
}

// all makes everything due now.
func (a agenda) all(now time.Time) {
	for _, e := range a {
		e.due = now
	}
}

func (l *Loop) jittered(due time.Time) time.Time {
	if l.Jitter <= 0 {
		return due
	}
	return due.Add(rand.N(l.Jitter + 1))
}

// scheduleOf is the schedule of a policy. One that does not parse has held its
// container already; the default then says how often that is told.
func (l *Loop) scheduleOf(p core.Policy) schedule.Schedule {
	if p.Schedule == "" {
		return l.Default
	}
	s, err := schedule.Parse(p.Schedule, l.Zone)
	if err != nil {
		return l.Default
	}
	return s
}

func (l *Loop) policyOf(c core.Container) (core.Policy, core.Reason, bool) {
	if l.Policies == nil {
		return l.Settings.PolicyOf(c)
	}
	return l.Policies.Of(c)
}

// watched tells whether the container has a place in the agenda. One whose
// labels cannot be read has: its owner meant something by them, and is to be
// told. One that does not run is looked at when it starts, and the names of a
// replacement in flight are not those of containers.
func (l *Loop) watched(c core.Container) (core.Policy, bool) {
	p, _, readable := l.policyOf(c)
	asked := p.Enabled || !readable && p.From["enable"] == ""
	switch {
	case !asked, p.Scope != l.Settings.Scope, c.ID == l.Settings.Self && l.Settings.SelfBar != "":
		return p, false
	case !c.State.Up() && c.State != core.Paused && !l.Settings.IncludeStopped:
		return p, false
	case len(l.Only) > 0 && !slices.Contains(l.Only, c.Name):
		return p, false
	}
	return p, !reserved(c.Name)
}

// reserved tells whether the name is one that a container has only while it is
// being replaced.
func reserved(name string) bool {
	return strings.HasSuffix(name, core.NewSuffix) || strings.HasSuffix(name, core.OldSuffix)
}
