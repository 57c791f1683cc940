package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/notify"
)

const (
	// writing bounds the clerk: it writes to the ledger, which takes milliseconds
	// unless somebody holds on to it.
	writing = 10 * time.Second
	// flushing is how long a command that ends waits for its messages to go out. A
	// message that is under way then gets another second: the help says 10.
	flushing = 9 * time.Second
	// parting is how long the sidecar does, and whoever was told to end: the
	// container's grace is for the update that had to be undone.
	parting = 2 * time.Second
)

// post tells people what happened: the clerk writes what is owed into the ledger,
// the postman delivers it.
type post struct {
	clerk   *notify.Clerk
	postman *notify.Postman
	// now asks a command's deliverer for a delivery before the end.
	now chan struct{}
	log *slog.Logger
}

// newPost is for a ledger that can be written.
func (s *session) newPost(l *ledger.Ledger) (*post, error) {
	words, err := s.words(s.engine.Name)
	if err != nil {
		return nil, err
	}
	return &post{
		clerk:   &notify.Clerk{Channels: s.notify.channels, Outbox: l, Remind: s.notify.remind, Log: s.log},
		postman: s.postman(l, words),
		now:     make(chan struct{}, 1),
		log:     s.log,
	}, nil
}

func (p *program) postman(outbox notify.Outbox, words notify.Words) *notify.Postman {
	return &notify.Postman{
		Channels: p.notify.channels, Outbox: outbox, Words: words.Message, Sender: notify.NewSender,
		GiveUp: p.notify.giveUp, Log: p.log,
	}
}

// note lets the clerk write, also where ctx has ended: what was done is told. What
// it could not write is not lost, and no reason to fail.
func (p *post) note(ctx context.Context, write func(context.Context) error) {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), writing)
	defer cancel()
	if err := write(short); err != nil {
		p.log.WarnContext(ctx, "what happened is told later: it could not be written down", slog.Any("error", err))
	}
	p.postman.Wake()
}

// report tells of a cycle, over all containers or those that were named.
func (s *session) report(ctx context.Context, results []core.Result) {
	report := s.post.clerk.Report
	if len(s.names) > 0 {
		report = s.post.clerk.ReportSome
	}
	s.post.note(ctx, func(ctx context.Context) error { return report(ctx, results) })
}

// reportSome tells of a few containers, and of what a process that was killed has
// left untold.
func (s *session) reportSome(ctx context.Context, results []core.Result) {
	s.post.note(ctx, func(ctx context.Context) error { return s.post.clerk.ReportSome(ctx, results) })
}

// herald is a journal that calls for help as soon as it reads that a container is
// down: the cycle may go on for an hour.
type herald struct {
	*ledger.Ledger
	post *post
}

// Record does what the ledger does.
func (h herald) Record(ctx context.Context, e core.Entry) error {
	err := h.Ledger.Record(ctx, e)
	if err == nil && e.Result.Outcome == core.OutcomeDown {
		h.post.note(ctx, h.post.clerk.Urgent)
		select {
		case h.post.now <- struct{}{}:
		default:
		}
	}
	return err
}

// beside does some work and runs what delivers beside it, which ends after the
// work. The work does not wait for it.
func (p *post) beside(ctx context.Context, deliver func(context.Context), work func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	delivering, end := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	if len(p.postman.Channels) > 0 {
		group.Go(func() {
			defer stop()
			deliver(delivering)
		})
	}
	err := work(ctx)
	end()
	group.Wait()
	return err
}

// always delivers until ctx ends.
func (p *post) always(ctx context.Context) {
	if err := p.postman.Run(ctx); err != nil {
		p.log.ErrorContext(ctx, "deliver notifications", slog.Any("error", err))
	}
}

// asked delivers when something cannot wait for the end of the command.
func (p *post) asked(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.now:
			p.flush(ctx)
		}
	}
}

func (p *post) flush(ctx context.Context) {
	if err := p.postman.Flush(ctx); err != nil {
		p.log.WarnContext(ctx, "notifications are not delivered", slog.Any("error", err))
	}
}

// part delivers what is owed in the end, and returns what it could not.
func (p *post) part(ctx context.Context, patience time.Duration) []core.Letter {
	if len(p.postman.Channels) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		ctx, patience = context.WithoutCancel(ctx), min(patience, parting)
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p.flush(short)
	letters, err := p.postman.Outbox.Letters(context.WithoutCancel(ctx))
	if err != nil {
		p.log.WarnContext(ctx, "it is not known which notifications are owed", slog.Any("error", err))
	}
	return slices.DeleteFunc(letters, func(l core.Letter) bool {
		known := slices.ContainsFunc(p.postman.Channels, func(ch notify.Channel) bool { return ch.Name == l.Channel })
		return !l.GivenUp.IsZero() || !known
	})
}

// change does something to containers and tells people of it.
func (p *program) change(ctx context.Context, act func(context.Context, *session) (int, error)) (int, error) {
	s, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	code := 0
	err = s.post.beside(ctx, s.post.asked, func(ctx context.Context) (err error) {
		code, err = act(ctx, s)
		return err
	})
	if owed := s.post.part(ctx, flushing); len(owed) > 0 {
		_, _ = fmt.Fprintf(p.stderr, "refit: %s\n", clean(stillOwed(owed)))
	}
	return code, err
}

// stillOwed says it in one line: "2 messages are still owed to ops (connection
// refused): …".
func stillOwed(letters []core.Letter) string {
	var to []string
	for _, l := range letters {
		text := l.Channel
		if l.Fault != "" {
			text += " (" + l.Fault + ")"
		}
		if !slices.Contains(to, text) {
			to = append(to, text)
		}
	}
	what := "1 message is"
	if n := len(letters); n > 1 {
		what = fmt.Sprintf("%d messages are", n)
	}
	return what + " still owed to " + strings.Join(to, ", ") + ": the sidecar or the next command will try again"
}

// mindChannels says which channels the containers pick in vain.
func (c config) mindChannels(steps []core.Step) []core.Reason {
	var odd []core.Reason
	names := c.channelNames()
	for _, step := range steps {
		for _, name := range step.Policy.Notify {
			if slices.Contains(names, name) {
				continue
			}
			text := fmt.Sprintf("%s: refit.notify names the channel %s, and there is none of that name", step.Container.Name, name)
			if near, ok := core.Nearest(name, names); ok {
				text += ": did you mean " + near + "?"
			}
			odd = append(odd, core.Reason{Code: "no-channel", Text: text})
		}
	}
	return odd
}
