package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

const (
	// mostNotices are told in one message. What is left is told in the next.
	mostNotices = 100

	firstBackoff, longestBackoff = time.Minute, time.Hour
)

// route is the way to one channel. One round at a time goes along it, and one
// sender: a sender that does not come back blocks it, and nothing else.
type route struct {
	postman *Postman
	channel Channel

	mu     sync.Mutex
	busy   bool
	rounds int    // that are over
	sender Sender // nil until the first message
	// hung is what a sender was to bring back that has not come back since stuck.
	hung  chan result
	stuck time.Time
	// sent are letters that were delivered, and could not be taken out yet.
	sent load
	// next is when the next try is due, if that could not be written down.
	next time.Time
	// single is set after a refusal: letters go one by one, to find the refused one.
	single bool
}

// load is what one message tells: whole letters, and perhaps the beginning of one.
type load struct {
	whole []uint64
	part  *core.Letter // what is left of it
}

// wants tells whether there is something to do for a channel: to send, or to give
// up on.
func (r *route) wants(owed []core.Letter, now bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wait(owed, now) <= 0
}

// due marks the route as busy if there is something to do, and else says in which
// time there is. Since is how many rounds were over when owed was read: what a later
// one has delivered is still in it.
func (r *route) due(owed []core.Letter, now bool, since int) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rounds != since {
		return 0, false
	}
	wait := r.wait(owed, now)
	if wait <= 0 {
		r.busy = true
	}
	return wait, r.busy && wait <= 0
}

func (r *route) wait(owed []core.Letter, now bool) time.Duration {
	switch {
	case r.busy:
		return pollEvery
	case r.sent.letters() > 0:
		return time.Until(r.next)
	case r.hung != nil:
		// Nothing can be sent. What is too old is still given up.
		return time.Until(owed[0].Posted.Add(r.postman.giveUp()))
	case now:
		return time.Until(r.next)
	}
	return max(time.Until(owed[0].NextTry), time.Until(r.next))
}

func (r *route) isBusy() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.busy
}

func (r *route) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
	r.rounds++
}

// round sends one message with what is owed, and writes down what came of it.
func (r *route) round(ctx context.Context, owed []core.Letter) {
	r.mu.Lock()
	sent, hung, stuck, single := r.sent, r.hung != nil, r.stuck, r.single
	r.mu.Unlock()
	if sent.letters() > 0 {
		r.delivered(ctx, sent)
		return // and the rest with fresh letters
	}
	if hung {
		r.failed(ctx, owed, &sendFault{text: stuckText(stuck)})
		return
	}
	if single {
		owed = owed[:1]
	}
	carried, err := r.attempt(ctx, owed)
	switch {
	case err == nil:
		r.delivered(ctx, carried)
	case errors.Is(err, errEnded):
		// The same process comes back to it, or the next one: nothing has failed.
	default:
		r.failed(ctx, owed[:carried.letters()], err)
	}
}

func stuckText(since time.Time) string {
	return "the sender has not come back since " + since.UTC().Format(time.RFC3339) + ", and nothing is sent to this channel until it does"
}

// letters counts the letters of which a load tells something.
func (l load) letters() int {
	if l.part != nil {
		return len(l.whole) + 1
	}
	return len(l.whole)
}

// delivered takes letters out of the outbox, and ends the channel's outage.
func (r *route) delivered(ctx context.Context, l load) {
	r.mu.Lock()
	r.single = false
	r.mu.Unlock()
	var rest []core.Letter
	if l.part != nil {
		left := *l.part
		left.Tries, left.NextTry, left.Fault = 0, time.Time{}, ""
		rest = []core.Letter{left}
	}
	err := r.settle(ctx, l.whole, rest)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.sent, r.next = l, time.Now().Add(pollEvery)
		return
	}
	r.sent, r.next = load{}, time.Time{}
}

// failed notes a failed try with its letters, and gives up on those that are too
// old, or that are refused alone.
func (r *route) failed(ctx context.Context, owed []core.Letter, err error) {
	now := time.Now()
	tries := owed[0].Tries + 1
	next := now.Add(backoff(tries))
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) && asked.RetryAfter() > 0 {
		next = now.Add(asked.RetryAfter())
	}
	var final interface{ Permanent() bool }
	refused := errors.As(err, &final) && final.Permanent()
	for i := range owed {
		l := &owed[i]
		l.Tries, l.NextTry, l.Fault = l.Tries+1, next, err.Error()
		if now.Sub(l.Posted) >= r.postman.giveUp() || refused && len(owed) == 1 {
			l.GivenUp = now
		}
	}
	r.mu.Lock()
	r.next = next
	if !owed[0].GivenUp.IsZero() {
		r.next = time.Time{}
	}
	r.single = refused && len(owed) > 1
	r.mu.Unlock()
	r.postman.log().WarnContext(ctx, "a notification was not delivered", slog.String("channel", r.channel.Name),
		slog.Int("tries", tries), slog.Time("next_try", next), slog.String("error", err.Error()))
	if r.settle(ctx, nil, owed) == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if soon := time.Now().Add(pollEvery); r.next.Before(soon) {
		r.next = soon
	}
}

// backoff is how long to wait after so many tries: from a minute to an hour, and a
// little more or less, so that not everybody comes back at once.
func backoff(tries int) time.Duration {
	wait := firstBackoff << min(tries-1, 10)
	wait = min(wait, longestBackoff)
	return wait*9/10 + rand.N(wait/5)
}

// settle writes down what became of letters. If some are given up, the other
// channels are told first.
func (r *route) settle(ctx context.Context, delivered []uint64, tried []core.Letter) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := r.news(ctx, len(delivered) > 0, tried); err != nil {
		r.postman.log().ErrorContext(ctx, "other channels cannot be told of one", slog.String("channel", r.channel.Name), slog.Any("error", err))
	}
	err := r.postman.Outbox.Settle(ctx, delivered, tried)
	if err != nil {
		r.postman.log().ErrorContext(ctx, "what was delivered cannot be written down", slog.String("channel", r.channel.Name), slog.Any("error", err))
	}
	return err
}

// outageFact is the fact that people know of a channel's outage.
func outageFact(channel string) string { return "undeliverable/" + channel }

// news tells the other channels once that letters to this one are given up, and
// forgets that when it works again.
func (r *route) news(ctx context.Context, works bool, tried []core.Letter) error {
	given, worth, fault := lost(tried)
	if given == 0 && !works {
		return nil
	}
	if given > 0 {
		r.postman.log().ErrorContext(ctx, "notifications are given up", slog.String("channel", r.channel.Name),
			slog.Int("messages", given), slog.String("error", fault))
	}
	told, err := r.postman.Outbox.Told(ctx)
	if err != nil {
		return err
	}
	_, known := told[outageFact(r.channel.Name)]
	switch {
	case works && known:
		return r.postman.Outbox.Post(ctx, core.Posting{Facts: map[string]*core.Fact{outageFact(r.channel.Name): nil}})
	case worth && !known:
		return r.tell(ctx, given, fault)
	}
	return nil
}

// lost counts the letters that are given up, and says why. They are worth telling
// if they tell of something else than another channel's outage.
func lost(tried []core.Letter) (given int, worth bool, fault string) {
	for _, l := range tried {
		if l.GivenUp.IsZero() {
			continue
		}
		given++
		fault = l.Fault
		worth = worth || slices.ContainsFunc(l.Notices, func(n core.Notice) bool { return n.Kind != core.NoticeUndeliverable })
	}
	return given, worth, fault
}

// tell posts a letter to every other channel.
func (r *route) tell(ctx context.Context, given int, fault string) error {
	now := time.Now()
	messages := "1 message"
	if given != 1 {
		messages = fmt.Sprintf("%d messages", given)
	}
	notice := core.Notice{Kind: core.NoticeUndeliverable, At: now, Reason: core.Reason{
		Code: core.Code(core.NoticeUndeliverable),
		Text: fmt.Sprintf("%s to the channel %s could not be delivered and will not be tried again: %s", messages, r.channel.Name, fault),
	}}
	p := core.Posting{Facts: map[string]*core.Fact{outageFact(r.channel.Name): {Value: fault, Told: now}}}
	for _, c := range r.postman.Channels {
		if c.Name != r.channel.Name {
			p.Letters = append(p.Letters, core.Letter{Channel: c.Name, Posted: now, Notices: []core.Notice{notice}})
		}
	}
	return r.postman.Outbox.Post(ctx, p)
}
