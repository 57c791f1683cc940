package core

import (
	"slices"
	"time"
)

// Lesson is what a failed attempt taught, as the ledger keeps it: an image that is
// not to be tried again (a quarantine), or a container that is to be left alone for
// a while (a back-off).
type Lesson struct {
	// Image is what was tried. A lesson is about its reference and its digest,
	// or its id where it has no digest: a tag that moves on leaves it behind.
	Image Image `json:"image"`
	// Container is the name of the only container that the lesson is for; ""
	// stands for all of them.
	Container string `json:"container,omitempty"`
	// Until ends a back-off; zero is for ever, a quarantine.
	Until time.Time `json:"until,omitzero"`
	// Times counts the failures in a row that led to a back-off.
	Times int `json:"times,omitempty"`

	At     time.Time `json:"at"`
	Reason Reason    `json:"reason"`
}

// Entry is what the ledger learns when an attempt ends.
type Entry struct {
	// Attempt is the attempt's id. It is forgotten, unless Open says that
	// something is still to be done.
	Attempt string
	Open    bool
	// Succeeded says that the new container stands, proven.
	Succeeded bool
	Result    Result
	// Members are the results of those that were replaced together with it.
	Members []Result
	Lesson  *Lesson // nil if there is none
}

// Results are all of the entry, that of the first of the group first.
func (e Entry) Results() []Result { return append([]Result{e.Result}, e.Members...) }

// How long a container is left alone after a failure that says nothing of its
// image: this long after the first one, doubled by each further one.
const (
	firstBackOff = 5 * time.Minute
	mostBackOff  = 24 * time.Hour
)

// Learn returns the lesson of a result, nil if there is none. Before is what was
// learned of the same container earlier, nil if nothing.
//
// Only the verdict of a gate says something about an image; if the policy had
// shortened that gate, or the container's name alone could be at fault, it says it
// for this container only. Any other failure (a name that is taken, an engine that
// answers nonsense) is no fault of the image.
func Learn(r Result, p Policy, before *Lesson) *Lesson {
	l := &Lesson{Image: r.To, At: r.Started.Add(r.Took), Reason: r.Reason}
	switch {
	case r.Outcome != OutcomeRolledBack && r.Outcome != OutcomeDown && r.Outcome != OutcomeHeld:
		return nil
	case r.Reason.Code == HookVetoed:
		l.Container = r.Name
		return l
	case r.Reason.SpeaksOfImage():
		if blames(p, r.Reason.Code) {
			l.Container = r.Name
		}
		return l
	case transient(r.Reason.Code):
		return nil
	}
	l.Container, l.Times = r.Name, 1
	if before != nil && before.Teaches(r.To) {
		l.Times = before.Times + 1
	}
	l.Until = l.At.Add(min(firstBackOff<<min(l.Times-1, 16), mostBackOff))
	return l
}

// SpeaksOfImage tells whether the reason is a verdict about the new image: it had
// its chance, and failed.
func (r Reason) SpeaksOfImage() bool {
	return r.Code == GateFailed || r.Code == StartFailed || r.Code == PostUpdateFailed
}

// blames tells whether the container's own labels had a hand in the verdict: they
// shortened the gate, or chose the hook.
func blames(p Policy, c Code) bool {
	if c == PostUpdateFailed {
		return p.From["hooks"] != fromFlag
	}
	return p.From["gate-timeout"] == fromLabel || p.From["gate-stable"] == fromLabel
}

// transient tells whether a reason says something of its moment only: the next
// cycle may try again.
func transient(c Code) bool {
	switch c {
	case Cancelled, ChangedMeanwhile, Interrupted, EngineFailed, InProgressElsewhere, HookDeferred, MemberFailed:
		return true
	default:
		return false
	}
}

// Teaches tells whether the lesson is about that image.
func (l Lesson) Teaches(image Image) bool {
	return l.Image.Reference.Text == image.Reference.Text && l.Image.Digest == image.Digest &&
		(image.Digest != "" || l.Image.ID == image.ID)
}

// Replaces tells whether l makes the older lesson needless.
func (l Lesson) Replaces(older Lesson) bool {
	return l.Container == older.Container && l.Teaches(older.Image)
}

// Over tells whether the lesson has lost its meaning at that time.
func (l Lesson) Over(now time.Time) bool { return !l.Until.IsZero() && !now.Before(l.Until) }

// heed holds an update that a lesson forbids.
func (s *Step) heed(lessons []Lesson) {
	if s.Action != Update {
		return
	}
	i := slices.IndexFunc(lessons, func(l Lesson) bool {
		return l.Teaches(s.To) && (l.Container == "" || l.Container == s.Container.Name)
	})
	if i < 0 {
		return
	}
	l := lessons[i]
	if l.Reason.Code == HookVetoed {
		s.settle(Hold, HookVetoed, "%s (on %s)", l.Reason.Text, l.At.Format("2 January 15:04"))
		return
	}
	if l.Until.IsZero() {
		s.settle(Hold, Quarantined, "%s %s failed on %s: %s", s.To.Reference.Text, Short(s.To.Digest+s.To.ID), l.At.Format("2 January 15:04"), l.Reason.Text)
		return
	}
	s.settle(Hold, BackingOff, "it failed %d times, the next try is after %s: %s", l.Times, l.Until.Format("2 January 15:04"), l.Reason.Text)
}
