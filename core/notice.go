package core

import "time"

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeStarted       NoticeKind = "started"       // Refit watches
	NoticeAvailable     NoticeKind = "available"     // a new image is there, and only told
	NoticeUpdated       NoticeKind = "updated"       // the new container stands
	NoticeFollowed      NoticeKind = "followed"      // replaced, or restarted, because another one was updated
	NoticeDeferred      NoticeKind = "deferred"      // a hook has put it off
	NoticeHeld          NoticeKind = "held"          // something is in the way
	NoticeRolledBack    NoticeKind = "rolled-back"   // the old container runs again
	NoticeFailed        NoticeKind = "failed"        // something could not be done
	NoticeDown          NoticeKind = "down"          // neither of the two runs
	NoticeRecovered     NoticeKind = "recovered"     // an interrupted update was finished or undone
	NoticeHookFailed    NoticeKind = "hook-failed"   // a hook failed where that changed nothing
	NoticeUndeliverable NoticeKind = "undeliverable" // a channel was given up on older messages
)

// Version is what an image says of itself, by the labels
// org.opencontainers.image.version, .revision and .source. All of it may be empty,
// and none of it is proven.
type Version struct {
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
	Source   string `json:"source,omitempty"`
}

// VersionOf reads the labels of an image, or of a container that has them from it.
func VersionOf(labels map[string]string) Version {
	const family = "org.opencontainers.image."
	return Version{
		Version: clip(labels[family+"version"]), Revision: clip(labels[family+"revision"]), Source: clip(labels[family+"source"]),
	}
}

// Notice is one thing that people should hear of.
type Notice struct {
	Kind NoticeKind `json:"event"`
	At   time.Time  `json:"at"`
	// Container is "" where it is about Refit itself.
	Container string `json:"container,omitempty"`
	// Channels are those that the container picks; empty means all.
	Channels []string `json:"channels,omitempty"`

	From        Image     `json:"from,omitzero"`
	To          Image     `json:"to,omitzero"`
	FromVersion Version   `json:"from_version,omitzero"`
	ToVersion   Version   `json:"to_version,omitzero"`
	Reason      Reason    `json:"reason,omitzero"`
	RetryAt     time.Time `json:"retry_at,omitzero"`

	Pull     Transfer      `json:"pull,omitzero"`
	Downtime time.Duration `json:"downtime_ns,omitempty"`
	Evidence *Evidence     `json:"evidence,omitempty"`
	Hooks    []HookReport  `json:"hooks,omitempty"`
	Notes    []string      `json:"notes,omitempty"`

	// Watched of All containers, the next one at Next: for started.
	Watched int       `json:"watched,omitempty"`
	All     int       `json:"all,omitempty"`
	Next    time.Time `json:"next,omitzero"`
}

// Letter is what is owed to one channel, as the ledger keeps it. It holds notices and
// no words: letters that had to wait are told in one message.
type Letter struct {
	// ID orders the letters; the ledger gives it.
	ID      uint64    `json:"id"`
	Channel string    `json:"channel"`
	Posted  time.Time `json:"posted"`
	Notices []Notice  `json:"notices"`

	Tries   int       `json:"tries,omitempty"`
	NextTry time.Time `json:"next_try,omitzero"`
	// Fault is why the last try failed, without any part of the channel's URL.
	Fault string `json:"fault,omitempty"`
	// GivenUp is set when it is not tried any more.
	GivenUp time.Time `json:"given_up,omitzero"`
}

// Fact is something that was told, and is not told again while it is the same.
type Fact struct {
	Value string    `json:"value"`
	Told  time.Time `json:"told"`
}

// Posting is what goes into the outbox at once, or not at all.
type Posting struct {
	Letters []Letter
	// Facts that were told; nil forgets one.
	Facts map[string]*Fact
	// Mark says up to which result of the history they tell.
	Mark uint64
}
