package core

import "time"

// Outcome is how a step ended.
type Outcome string

// The outcomes, mildest first.
const (
	OutcomeUnchanged   Outcome = "unchanged"   // nothing was to be done
	OutcomeAvailable   Outcome = "available"   // a new image is there, the policy says to tell
	OutcomeUpdated     Outcome = "updated"     // the successor stands in the predecessor's place
	OutcomeFollowed    Outcome = "followed"    // the same, with its old image: another one was updated
	OutcomeRecovered   Outcome = "recovered"   // an interrupted replacement was finished or undone
	OutcomeHeld        Outcome = "held"        // nothing was touched
	OutcomeInterrupted Outcome = "interrupted" // Refit was asked to end; the next start goes on
	OutcomeRolledBack  Outcome = "rolled-back" // the predecessor, the same container, runs again
	OutcomeFailed      Outcome = "failed"      // something could not be done; Reason says what is left
	OutcomeDown        Outcome = "down"        // neither of the two runs
)

// Result is what became of one step.
type Result struct {
	Name    string  `json:"container"`
	ID      string  `json:"id"` // of the container that stands under the name now
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
	From    Image   `json:"from"`
	To      Image   `json:"to,omitzero"`
	// FromVersion and ToVersion are what the two images say of themselves.
	FromVersion Version `json:"from_version,omitzero"`
	ToVersion   Version `json:"to_version,omitzero"`
	// Notify are the channels that the container picks; empty means all.
	Notify []string `json:"notify,omitempty"`

	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took_ns"`
	// Pull is what it took to fetch the new image. Zero where the engine had it, or where
	// another container of the same cycle had it fetched before.
	Pull Transfer `json:"pull,omitzero"`
	// Downtime is from the moment that the predecessor was asked to stop until
	// the successor (or the predecessor again) ran. Zero where nothing stopped.
	Downtime time.Duration `json:"downtime_ns,omitempty"`
	// DowntimeToHealthy is from that same moment until the gate was passed.
	DowntimeToHealthy time.Duration `json:"downtime_to_healthy_ns,omitempty"`

	// Evidence is what a failed successor left behind.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Ran says that the new container was started, or may have been: it may have
	// changed data. Undone, that the old one was put back.
	Ran    bool `json:"ran,omitempty"`
	Undone bool `json:"undone,omitempty"`
	// RetryAt is when it is due again out of its turn: a hook that deferred it wants to
	// be asked then, or a registry that wanted to be left alone may be. Zero is at the
	// container's next regular time.
	RetryAt time.Time `json:"retry_at,omitzero"`
	// Hooks are the calls of hooks, in their order.
	Hooks []HookReport `json:"hooks,omitempty"`
	// Open says that something is left to do, which Recover will do.
	Open bool `json:"open,omitempty"`
	// Notes are things that a person should know: what was left where, and
	// what to type.
	Notes []string `json:"notes,omitempty"`
}

// Evidence is what is known of a successor that failed its gate.
type Evidence struct {
	// ExitCode is nil where it was not seen: the container ran, or ran again.
	ExitCode     *int     `json:"exit_code,omitempty"`
	OOMKilled    bool     `json:"oom_killed,omitempty"`
	HealthOutput string   `json:"health_output,omitempty"`
	Logs         []string `json:"logs,omitempty"` // the last lines, at most 20
}
