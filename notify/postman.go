package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

const (
	// pollEvery is how often the outbox is looked at unasked: another process may
	// have posted.
	pollEvery = 30 * time.Second
	// farewell is how long Run's end waits for a message that is being sent: told now
	// is better than told twice.
	farewell = time.Second
	// grace is how long a sender may take to come back once its time is up.
	grace = time.Second
	// settleTimeout bounds the writing down of what was delivered, also at the end.
	settleTimeout = 10 * time.Second
	// strangerGrace is how long letters to a channel that nobody knows are left: a
	// command that was started by hand may have channels of its own.
	strangerGrace = 10 * time.Minute
)

// office is what a postman keeps in memory. What is lost with it is sent again.
type office struct {
	mu     sync.Mutex
	routes map[string]*route
	wake   chan struct{}
}

// open returns the postman's routes, made at its first use.
func (p *Postman) open() *office {
	o := &p.office
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.wake == nil {
		o.wake = make(chan struct{}, 1)
		o.routes = map[string]*route{}
		for _, c := range p.Channels {
			o.routes[c.Name] = &route{postman: p, channel: c}
		}
	}
	return o
}

// Wake says that there may be something to deliver. It does not wait, and may be
// called before Run.
func (p *Postman) Wake() {
	select {
	case p.open().wake <- struct{}{}:
	default:
	}
}

// Run delivers what is owed until ctx ends. What fails is tried again later; of
// what cannot be delivered the other channels are told. Run's end waits for nobody
// longer than some seconds. It returns nil: what goes wrong is logged, and is in the
// outbox.
func (p *Postman) Run(ctx context.Context) error {
	s := &shift{postman: p, office: p.open(), ctx: ctx, now: true, lasting: true}
	for {
		wait := s.pass()
		s.now = false
		clock := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			clock.Stop()
			s.end()
			return nil
		case <-s.office.wake:
		case <-clock.C:
		}
		clock.Stop()
	}
}

// Flush delivers what is owed and due now to the channels that this postman has,
// each message tried once, and returns when that is done or ctx ends. It waits for
// another process that is delivering. What it leaves stays owed. It is for commands
// that end; errors are the outbox's only.
func (p *Postman) Flush(ctx context.Context) error {
	s := &shift{postman: p, office: p.open(), ctx: ctx}
	defer s.end()
	for {
		letters, err := p.Outbox.Letters(ctx)
		if err != nil || !s.anyDue(letters) {
			return quiet(ctx, err)
		}
		if s.lock() {
			if s.pass(); !s.anyBusy() {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.office.wake:
		case <-time.After(pollEvery / 100):
		}
	}
}

// quiet drops errors that only say that time is up.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Try sends a message to a channel at once, past the outbox, and returns when it is
// sent, has failed, or ctx has ended. The error holds no part of the URL.
func (p *Postman) Try(ctx context.Context, c Channel, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, p.deadline())
	defer cancel()
	done := make(chan error, 1)
	var sending sync.WaitGroup
	sending.Go(func() {
		done <- guarded(func() error {
			sender, err := p.Sender(c)
			if err != nil {
				return err
			}
			return sender.Send(ctx, m)
		})
	})
	select {
	case err := <-done:
		return speakable(err)
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return speakable(err)
	case <-time.After(grace):
		return errors.New("timed out")
	}
}

// speakable hides what a panic has said: it is nobody's promise.
func speakable(err error) error {
	var p panicked
	if errors.As(err, &p) {
		return errors.New("the sender panicked")
	}
	return err
}

func (p *Postman) deadline() time.Duration {
	if p.Deadline > 0 {
		return p.Deadline
	}
	return 30 * time.Second
}

func (p *Postman) giveUp() time.Duration {
	if p.GiveUp > 0 {
		return p.GiveUp
	}
	return 48 * time.Hour
}

func (p *Postman) log() *slog.Logger {
	if p.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Log
}

// shift is one Run or Flush.
type shift struct {
	postman *Postman
	office  *office
	ctx     context.Context
	// now is set where back-offs of before do not count: the operator may have mended
	// a channel, and restarted. Lasting is set where it is not only one pass.
	now, lasting bool

	rounds sync.WaitGroup
	unlock func() error
}

// pass starts a round for each channel that has something due and none under way,
// and returns how long there is nothing to do.
func (s *shift) pass() time.Duration {
	since := s.office.rounds()
	letters, err := s.postman.Outbox.Letters(s.ctx)
	if err != nil {
		s.complain("the outbox cannot be read", err)
		return pollEvery
	}
	if s.anyDue(letters) && !s.locked() {
		if !s.lock() {
			return pollEvery
		}
		// Somebody else may have delivered them meanwhile.
		since = s.office.rounds()
		if letters, err = s.postman.Outbox.Letters(s.ctx); err != nil {
			s.complain("the outbox cannot be read", err)
			return pollEvery
		}
	}
	wait := pollEvery
	for name, owed := range owedBy(letters) {
		r := s.office.route(name)
		if r == nil {
			s.dropStrangers(name, owed)
			continue
		}
		next, due := r.due(owed, s.now, since[name])
		if !due {
			wait = min(wait, max(next, 0))
			continue
		}
		s.rounds.Go(func() {
			defer s.postman.Wake()
			defer r.free()
			r.round(s.ctx, owed)
		})
	}
	if !s.anyBusy() {
		s.release()
	}
	return max(wait, time.Second)
}

// rounds counts what is over, by channel.
func (o *office) rounds() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := map[string]int{}
	for name, r := range o.routes {
		r.mu.Lock()
		over[name] = r.rounds
		r.mu.Unlock()
	}
	return over
}

func (o *office) route(name string) *route {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.routes[name]
}

// owedBy sorts the letters that are still to be delivered by their channels.
func owedBy(letters []core.Letter) map[string][]core.Letter {
	owed := map[string][]core.Letter{}
	for _, letter := range letters {
		if letter.GivenUp.IsZero() {
			owed[letter.Channel] = append(owed[letter.Channel], letter)
		}
	}
	return owed
}

func (s *shift) anyDue(letters []core.Letter) bool {
	for name, owed := range owedBy(letters) {
		r := s.office.route(name)
		if r == nil && s.strange(owed) || r != nil && r.wants(owed, s.now) {
			return true
		}
	}
	return false
}

func (s *shift) anyBusy() bool {
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	for _, r := range s.office.routes {
		if r.isBusy() {
			return true
		}
	}
	return false
}

// end waits for the rounds, which do not last once ctx has ended.
func (s *shift) end() {
	s.rounds.Wait()
	s.release()
}

func (s *shift) locked() bool { return s.unlock != nil }

// lock makes this process the only one that delivers, or says that it is not.
func (s *shift) lock() bool {
	if s.locked() {
		return true
	}
	unlock, err := s.postman.Outbox.LockDelivery(s.ctx)
	if err != nil {
		s.postman.log().DebugContext(s.ctx, "somebody else is delivering notifications", slog.Any("error", err))
		return false
	}
	s.unlock = unlock
	return true
}

func (s *shift) release() {
	if s.unlock == nil {
		return
	}
	if err := s.unlock(); err != nil {
		s.complain("the lock on deliveries cannot be let go", err)
	}
	s.unlock = nil
}

func (s *shift) complain(what string, err error) {
	if s.ctx.Err() == nil {
		s.postman.log().ErrorContext(s.ctx, "notifications are not delivered", slog.String("reason", what), slog.Any("error", err))
	}
}

// strange tells whether letters to a channel that is not configured have waited
// long enough for somebody who has it.
func (s *shift) strange(owed []core.Letter) bool {
	return s.lasting && time.Since(owed[0].Posted) > strangerGrace
}

// dropStrangers gives up on letters to a channel that is not configured any more.
func (s *shift) dropStrangers(name string, owed []core.Letter) {
	if !s.strange(owed) || !s.locked() {
		return
	}
	r := &route{postman: s.postman, channel: Channel{Name: name}}
	for i := range owed {
		owed[i].Fault = fmt.Sprintf("no channel is called %s any more", name)
		owed[i].GivenUp = time.Now()
	}
	_ = r.settle(s.ctx, nil, owed) // it logs; and is tried again
}
