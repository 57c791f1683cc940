package loop

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// watch keeps a stream of the engine's events standing until ctx ends, and puts
// what matters into the inbox.
func (l *Loop) watch(ctx context.Context, box *inbox) {
	// A stream that stood for less is one that did not come about: an engine
	// that takes every call and hangs up must not be called every second.
	const steady = time.Minute
	stream := &condition{log: l.log(), what: "watch the engine's events"}
	var wait backoff
	for {
		var stands time.Time
		err := l.Engine.Watch(ctx, func(e core.Event) {
			if e == (core.Event{}) {
				stands = time.Now()
				stream.tell(nil)
			}
			box.put(e)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the stream has ended")
		}
		stream.tell(err)
		if !stands.IsZero() && time.Since(stands) >= steady {
			wait.reset()
		}
		if !sleep(ctx, wait.next()) {
			return
		}
	}
}

// sleep tells whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// inbox gathers the events until somebody has time for them. It never blocks
// whoever puts something in, and holds no more than the containers' names.
type inbox struct {
	bell chan struct{} // holds one token while there is something in it
	mu   sync.Mutex
	news news
}

// news is what the events since the last look amount to.
type news struct {
	standing int             // how often the stream came to stand
	changed  bool            // a container came, went, or has another name
	started  map[string]bool // these were started
}

func newInbox() *inbox { return &inbox{bell: make(chan struct{}, 1)} }

// put leaves out what happens in a replacement, and what says nothing of which
// containers there are.
func (b *inbox) put(e core.Event) {
	if reserved(e.Name) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Action {
	case "": // the zero Event
		b.news.standing++
	case "create", "destroy", "rename":
		b.news.changed = true
	case "start":
		if b.news.started == nil {
			b.news.started = map[string]bool{}
		}
		b.news.started[e.Name] = true
	default:
		return
	}
	select {
	case b.bell <- struct{}{}:
	default: // it rings already
	}
}

// take empties the inbox.
func (b *inbox) take() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news = news{}
	return n
}

// backoff spaces out attempts: 1 s, doubling to 1 min, each shortened by up to a
// quarter so that a fleet does not come back all at once. The zero value is
// ready to use.
type backoff struct{ step time.Duration }

func (b *backoff) next() time.Duration {
	b.step = min(max(2*b.step, time.Second), time.Minute)
	return b.step - rand.N(b.step/4)
}

func (b *backoff) reset() { b.step = 0 }

// condition is something that works or does not. Only changes are logged: an
// engine that is down for a night is two lines.
type condition struct {
	log     *slog.Logger
	what    string // in the imperative
	trouble bool
}

func (c *condition) tell(err error) {
	switch {
	case err != nil && !c.trouble:
		c.log.Warn("something does not work: trying again until it does", slog.String("what", c.what), slog.Any("error", err))
	case err == nil && c.trouble:
		c.log.Info("it works again", slog.String("what", c.what))
	}
	c.trouble = err != nil
}
