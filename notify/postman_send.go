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

// errEnded says that there was no time left to learn what became of a message.
var errEnded = errors.New("delivery was ended")

// result is what a sending goroutine brings back.
type result struct {
	load load
	err  error
}

// attempt sends one message with as much of owed as fits, and says which letters
// that was. It returns when the channel's deadline is over at the latest, or soon
// after ctx has ended, whether or not the sender has come back.
func (r *route) attempt(ctx context.Context, owed []core.Letter) (load, error) {
	// A message that is on its way when ctx ends is given a moment.
	trying, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.postman.deadline())
	defer cancel()
	done := make(chan result, 1)
	var sending sync.WaitGroup // nobody waits for it: the sender may hang
	sending.Go(func() {
		var res result
		res.err = speakable(guarded(func() (err error) {
			res.load, err = r.send(trying, owed)
			return err
		}))
		done <- res
		r.back(done, res)
	})
	select {
	case res := <-done:
		return r.came(res, owed)
	case <-trying.Done():
	case <-ctx.Done():
		select {
		case res := <-done:
			return r.came(res, owed)
		case <-time.After(farewell):
		case <-trying.Done():
		}
	}
	cancel()
	select {
	case res := <-done:
		if ctx.Err() != nil && res.err != nil {
			return load{}, errEnded
		}
		return r.came(res, owed)
	case <-time.After(grace):
	}
	return r.abandon(ctx, done, owed)
}

// came makes sure that a failure is somebody's.
func (r *route) came(res result, owed []core.Letter) (load, error) {
	if res.load.letters() == 0 {
		res.load, _ = loadOf(owed, 1)
	}
	return res.load, res.err
}

// abandon leaves a sender that has not come back to itself.
func (r *route) abandon(ctx context.Context, done chan result, owed []core.Letter) (load, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case res := <-done: // just now
		return r.came(res, owed)
	default:
	}
	r.hung, r.stuck = done, time.Now()
	if ctx.Err() != nil {
		return load{}, errEnded
	}
	carried, _ := loadOf(owed, mostNotices)
	return carried, errors.New("timed out, and the sender has not come back")
}

// back notes that a sender which was abandoned has come back. If it has sent its
// message after all, that is not sent again.
func (r *route) back(done chan result, res result) {
	r.mu.Lock()
	late := r.hung == done
	if late {
		r.hung, r.stuck = nil, time.Time{}
		if res.err == nil {
			r.sent, r.next = res.load, time.Time{}
		}
	}
	r.mu.Unlock()
	if late {
		r.postman.log().Info("a sender that hung has come back", slog.String("channel", r.channel.Name))
		r.postman.Wake()
	}
}

// send writes a message and sends it. It may hang.
func (r *route) send(ctx context.Context, owed []core.Letter) (load, error) {
	l, m, err := r.write(owed)
	if err != nil {
		return l, fmt.Errorf("write the message: %w", err)
	}
	sender, err := r.made()
	if err != nil {
		return l, err
	}
	return l, sender.Send(ctx, m)
}

// made returns the channel's sender. Only one goroutine at a time sends.
func (r *route) made() (Sender, error) {
	r.mu.Lock()
	sender := r.sender
	r.mu.Unlock()
	if sender != nil {
		return sender, nil
	}
	sender, err := r.postman.Sender(r.channel)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sender = sender
	return sender, nil
}

// write makes one message of as many notices as fit.
func (r *route) write(owed []core.Letter) (load, Message, error) {
	for most := mostNotices; ; most /= 2 {
		l, notices := loadOf(owed, most)
		m, err := r.postman.Words(r.channel, notices)
		if err != nil || len(notices) <= 1 || Fits(r.channel, m) {
			return l, m, err
		}
		most = min(most, len(notices))
	}
}

// loadOf takes the first notices of letters, at most so many.
func loadOf(owed []core.Letter, most int) (load, []core.Notice) {
	var l load
	var notices []core.Notice
	for _, letter := range owed {
		room := most - len(notices)
		if room <= 0 && len(letter.Notices) > 0 {
			break
		}
		if len(letter.Notices) > room {
			notices = append(notices, letter.Notices[:room]...)
			letter.Notices = letter.Notices[room:]
			l.part = &letter
			break
		}
		notices = append(notices, letter.Notices...)
		l.whole = append(l.whole, letter.ID)
	}
	return l, notices
}
