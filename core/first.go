package core

import (
	"cmp"
	"slices"
)

// startsFirst tells whether the successor is to run beside the predecessor.
func (s Step) startsFirst() bool { return s.Policy.Strategy == StartFirst }

// startFirst holds a step that asks for start-first where no two of its container can
// run at a time. One that is down serves nobody: it is replaced as any other.
func (s *Step) startFirst(w World) {
	c := s.Container
	if !c.State.Up() {
		s.Policy.Strategy = StopFirst
		return
	}
	shared := slices.IndexFunc(c.Mounts, Mount.shared)
	follower, why := w.follower(c)
	switch {
	case c.State == Paused:
		s.settle(Hold, Unsupported, "start-first: it is paused")
	case len(c.Exclusive) > 0:
		s.settle(Hold, Unsupported, "start-first: %s", c.Exclusive[0])
	case follower != "":
		s.settle(Hold, Unsupported, "start-first: %s %s", follower, why)
	case shared >= 0 && !s.Policy.StartFirstShared:
		m := c.Mounts[shared]
		s.settle(Hold, Unsupported, "start-first: old and new would write to %s at once (%s); refit.start-first-shared=true allows it",
			m.Destination, cmp.Or(m.Name, m.Source, m.Type))
	}
}

// shared tells whether a successor that runs beside its predecessor would write to
// the same files.
func (m Mount) shared() bool { return !m.ReadOnly && (m.Type == "volume" || m.Type == "bind") }

// follower names the first container that must be stopped while c is replaced, and says
// why; "" if there is none.
func (w World) follower(c Container) (name, why string) {
	for _, other := range w.Containers {
		if other.Name == c.Name || name != "" && name < other.Name {
			continue
		}
		switch {
		case slices.Contains(other.Tethers, c.Name):
			name, why = other.Name, "hangs on it, and must be stopped with it"
		case other.State.Up() && slices.Contains(other.Restarts, c.Name):
			if p, _, _ := w.policyOf(other); !p.declined() {
				name, why = other.Name, "is to be restarted after it, as compose asks"
			}
		}
	}
	return name, why
}

// declined tells whether a label says no, or the operator has named it.
func (p Policy) declined() bool { return !p.Enabled && p.From["enable"] != "" }
