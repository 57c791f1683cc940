// Package core holds the nouns of Refit and its one decision: what to do with
// each container, and why.
//
// Nothing here talks to Docker, a registry, a plugin, a file or a clock. What is
// needed from outside arrives as values (World, Answers), and what is decided
// leaves as a value (Plan) that can be printed, tested and refused.
package core

import (
	"encoding/json"
	"time"
)

// Names that are reserved while a container called N is being replaced.
const (
	// NewSuffix follows the name of a successor that has not yet taken its place.
	NewSuffix = ".refit-new"
	// OldSuffix follows the name of a predecessor that is parked.
	OldSuffix = ".refit-old"
	// MarkLabel is the label on a successor that tells which replacement made
	// it. Its value is a Mark as JSON. It is never read as policy.
	MarkLabel = "refit.replacement"
	// KeptRepository holds the extra local tags that keep an image from being
	// pruned while its container is replaced: refit-kept:OWNER-ATTEMPT.
	KeptRepository = "refit-kept"
)

// State is the engine's word for what a container is doing.
type State string

// The states of an engine, as its list and inspect calls spell them.
const (
	Created    State = "created"
	Running    State = "running"
	Paused     State = "paused"
	Restarting State = "restarting"
	Removing   State = "removing"
	Exited     State = "exited"
	Dead       State = "dead"
)

// Up tells whether the container is meant to be serving: running, or in the
// pause between two restarts.
func (s State) Up() bool { return s == Running || s == Restarting }

// Reference is an image reference, taken apart where it enters the program.
type Reference struct {
	// Text is what the user wrote: "nginx:1".
	Text string `json:"text"`
	// Repository is the full name with the registry's host, without tag and
	// digest: "docker.io/library/nginx".
	Repository string `json:"repository"`
	// Tag is "latest" where the text has neither tag nor digest.
	Tag string `json:"tag,omitempty"`
	// Digest is set where the text pins one: "sha256:…".
	Digest string `json:"digest,omitempty"`
}

// Platform is what an image was built for. The zero value means the engine's own.
type Platform struct {
	OS           string `json:"os,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Variant      string `json:"variant,omitempty"`
}

// Image is one exact image: a reference and what it stood for at one moment.
type Image struct {
	Reference Reference `json:"reference"`
	// Digest is what the registry calls it, of the index where there is one:
	// "sha256:…". Empty for an image that no registry knows.
	Digest string `json:"digest,omitempty"`
	// ID is what the engine calls it. Empty until it is on the engine.
	ID       string   `json:"id,omitempty"`
	Platform Platform `json:"platform,omitzero"`
}

// Container is one container, with what a decision about it needs.
type Container struct {
	ID    string
	Name  string // without the leading slash
	State State
	// Labels are the container's, those inherited from its image included.
	Labels map[string]string
	// ImageLabels are its image's.
	ImageLabels map[string]string
	// Image is what the container was created from and runs now. Its digest is
	// empty: an image has many (RepoDigests).
	Image Image
	// RepoDigests are all the names under which registries know that image.
	RepoDigests []Reference
	// DependsOn names the containers that must be brought up to date before it.
	DependsOn []string
	// Tethers names the containers that it cannot live without under their
	// present id: it shares their namespaces, or has a legacy link to them.
	Tethers []string
	// Mounts are the places in its files that are not its image's.
	Mounts []Mount
	// Obstacles say why this build cannot make a faithful copy of it.
	Obstacles []Reason
	// Mark is set on a container that a replacement made, nil elsewhere.
	Mark *Mark
}

// RestartPolicy is the engine's rule for a container that has ended.
type RestartPolicy struct {
	Name              string `json:"name"` // "no", "always", "unless-stopped", "on-failure"; "" is "no"
	MaximumRetryCount int    `json:"maximum_retry_count,omitempty"`
}

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
	// TagBefore. See Attempt.
	Reference string `json:"reference"`
	TagBefore string `json:"tag_before"`
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

// Snapshot is everything that the engine said about a container, and about the
// image that it ran, at one moment. Only the adapter that took it can read it. It
// holds the environment, so it is a secret: no output shows it.
type Snapshot json.RawMessage

// MarshalJSON keeps the snapshot as the JSON that it is.
func (s Snapshot) MarshalJSON() ([]byte, error) { return json.RawMessage(s).MarshalJSON() }

// UnmarshalJSON keeps the snapshot as the JSON that it is.
func (s *Snapshot) UnmarshalJSON(b []byte) error { return (*json.RawMessage)(s).UnmarshalJSON(b) }

// Draft describes a successor that is to be made.
type Draft struct {
	Name string
	// From is the predecessor's: the successor gets its settings, less what
	// came from its image's defaults.
	From Snapshot
	// Reference is what to create from. Its local tag must point to the new
	// image while the container is made.
	Reference string
	// Mark goes on its label.
	Mark Mark
}

// Status is a container at one moment, as far as a replacement must know it.
// The zero Status means that there is no such container.
type Status struct {
	ID      string
	Name    string // without the leading slash
	ImageID string
	State   State
	// StartedAt changes at every start, by whomever; zero if never started.
	StartedAt time.Time
	// RestartCount counts the restarts by restart policy since the last start.
	RestartCount  int
	ExitCode      int
	OOMKilled     bool
	RestartPolicy RestartPolicy
	// StopSignal is what its own stop begins with: "SIGTERM" where nobody set one.
	StopSignal string
	// StopTimeout is how long its own stop waits before it kills: 10 s where
	// nobody set one. Zero where it is not known, negative for as long as it takes.
	StopTimeout time.Duration
	Health      Health
	// Version is what its image says of itself.
	Version Version
	Mark    *Mark
}

// Exists tells whether there is such a container at all.
func (s Status) Exists() bool { return s.ID != "" }

// Health is what the HEALTHCHECK of a container says.
type Health struct {
	// Status is "" without a healthcheck, else "starting", "healthy" or "unhealthy".
	Status string
	// Output is what the last probe printed, cut to its last 4 KiB.
	Output string
	// Limit is the longest time that a good container may take to become
	// healthy by its own healthcheck: start period + retries × (interval + timeout).
	Limit time.Duration
}

// Line is a line of the replacement's table (docs/design.md), or of its
// rollback. The intent is recorded before a line is done.
type Line string

// The lines, in their order.
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

// Attempt is one replacement in flight, as the ledger keeps it. It is written
// before each line is done and forgotten when nothing is left to do.
type Attempt struct {
	ID    string `json:"id"` // 16 hexadecimal digits
	Owner string `json:"owner"`
	Name  string `json:"name"` // the container's own
	Line  Line   `json:"line"`

	Predecessor   string        `json:"predecessor"` // container id
	RestartPolicy RestartPolicy `json:"restart_policy"`
	State         State         `json:"state"`
	RunningSince  time.Time     `json:"running_since,omitzero"` // the predecessor's last start
	Successor     string        `json:"successor,omitempty"`    // container id, once created

	From Image `json:"from"` // what the predecessor runs
	To   Image `json:"to"`   // what the successor runs
	// FromVersion and ToVersion are what the two images say of themselves.
	FromVersion Version `json:"from_version,omitzero"`
	ToVersion   Version `json:"to_version,omitzero"`
	// TagBefore is the image id that the reference's local tag pointed to; the
	// predecessor's image where there was no such tag.
	TagBefore string `json:"tag_before"`
	// TagMoved is set while that tag points to the new image for a moment, so
	// that the successor can be created from it (line 3).
	TagMoved bool `json:"tag_moved,omitempty"`

	// Touched is set before the predecessor is touched for the first time
	// (line 5): from then on undoing means to start it again.
	Touched bool `json:"touched,omitempty"`

	Policy   Policy    `json:"policy"`
	Snapshot Snapshot  `json:"snapshot,omitempty"` // of the predecessor
	Started  time.Time `json:"started"`
	// Back is set when a person asked for an earlier image.
	Back bool `json:"back,omitempty"`
	// Reinstated is set when a rollback has given the predecessor everything back:
	// what changes afterwards is somebody's will.
	Reinstated bool `json:"reinstated,omitempty"`
	// Lost is set when the ledger had lost it, and it was made anew from S's mark.
	Lost bool `json:"lost,omitempty"`
	// Cause is why it was rolled back, once it is.
	Cause *Reason `json:"cause,omitempty"`

	// Ran is when S was about to be started for the first time: from then on it may
	// have changed data.
	Ran time.Time `json:"ran,omitzero"`
	// Served is set when S was committed, or has run for long while nobody watched:
	// what it has written is then not undone.
	Served bool `json:"served,omitempty"`
	// Told is set when R4 is done: the hooks that are told of a rollback were told.
	Told bool `json:"told,omitempty"`

	// Hooks are those that were called, in their order. Labels and Mounts are the
	// container's, kept for them.
	Hooks  []HookState       `json:"hooks,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Mounts []Mount           `json:"mounts,omitempty"`
}

// Mark returns what the successor's label says of the attempt.
func (a Attempt) Mark() Mark {
	return Mark{
		Attempt: a.ID, Owner: a.Owner, Predecessor: a.Predecessor, RestartPolicy: a.RestartPolicy,
		State: a.State, Strategy: a.Policy.Strategy, Reference: a.From.Reference.Text, TagBefore: a.TagBefore,
	}
}

// KeptTag is the extra local tag of the predecessor's image.
func (a Attempt) KeptTag() string { return KeptRepository + ":" + a.Owner + "-" + a.ID }

// Event is something that happened on the engine to a container.
type Event struct {
	Action string // "create", "start", "die", "destroy", "rename", …
	ID     string
	Name   string
}
