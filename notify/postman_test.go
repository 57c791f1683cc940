package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
	"github.com/refit-dev/refit/notify/notifytest"
)

// town is a postman, its outbox, and channels that do what a test wants.
type town struct {
	notifytest.Outbox
	postman *notify.Postman

	mu   sync.Mutex
	got  map[string][]string // by channel, what was delivered
	send map[string]func(context.Context) error
	made map[string]int
}

type sendFunc func(context.Context, notify.Message) error

func (f sendFunc) Send(ctx context.Context, m notify.Message) error { return f(ctx, m) }

func newTown(names ...string) *town {
	w := &town{got: map[string][]string{}, send: map[string]func(context.Context) error{}, made: map[string]int{}}
	w.postman = &notify.Postman{Outbox: &w.Outbox, Words: containers, Sender: w.sender}
	for _, name := range names {
		w.postman.Channels = append(w.postman.Channels, notify.Channel{Name: name, URL: "generic://" + name})
	}
	return w
}

// containers makes a message that names the containers of notices.
func containers(_ notify.Channel, notices []core.Notice) (notify.Message, error) {
	var names []string
	for _, n := range notices {
		if n.Kind == core.NoticeUndeliverable {
			names = append(names, n.Reason.Text)
			continue
		}
		names = append(names, n.Container)
	}
	return notify.Message{Text: strings.Join(names, " ")}, nil
}

func (w *town) sender(c notify.Channel) (notify.Sender, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made[c.Name]++
	return sendFunc(func(ctx context.Context, m notify.Message) error {
		w.mu.Lock()
		send := w.send[c.Name]
		w.mu.Unlock()
		if send != nil {
			if err := send(ctx); err != nil {
				return err
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got[c.Name] = append(w.got[c.Name], m.Text)
		return nil
	}), nil
}

// restart makes a new postman: what the old one had in memory is gone.
func (w *town) restart() {
	w.postman = &notify.Postman{Channels: w.postman.Channels, Outbox: w.postman.Outbox, Words: containers, Sender: w.sender}
}

// on says what sending to a channel does from now on.
func (w *town) on(channel string, send func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.send[channel] = send
}

func (w *town) delivered(channel string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got[channel])
}

func (w *town) post(t *testing.T, channel string, names ...string) {
	t.Helper()
	letter := core.Letter{Channel: channel, Posted: time.Now()}
	for _, name := range names {
		letter.Notices = append(letter.Notices, core.Notice{Kind: core.NoticeUpdated, Container: name})
	}
	if err := w.Post(t.Context(), core.Posting{Letters: []core.Letter{letter}}); err != nil {
		t.Fatal(err)
	}
	w.postman.Wake()
}

func (w *town) owed(t *testing.T) []core.Letter {
	t.Helper()
	letters, err := w.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// run runs the postman until stop, which returns when Run has.
func (w *town) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.postman.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func same(t *testing.T, what string, want, got any, how ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, how...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// pass lets time pass, and what is due then be done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func fails(text string) func(context.Context) error {
	return func(context.Context) error { return errors.New(text) }
}

func TestWhatIsOwedIsDeliveredInOrderAndMerged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops", "dev")
		w.post(t, "ops", "web")
		w.post(t, "dev", "web")
		w.post(t, "ops", "db", "mail")
		defer w.run(t)()
		synctest.Wait()
		same(t, "to ops", []string{"web db mail"}, w.delivered("ops"))
		same(t, "to dev", []string{"web"}, w.delivered("dev"))
		w.post(t, "ops", "later")
		synctest.Wait()
		same(t, "to ops", []string{"web db mail", "later"}, w.delivered("ops"))
		same(t, "in the outbox", 0, len(w.owed(t)))
		same(t, "senders made", map[string]int{"ops": 1, "dev": 1}, w.made)
	})
}

func TestWhatAnotherProcessPostsIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		defer w.run(t)()
		synctest.Wait()
		letter := core.Letter{Channel: "ops", Posted: time.Now(), Notices: []core.Notice{{Container: "web"}}}
		if err := w.Post(t.Context(), core.Posting{Letters: []core.Letter{letter}}); err != nil {
			t.Fatal(err)
		}
		pass(31 * time.Second)
		same(t, "to ops", []string{"web"}, w.delivered("ops"))
	})
}

func TestAChannelThatFailsIsTriedAgainLaterAndLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		var tries []time.Time
		w.on("ops", func(context.Context) error {
			tries = append(tries, time.Now())
			return errors.New("HTTP 500")
		})
		w.post(t, "ops", "web")
		stop := w.run(t)
		pass(9 * time.Hour)
		stop()
		var gaps []time.Duration
		for i := range tries[1:] {
			gaps = append(gaps, tries[i+1].Sub(tries[i]))
		}
		for i, gap := range gaps {
			want := min(time.Minute<<i, time.Hour)
			if gap < want*9/10-time.Second || gap > want*11/10+time.Second {
				t.Errorf("try %d came %v after the one before, want about %v", i+2, gap, want)
			}
		}
		letter := w.owed(t)[0]
		if len(gaps) < 10 || letter.Tries != len(tries) || letter.Fault != "HTTP 500" || letter.NextTry.Before(time.Now()) {
			t.Errorf("after %d tries the letter is %+v", len(tries), letter)
		}
		w.on("ops", nil)
		w.restart()
		w.post(t, "ops", "db")
		defer w.run(t)()
		synctest.Wait()
		same(t, "delivered at once by the next run, in one message", []string{"web db"}, w.delivered("ops"))
	})
}

type asks struct {
	after time.Duration
	final bool
}

func (a asks) Error() string             { return "HTTP 429" }
func (a asks) RetryAfter() time.Duration { return a.after }
func (a asks) Permanent() bool           { return a.final }

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		began := time.Now()
		var tries []time.Duration
		w.on("ops", func(context.Context) error {
			tries = append(tries, time.Since(began))
			if len(tries) == 1 {
				return fmt.Errorf("slack: %w", asks{after: 3 * time.Hour})
			}
			return nil
		})
		w.post(t, "ops", "web")
		defer w.run(t)()
		pass(time.Hour)
		w.post(t, "ops", "db") // does not make it come earlier
		pass(3 * time.Hour)
		same(t, "tries", []time.Duration{0, 3 * time.Hour}, tries)
		same(t, "to ops", []string{"web db"}, w.delivered("ops"))
	})
}

func TestGivingUpIsToldToTheOthersOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops", "dev", "mail")
		w.postman.GiveUp = 2 * time.Hour
		w.on("ops", fails("no such host"))
		w.on("mail", fails("SMTP 550"))
		w.post(t, "ops", "web")
		w.post(t, "ops", "db")
		defer w.run(t)()
		pass(4 * time.Hour)
		told := "2 messages to the channel ops could not be delivered and will not be tried again: no such host"
		same(t, "to dev", []string{told}, w.delivered("dev"))
		w.post(t, "ops", "more")
		// What mail is owed tells only of ops: that it is given up is told to nobody.
		pass(8 * time.Hour)
		same(t, "to dev, still", []string{told}, w.delivered("dev"))
		for _, l := range w.owed(t) {
			if l.GivenUp.IsZero() || l.Fault == "" {
				t.Errorf("not given up: %+v", l)
			}
		}
		same(t, "letters that are kept", 4, len(w.owed(t)))

		w.on("ops", nil)
		w.post(t, "ops", "works")
		pass(time.Minute)
		same(t, "to ops, without what was given up", []string{"works"}, w.delivered("ops"))
		w.on("ops", fails("no such host"))
		w.post(t, "ops", "again")
		pass(4 * time.Hour)
		same(t, "told of the next outage", 2, len(w.delivered("dev")))
	})
}

func TestARefusedLetterIsFoundAndGivenUpAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		w.postman.Sender = func(notify.Channel) (notify.Sender, error) {
			return sendFunc(func(_ context.Context, m notify.Message) error {
				if strings.Contains(m.Text, "poison") {
					return asks{final: true}
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				w.got["ops"] = append(w.got["ops"], m.Text)
				return nil
			}), nil
		}
		w.post(t, "ops", "web")
		w.post(t, "ops", "poison")
		w.post(t, "ops", "db")
		defer w.run(t)()
		pass(time.Hour)
		same(t, "to ops", []string{"web", "db"}, w.delivered("ops"))
		if left := w.owed(t); len(left) != 1 || left[0].GivenUp.IsZero() || left[0].Notices[0].Container != "poison" {
			t.Errorf("left are %+v", left)
		}
	})
}

func TestALongBacklogIsToldInPieces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		var want []string
		for i := range 25 {
			var names []string
			for j := range 10 {
				names = append(names, fmt.Sprintf("c%d-%d", i, j))
			}
			want = append(want, names...)
			w.post(t, "ops", names...)
		}
		defer w.run(t)()
		pass(time.Minute)
		got := w.delivered("ops")
		same(t, "messages", 3, len(got))
		same(t, "containers", want, strings.Fields(strings.Join(got, " ")))
	})
}

func TestMoreThanFitsAServiceIsToldInPieces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("chat")
		w.postman.Channels[0].URL = "telegram://1:a@telegram?chats=1"
		var names []string
		for i := range 90 {
			names = append(names, fmt.Sprintf("%d-%s", i, strings.Repeat("x", 100)))
		}
		w.post(t, "chat", names...)
		defer w.run(t)()
		pass(time.Minute)
		got := w.delivered("chat")
		same(t, "containers", names, strings.Fields(strings.Join(got, " ")))
		for _, text := range got {
			if len(text) > 4096 {
				t.Errorf("a message has %d bytes", len(text))
			}
		}
		same(t, "left", 0, len(w.owed(t)))
	})
}
