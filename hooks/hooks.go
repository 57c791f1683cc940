// Package hooks is for people who write a hook: a program of their own that Refit
// runs around the replacement of a container. A hook implements the stages that
// matter to it and calls Serve; docs/hooks.md takes a newcomer through it.
//
//	type smoke struct{}
//
//	func (smoke) PostUpdate(ctx context.Context, u *hooks.Update) error {
//		return ask(ctx, u.Container.Name)
//	}
//
//	func main() { hooks.Serve(smoke{}) }
//
// Nothing here finds, starts or ends a plugin (hooks/host), or knows what Refit
// does with an answer (core/update).
package hooks

import (
	"context"
	"time"
)

// A hook is any value with at least one of these stages. The containers of one
// cycle share the plugin's process, and several may be in a stage at the same time.
//
// A stage may be run more than once with the same Update.Attempt, because Refit or
// its host may have died meanwhile. An error is a failure of the stage, and its
// text is what people read. When ctx ends, the stage should end, too: soon
// afterwards the process is killed, together with all that it has started.

// PreUpdater is asked while the container still runs, before anything is stopped.
// It is the place to look for what would make a later stage fail: a setting that
// makes no sense, a disk that is full. An error, like a veto, leaves the container
// as it is.
type PreUpdater interface {
	PreUpdate(ctx context.Context, u *Update) (Verdict, error)
}

// PreRecreater is called when the container has been stopped and its successor has
// not been started: nothing is writing, and the service is down meanwhile. An error
// starts the container again.
type PreRecreater interface {
	PreRecreate(ctx context.Context, u *Update) error
}

// PostUpdater is called when the new container runs and has passed its gate. An
// error rolls back. It is not called for a container that did not run.
type PostUpdater interface {
	PostUpdate(ctx context.Context, u *Update) error
}

// Rollbacker is called when a replacement that had stopped the container is being
// undone, instead of Finisher. If Update.Stopped is true, neither the old container
// nor the new one runs: the only moment to restore data. An error has it called
// again, three times in all; then people are told, and the old container is started.
type Rollbacker interface {
	OnRollback(ctx context.Context, u *Update) error
}

// Finisher is called when it is over. An error is told to people and changes nothing.
//
// Every hook of which another stage was called gets exactly one end, in the reverse
// of their order: OnRollback, if it has that and the container had been stopped,
// else Finished.
type Finisher interface {
	Finished(ctx context.Context, u *Update, o Outcome) error
}

// Describer says what the hook is. A hook without it has no settings.
type Describer interface {
	Describe() Description
}

// Description is what a hook says of itself.
type Description struct {
	Summary string // one line
	Version string // the hook's own; may be empty
	Keys    []Key  // the settings that it knows
}

// Key is a setting that a hook knows. One that it does not name is refused.
type Key struct {
	// Name is of letters, digits, dots, dashes and underscores. One that ends in ".*"
	// is a family: "url.*" stands for url.shop and url.bank.
	Name string
	Help string // one line, with the form of the value and the default
	// Label lets a container's label set it: refit.hook.<hook>.<name>. Whoever may
	// start a container writes labels, so a path, a command for the host or a secret
	// is none. The operator may set every key.
	Label bool
}

// Verdict is a hook's word about an update that has not begun. The zero Verdict
// lets it proceed. Two that say the same are equal.
type Verdict struct {
	decision decision
	reason   string
	retryAt  time.Time
}

type decision int

const (
	proceed decision = iota
	deferred
	vetoed
)

// Proceed lets the update go on.
func Proceed() Verdict { return Verdict{} }

// Defer puts the update off until that time; the zero time means the container's
// next regular one. Less than a minute from now counts as a minute.
func Defer(until time.Time, reason string) Verdict {
	return Verdict{decision: deferred, reason: reason, retryAt: until.Round(0).UTC()}
}

// Veto refuses this image for this container: it is not tried again until the tag
// moves on, or a person forces it.
func Veto(reason string) Verdict { return Verdict{decision: vetoed, reason: reason} }

// String is the verdict in words.
func (v Verdict) String() string {
	switch {
	case v.decision == vetoed:
		return "veto: " + v.reason
	case v.decision == deferred && v.retryAt.IsZero():
		return "defer: " + v.reason
	case v.decision == deferred:
		return "defer until " + v.retryAt.Format(time.RFC3339) + ": " + v.reason
	default:
		return "proceed"
	}
}

// Update is one replacement, as a hook sees it.
type Update struct {
	// Attempt is the replacement's id, the same in all its stages: 16 hexadecimal digits.
	Attempt   string
	Container Container
	From, To  Image // what it ran before, and what it is to run
	// Labels and Operator are the hook's settings by key: what the container's
	// labels say, and what the operator says. See Setting.
	Labels, Operator map[string]string
	// State is for the hook to set, at most MaxState bytes. It is written down, and
	// given back in the later stages of this attempt, also by a Refit that was started
	// anew. Where a stage fails, what it has set is not kept.
	State []byte
	// Stopped, on rollback: neither the old container nor the new one runs, and
	// nothing was written since that is to be kept (somebody had started the old one,
	// or the new one had served for long). Only then may data be restored.
	Stopped bool
	// Started: the new container was started in this attempt. Where it was not, it
	// has changed nothing.
	Started bool
	// Outcome says on rollback what it is about. Its Result is then always RolledBack.
	Outcome Outcome

	say sayer
}

// MaxState is the most that a hook may keep in Update.State: 64 KiB.
const MaxState = 64 << 10

// Setting is the value of a key: the operator's, else the label's, else "".
func (u *Update) Setting(key string) string {
	if value, there := u.Operator[key]; there {
		return value
	}
	return u.Labels[key]
}

// Container is the container that is being replaced.
type Container struct {
	// ID is the engine's, of the container that the stage is about: the old one
	// before the update and on rollback, the new one after it, and in the end the
	// one that stands.
	ID     string
	Name   string // without a leading slash, and the same in all stages
	Labels map[string]string
	Mounts []Mount
	// Running tells whether it ran before the replacement began.
	Running bool
}

// Mount is a place in a container's files that is not its image's.
type Mount struct {
	Type        string // "volume", "bind", "tmpfs", …
	Name        string // of a volume
	Source      string // the path on the engine's host
	Destination string // the path in the container
	ReadOnly    bool
}

// Image is one exact image.
type Image struct {
	Reference string // as the user wrote it: "nginx:1"
	Digest    string // of the index where there is one: "sha256:…"; may be empty
	ID        string // the engine's
}

// Result is how a replacement ended.
type Result string

// The results.
const (
	Updated    Result = "updated"     // the new container stands
	Held       Result = "held"        // nothing was touched
	RolledBack Result = "rolled-back" // the old container, the very same one, runs again
	Recovered  Result = "recovered"   // after an interruption: undone, if From is what runs
	Failed     Result = "failed"      // something could not be done
	Down       Result = "down"        // neither of the two runs
)

// Outcome is how a replacement ended, and why.
type Outcome struct {
	Result Result
	Code   string // such as "gate-failed"
	Reason string // a sentence
}
