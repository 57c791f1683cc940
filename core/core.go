// Package core holds the nouns of Refit and its one decision: what to do with
// each container, and why.
//
// Nothing here talks to Docker, a registry, a plugin, a file or a clock. What is
// needed from outside arrives as values (World, Answers), and what is decided
// leaves as a value (Plan) that can be printed, tested and refused.
package core

import (
	"encoding/json"
	"strings"
	"time"
)

// Names that are reserved while a container called N is being replaced.
const (
	// NewSuffix follows the name of a successor that has not yet taken its place.
	NewSuffix = ".refit-new"
	// OldSuffix follows the name of a predecessor that is parked.
	OldSuffix = ".refit-old"
	// HelperSuffix follows the name of the second Refit that replaces a Refit N.
	HelperSuffix = ".refit-helper"
	// HelperLabel is the label on that second Refit. Its value is the instance that sent
	// it. It is never read as policy.
	HelperLabel = "refit.helper"
	// MarkLabel is the label on a successor that tells which replacement made
	// it. Its value is a Mark as JSON. It is never read as policy.
	MarkLabel = "refit.replacement"
	// KeptRepository holds the extra local tags that keep an image from being
	// pruned while its container is replaced: refit-kept:OWNER-ATTEMPT.
	KeptRepository = "refit-kept"
)

// BaseName is the name of the container that a reserved name has to do with: N for
// N.refit-new, N.refit-old and N.refit-helper. Any other name is its own.
func BaseName(name string) string {
	for _, suffix := range []string{NewSuffix, OldSuffix, HelperSuffix} {
		if base, reserved := strings.CutSuffix(name, suffix); reserved {
			return base
		}
	}
	return name
}

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

// Up tells whether the container has a process, or will have one again by itself:
// it runs, is paused, or waits for its next restart.
func (s State) Up() bool { return s == Running || s == Restarting || s == Paused }

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
	// ImageGone is set where the engine does not have its image any more: then the
	// image's labels, digests and platform are not known here. See World.Defaults.
	ImageGone bool
	// Image is what the container was created from and runs now. Its digest is
	// empty, because an image has many (RepoDigests), unless the image is gone and the
	// engine has kept the digest.
	Image Image
	// RepoDigests are all the names under which registries know that image.
	RepoDigests []Reference
	// DependsOn names the containers that must be brought up to date before it.
	DependsOn []string
	// Tethers names the containers that it cannot live without under their
	// present id: it shares their namespaces, or has a legacy link to them.
	Tethers []string
	// Restarts names the containers after whose replacement it is to be restarted,
	// because compose says so (depends_on with restart: true).
	Restarts []string
	// Service tells the containers of one scaled service: they are replaced one by
	// one. "" where there is no service.
	Service string
	// Exclusive says why no second one like it can run beside it: "it publishes the
	// host's port 8080". Empty where nothing is in the way.
	Exclusive []string
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
	// Replaced are the containers whose place others have taken: wherever the
	// settings name one of the keys, by id or as the target of a legacy link, the
	// successor gets the value. Both are full ids.
	Replaced map[string]string
	// Says is what the new image says. It counts only where the engine cannot tell.
	Says Defaults
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

// Event is something that happened on the engine to a container.
type Event struct {
	Action string // "create", "start", "die", "destroy", "rename", …
	ID     string
	Name   string
}
