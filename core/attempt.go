package core

import (
	"encoding/json"
	"fmt"
	"time"
)

// Line is a line of the replacement's table (docs/design.md), or of its
// rollback. The intent is recorded before a line is done.
type Line string

// The lines, in their order. With start-first, start and post-update come before stop.
const (
	LineRecord      Line = "record"       // 2: what is known is written down
	LineCreate      Line = "create"       // 3: the successor is made and compared
	LinePreUpdate   Line = "pre-update"   // 4: hooks are asked
	LineStop        Line = "stop"         // 5: policy "no", then stop
	LinePreRecreate Line = "pre-recreate" // 6: hooks, with P stopped
	LineRename      Line = "rename"       // 7: P is parked, S takes the name
	LineStart       Line = "start"        // 8: S starts and is watched
	LinePostUpdate  Line = "post-update"  // 9: hooks test S
	LineCommit      Line = "commit"       // 10: from here on only forward
	LineRollback    Line = "rollback"     // R1 to R8: never turned round
)

// Part is what a container does in a replacement.
type Part string

// The parts.
const (
	// Moves is the part of one that a successor takes the place of.
	Moves Part = ""
	// Restarts is the part of one that stays what it is: it is stopped before those
	// that it needs, and started again after them.
	Restarts Part = "restarts"
)

// Swap is one container of a replacement: a predecessor P, and the successor S that
// is to stand in its place.
type Swap struct {
	Name string `json:"name"` // the container's own
	Part Part   `json:"part,omitempty"`
	// Needs are the predecessors of this replacement, by id, that P shares a namespace
	// with, has a link to, or is to be restarted after.
	Needs []string `json:"needs,omitempty"`

	Predecessor   string        `json:"predecessor"` // container id
	RestartPolicy RestartPolicy `json:"restart_policy"`
	State         State         `json:"state"`
	RunningSince  time.Time     `json:"running_since,omitzero"` // the predecessor's last start
	Successor     string        `json:"successor,omitempty"`    // container id, once created

	From Image `json:"from"` // what the predecessor runs
	// To is what the successor runs: the same as From where only its surroundings move.
	To Image `json:"to"`
	// FromVersion and ToVersion are what the two images say of themselves.
	FromVersion Version `json:"from_version,omitzero"`
	ToVersion   Version `json:"to_version,omitzero"`
	// TagBefore is the image id that the reference's local tag pointed to; the
	// predecessor's image where there was no such tag; "" where that is gone, too.
	TagBefore string `json:"tag_before"`
	// TagMoved is set while that tag points to the new image for a moment, so
	// that the successor can be created from it (line 3).
	TagMoved bool `json:"tag_moved,omitempty"`
	// Ailing is set where P was not well before: nothing can be told from its being so
	// afterwards.
	Ailing bool `json:"ailing,omitempty"`

	Policy   Policy   `json:"policy"`
	Snapshot Snapshot `json:"snapshot,omitempty"` // of the predecessor
	// Labels and Mounts are the container's, kept for its hooks.
	Labels map[string]string `json:"labels,omitempty"`
	Mounts []Mount           `json:"mounts,omitempty"`
}

// Changes tells whether the container gets another image.
func (s Swap) Changes() bool { return s.From.ID != s.To.ID }

// Attempt is one replacement in flight, as the ledger keeps it: of one container, or
// of a group that stands and falls together. It is written before each line is done
// and forgotten when nothing is left to do.
type Attempt struct {
	ID    string `json:"id"` // 16 hexadecimal digits
	Owner string `json:"owner"`
	Line  Line   `json:"line"`

	// Swap is the container whose image has moved: the first of the group.
	Swap
	// Members are the others of the group, each after those that it needs.
	Members []Swap `json:"members,omitempty"`

	// Touched is set before a predecessor is touched for the first time
	// (line 5): from then on undoing means to start it again.
	Touched bool `json:"touched,omitempty"`

	Started time.Time `json:"started"`
	// Back is set when a person asked for an earlier image.
	Back bool `json:"back,omitempty"`
	// Reinstated is set when a rollback has given the predecessors everything back:
	// what changes afterwards is somebody's will.
	Reinstated bool `json:"reinstated,omitempty"`
	// Lost is set when the ledger had lost it, and it was made anew from S's mark.
	Lost bool `json:"lost,omitempty"`
	// Cause is why it was rolled back, once it is, and Blamed the name of the container
	// of the group that is at fault.
	Cause  *Reason `json:"cause,omitempty"`
	Blamed string  `json:"blamed,omitempty"`

	// Ran is when S was about to be started for the first time: from then on it may
	// have changed data.
	Ran time.Time `json:"ran,omitzero"`
	// Served is set when S was committed, or has run for long while nobody watched:
	// what it has written is then not undone.
	Served bool `json:"served,omitempty"`
	// Told is set when R4 is done: the hooks that are told of a rollback were told.
	Told bool `json:"told,omitempty"`

	// Hooks are those that were called, in their order.
	Hooks []HookState `json:"hooks,omitempty"`
}

// Swaps are all of them, the first of the group first.
func (a Attempt) Swaps() []Swap { return append([]Swap{a.Swap}, a.Members...) }

// Mark is the value of MarkLabel: what must be known to undo or finish a
// replacement when everything but the engine has been lost.
type Mark struct {
	Attempt       string        `json:"attempt"`
	Owner         string        `json:"owner"`       // the instance that began it
	Predecessor   string        `json:"predecessor"` // container id
	RestartPolicy RestartPolicy `json:"restart_policy"`
	State         State         `json:"state"` // of the predecessor, before
	Strategy      Strategy      `json:"strategy"`
	// Reference and TagBefore say where the local tag pointed: to image id
	// TagBefore. See Swap.
	Reference string `json:"reference"`
	TagBefore string `json:"tag_before"`
	// Rebuilt is set on a predecessor that was made anew, because somebody had removed
	// it.
	Rebuilt bool `json:"rebuilt,omitempty"`
	// Group are the predecessors of the whole group in their order, where there is one.
	Group []Parked `json:"group,omitempty"`
}

// Parked is a predecessor of a group, as a Mark tells of it.
type Parked struct {
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	Part          Part          `json:"part,omitempty"`
	Needs         []string      `json:"needs,omitempty"`
	RestartPolicy RestartPolicy `json:"restart_policy"`
	State         State         `json:"state"`
}

// ParseMark reads the value of MarkLabel. It returns nil where the value is not
// a mark: labels are written by strangers, and such a container is not ours.
func ParseMark(value string) *Mark {
	var m Mark
	if json.Unmarshal([]byte(value), &m) != nil || m.Attempt == "" || m.Owner == "" || m.Predecessor == "" {
		return nil
	}
	return &m
}

// String is the label's value.
func (m Mark) String() string {
	b, err := json.Marshal(m)
	if err != nil { // strings and ints only: cannot happen
		panic(err)
	}
	return string(b)
}

// MarkOf returns what the label of one container's successor says of the attempt.
func (a Attempt) MarkOf(s Swap) Mark {
	m := Mark{
		Attempt: a.ID, Owner: a.Owner, Predecessor: s.Predecessor, RestartPolicy: s.RestartPolicy,
		State: s.State, Strategy: a.Policy.Strategy, Reference: s.From.Reference.Text, TagBefore: s.TagBefore,
	}
	if len(a.Members) == 0 {
		return m
	}
	for _, s := range a.Swaps() {
		m.Group = append(m.Group, Parked{
			ID: s.Predecessor, Name: s.Name, Part: s.Part, Needs: s.Needs, RestartPolicy: s.RestartPolicy, State: s.State,
		})
	}
	return m
}

// KeptTag is the extra local tag of the image of the n-th predecessor, 0 for the
// first of the group.
func (a Attempt) KeptTag(n int) string {
	tag := KeptRepository + ":" + a.Owner + "-" + a.ID
	if n > 0 {
		tag += fmt.Sprintf(".%d", n)
	}
	return tag
}
