// Package notify tells people what happened: results become notices, notices
// become words, and words go out through shoutrrr to channels that the operator
// has named. What is owed is kept in an outbox, so that it is told also after a
// crash, and after an outage of the channel.
//
// Nothing here decides what happens to a container, and nothing waits for a
// channel: reporting writes to the outbox, and delivering is another goroutine's.
package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// Level is how much a channel hears.
type Level string

// The levels. Each hears what the ones before it hear, too.
const (
	Problems Level = "problems" // what a person may have to mend
	Changes  Level = "changes"  // and what was changed, or could be
	All      Level = "all"      // and what only shows that Refit lives
)

// Channel is a place where people are told. Its URL is a credential: it is never
// logged, and no error or page shows any part of it beyond its scheme.
type Channel struct {
	// Name is what containers pick it by: letters, digits, dots, dashes and underscores.
	Name  string
	URL   string
	Level Level // "" means Changes
}

// Outbox keeps what is owed. core/ledger is the real one. All of it may be called
// at the same time.
type Outbox interface {
	// Untold returns the results of attempts that were recorded since the last Post,
	// oldest first, and the mark with which Post says that they are told. Before
	// the first Post there are none.
	Untold(ctx context.Context) (results []core.Result, mark uint64, err error)
	// Told returns the facts that people know.
	Told(ctx context.Context) (map[string]core.Fact, error)
	// Post puts letters into the outbox and notes what they tell, all of it or nothing.
	Post(ctx context.Context, p core.Posting) error
	// Letters returns what is in it, oldest first: what is owed, and what was given up.
	Letters(ctx context.Context) ([]core.Letter, error)
	// Settle takes out the letters that were delivered, and writes back those that
	// were tried or given up.
	Settle(ctx context.Context, delivered []uint64, tried []core.Letter) error
	// LockDelivery makes this process the only one that delivers, until unlock. It
	// does not wait.
	LockDelivery(ctx context.Context) (unlock func() error, err error)
}

// Message is what goes out to one channel.
type Message struct {
	Title string
	// Text is for chats, Plain and HTML for email, JSON for webhooks.
	Text, Plain, HTML string
	JSON              []byte
}

// Sender sends one message to one channel, once. Its error holds no part of the
// channel's URL. An error that answers RetryAfter() time.Duration says when to try
// again; one that answers Permanent() bool with true, that trying again is no use.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Clerk turns results into letters. Its fields are set before its first use; its
// methods may be called at the same time. Without channels it does nothing: what
// happened stays untold, and another process that has channels tells it.
type Clerk struct {
	Channels []Channel
	Outbox   Outbox // required
	// Remind is how long a fact that does not change is not told again; 0 means
	// until it changes.
	Remind time.Duration
	Log    *slog.Logger // nil means silence

	mu     sync.Mutex      // one report is made at a time
	warned map[string]bool // of channels that containers pick and nobody has
}

// Postman delivers letters. Its fields are set before its first use.
type Postman struct {
	Channels []Channel
	Outbox   Outbox // required
	// Words makes a message of the notices of one channel, oldest first. Required.
	Words func(Channel, []core.Notice) (Message, error)
	// Sender makes what sends to a channel. It is called when there is something to
	// send, in a goroutine of the channel's own: it may hang. Required.
	Sender func(Channel) (Sender, error)
	// GiveUp is how long a letter is tried: 48 hours if it is 0. Deadline bounds one
	// try: 30 seconds if it is 0.
	GiveUp, Deadline time.Duration
	Log              *slog.Logger // nil means silence

	office office
}
