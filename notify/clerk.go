package notify

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// stale is how old a result may be and still be told: who comes back to a channel
// after a year does not want the year.
const stale = 7 * 24 * time.Hour

// Begin says that from now on people are to be told: what happened before its first
// call is history. Every process that changes containers calls it before it does.
func (c *Clerk) Begin(ctx context.Context) error {
	return c.locked(func() error {
		results, mark, err := c.Outbox.Untold(ctx)
		if err != nil || len(results) > 0 { // a process before has begun, and left some
			return err
		}
		return c.Outbox.Post(ctx, core.Posting{Mark: mark})
	})
}

// Started tells that Refit has started: it watches so many of all containers, and
// looks at the first of them at next, which may be zero.
func (c *Clerk) Started(ctx context.Context, watched, all int, next time.Time) error {
	return c.locked(func() error {
		results, mark, err := c.Outbox.Untold(ctx)
		if err != nil {
			return err
		}
		if len(results) > 0 {
			mark = 0 // moves nothing: they are for the first report
		}
		n := core.Notice{Kind: core.NoticeStarted, At: time.Now(), Watched: watched, All: all, Next: next}
		mail := map[string][]core.Notice{}
		c.address(ctx, n, newMemory(nil, 0), mail)
		letters := c.letters(mail)
		if len(letters) == 0 {
			return nil
		}
		return c.Outbox.Post(ctx, core.Posting{Letters: letters, Mark: mark})
	})
}

// Report tells what became of a cycle. Results hold one of each container of the
// engine: what was told of others is forgotten. An error means that nothing was
// told yet: the next report tells it.
func (c *Clerk) Report(ctx context.Context, results []core.Result) error {
	return c.locked(func() error { return c.report(ctx, results, true) })
}

// ReportSome tells what became of some containers: of a recovery, or of a command
// that names one.
func (c *Clerk) ReportSome(ctx context.Context, results []core.Result) error {
	return c.locked(func() error { return c.report(ctx, results, false) })
}

// Urgent tells at once what is untold if a container is down, while the cycle goes
// on: with it goes what else is over by then, and the rest waits for Report. Where
// nothing is down it does nothing.
func (c *Clerk) Urgent(ctx context.Context) error {
	return c.locked(func() error {
		results, _, err := c.Outbox.Untold(ctx)
		isDown := func(r core.Result) bool { return r.Outcome == core.OutcomeDown }
		if err != nil || !slices.ContainsFunc(results, isDown) {
			return err
		}
		return c.report(ctx, nil, false)
	})
}

// locked lets one report be made at a time, and none if there is nobody to report to.
func (c *Clerk) locked(do func() error) error {
	if len(c.Channels) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return do()
}

// report tells what the ledger has of attempts that are over, and of the results
// those that the ledger does not have.
func (c *Clerk) report(ctx context.Context, results []core.Result, all bool) error {
	recorded, mark, err := c.Outbox.Untold(ctx)
	if err != nil {
		return err
	}
	known, err := c.Outbox.Told(ctx)
	if err != nil {
		return err
	}
	m := newMemory(known, c.Remind)
	letters := c.write(ctx, append(c.fresh(ctx, recorded), unrecorded(results)...), m)
	if all && len(results) > 0 { // an engine without a single container is one that was not asked
		m.keepOnly(results)
	}
	if len(letters)+len(m.changed)+len(recorded) == 0 {
		return nil
	}
	return c.Outbox.Post(ctx, core.Posting{Letters: letters, Facts: m.changed, Mark: mark})
}

// unrecorded leaves out the results that stand in the ledger, too, and are told from
// there, so that a crash between the two neither loses nor repeats one: those of
// attempts (which took time) that are over, unless the image turned out to be the
// same. An attempt that is not over may stand in the ledger; then it is a fact that
// is known when its second result comes.
func unrecorded(results []core.Result) []core.Result {
	return slices.DeleteFunc(slices.Clone(results), func(r core.Result) bool {
		return r.Took > 0 && !r.Open && r.Outcome != core.OutcomeUnchanged
	})
}

// fresh leaves out what happened too long ago.
func (c *Clerk) fresh(ctx context.Context, results []core.Result) []core.Result {
	limit := time.Now().Add(-stale)
	kept := slices.DeleteFunc(slices.Clone(results), func(r core.Result) bool {
		return !r.Started.IsZero() && r.Started.Add(r.Took).Before(limit)
	})
	if left := len(results) - len(kept); left > 0 && c.Log != nil {
		c.Log.LogAttrs(ctx, slog.LevelWarn, "not telling what happened more than a week ago", slog.Int("results", left))
	}
	return kept
}

// write makes the letters of the results, oldest first, and notes what they tell.
func (c *Clerk) write(ctx context.Context, results []core.Result, m *memory) []core.Letter {
	mail := map[string][]core.Notice{}
	for _, r := range results {
		for _, n := range noticesOf(r) {
			c.address(ctx, n, m, mail)
		}
		m.learn(r)
	}
	return c.letters(mail)
}

// address puts the notice into the mail of each channel that is to hear it.
func (c *Clerk) address(ctx context.Context, n core.Notice, m *memory, mail map[string][]core.Notice) {
	picked := c.picked(ctx, n)
	for _, ch := range c.Channels {
		if len(picked) > 0 && !slices.Contains(picked, ch.Name) {
			continue
		}
		if ch.Level.hears(levelOf(n)) || isAllClear(ch, n, m) {
			if m.isNews(ch.Name, n) {
				mail[ch.Name] = append(mail[ch.Name], n)
			}
		}
	}
}

// isAllClear tells whether the notice ends what was told to the channel as a
// trouble: who hears that a container is down hears that it is up again, whatever
// the channel's level.
func isAllClear(ch Channel, n core.Notice, m *memory) bool {
	well := n.Kind == core.NoticeUpdated || n.Kind == core.NoticeFollowed || n.Kind == core.NoticeRecovered
	return well && m.knows(ch.Name, aboutTrouble, n.Container)
}

// picked returns the channels that the notice is for, none for all of them. A label
// that names no channel at all must not keep what it is about from being told: then
// all are to hear it.
func (c *Clerk) picked(ctx context.Context, n core.Notice) []string {
	var there []string
	for _, name := range n.Channels {
		if slices.ContainsFunc(c.Channels, func(ch Channel) bool { return ch.Name == name }) {
			there = append(there, name)
			continue
		}
		c.warn(ctx, n.Container, name)
	}
	return there
}

// warn says once that a container picks a channel which does not exist.
func (c *Clerk) warn(ctx context.Context, container, channel string) {
	key := container + "/" + channel
	if c.warned[key] || c.Log == nil {
		return
	}
	if c.warned == nil {
		c.warned = map[string]bool{}
	}
	c.warned[key] = true
	c.Log.LogAttrs(ctx, slog.LevelWarn, "refit.notify names a channel that does not exist",
		slog.String("container", container), slog.String("channel", channel))
}

// letters makes one letter for each channel that has mail.
func (c *Clerk) letters(mail map[string][]core.Notice) []core.Letter {
	var all []core.Letter
	now := time.Now().UTC()
	for _, ch := range c.Channels {
		if notices := mail[ch.Name]; len(notices) > 0 {
			all = append(all, core.Letter{Channel: ch.Name, Posted: now, Notices: notices})
			delete(mail, ch.Name)
		}
	}
	return all
}
