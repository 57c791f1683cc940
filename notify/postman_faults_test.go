package notify_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/notify"
)

func TestAHangingChannelDelaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops", "bad")
		comeBack := make(chan struct{})
		tries := 0
		w.on("bad", func(context.Context) error {
			tries++
			<-comeBack // whatever ctx says
			return nil
		})
		w.post(t, "bad", "web")
		w.post(t, "ops", "web")
		began := time.Now()
		stop := w.run(t)
		synctest.Wait()
		same(t, "to ops", []string{"web"}, w.delivered("ops"))
		same(t, "delay", time.Duration(0), time.Since(began))
		pass(24 * time.Hour)
		w.post(t, "ops", "db")
		w.post(t, "bad", "db")
		synctest.Wait()
		same(t, "to ops", []string{"web", "db"}, w.delivered("ops"))
		same(t, "tries while one hangs", 1, tries)
		pass(25 * time.Hour)
		letters := w.owed(t)
		if len(letters) != 2 || letters[0].GivenUp.IsZero() || !letters[1].GivenUp.IsZero() || !strings.Contains(letters[0].Fault, "has not come back") {
			t.Errorf("what is owed to the channel: %+v", letters)
		}
		close(comeBack)
		pass(time.Minute)
		// The message that hung has arrived after all; what was posted since follows.
		same(t, "to bad", []string{"web", "db"}, w.delivered("bad"))
		same(t, "left", 0, len(w.owed(t)))
		began = time.Now()
		stop()
		same(t, "Run's end", time.Duration(0), time.Since(began))
	})
}

func TestRunEndsThoughASenderHangs(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]string{"in Send": "send", "while it is made": "make"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTown("bad")
				release := make(chan struct{})
				defer close(release)
				w.on("bad", func(context.Context) error { <-release; return nil })
				if hang == "make" {
					w.postman.Sender = func(notify.Channel) (notify.Sender, error) { <-release; return nil, errors.New("late") }
				}
				w.post(t, "bad", "web")
				stop := w.run(t)
				synctest.Wait()
				began := time.Now()
				stop()
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("Run ended after %v", took)
				}
				unlock, err := w.LockDelivery(t.Context())
				if err != nil {
					t.Fatalf("nobody else can deliver: %v", err)
				}
				_ = unlock()
			})
		})
	}
}

func TestAMessageThatIsOnItsWayAtTheEndIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		w.on("ops", func(ctx context.Context) error {
			select {
			case <-time.After(500 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		w.post(t, "ops", "web")
		stop := w.run(t)
		synctest.Wait()
		stop()
		same(t, "left", 0, len(w.owed(t)))
	})
}

func TestAPanicIsAFailureOfItsChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops", "bad")
		w.on("bad", func(context.Context) error { panic("slack://hook:secret@webhook") })
		w.post(t, "bad", "web")
		w.post(t, "ops", "web")
		defer w.run(t)()
		synctest.Wait()
		same(t, "to ops", []string{"web"}, w.delivered("ops"))
		same(t, "the fault", "the sender panicked", w.owed(t)[0].Fault)
	})
}

func TestLettersToAChannelThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		w.post(t, "old", "web")
		if err := w.postman.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "a command leaves them", 1, len(w.owed(t)))
		defer w.run(t)()
		pass(9 * time.Minute)
		same(t, "left at first, for another command may have the channel", true, w.owed(t)[0].GivenUp.IsZero())
		pass(2 * time.Minute)
		left := w.owed(t)
		if len(left) != 1 || left[0].GivenUp.IsZero() || left[0].Fault != "no channel is called old any more" {
			t.Errorf("left are %+v", left)
		}
		same(t, "messages to ops", 1, len(w.delivered("ops")))
	})
}

func TestFlushTriesOnceWhatIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops", "bad", "worse")
		w.on("bad", fails("HTTP 500"))
		release := make(chan struct{})
		defer close(release)
		w.on("worse", func(context.Context) error { <-release; return nil })
		for _, c := range []string{"ops", "bad", "worse"} {
			w.post(t, c, "web")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := w.postman.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("it took %v", took)
		}
		same(t, "to ops", []string{"web"}, w.delivered("ops"))
		same(t, "left", 2, len(w.owed(t)))
	})
}

func TestOneProcessDeliversAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown("ops")
		unlock, err := w.LockDelivery(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.post(t, "ops", "web")
		defer w.run(t)()
		pass(time.Hour)
		same(t, "while another one is at it", 0, len(w.delivered("ops")))
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		same(t, "after it", 1, len(w.delivered("ops")))
		// With nothing to do the lock is free for a command.
		if _, err = w.LockDelivery(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNothingIsLostThoughTheOutboxFails lets every call of the outbox fail now and
// then, the channel half of the time, and the postman die.
func TestNothingIsLostThoughTheOutboxFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const letters = 120
		dice := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		roll := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return dice.IntN(n)
		}
		w := newTown("ops", "dev")
		flaky := func(context.Context) error {
			if roll(100) < 50 {
				return errors.New("down")
			}
			return nil
		}
		w.on("ops", flaky)
		w.on("dev", flaky)
		faulty := true
		w.Fail = func(call string) error {
			if faulty && call != "Post" && roll(100) < 20 {
				return errors.New("the outbox fails")
			}
			return nil
		}
		var want []string
		for i := range letters {
			want = append(want, fmt.Sprintf("c%03d", i))
		}
		posted := 0
		for posted < letters {
			// Each life ends at a random moment; what was in memory is gone.
			w.restart()
			stop := w.run(t)
			for range min(1+roll(20), letters-posted) {
				w.post(t, "ops", want[posted])
				w.post(t, "dev", want[posted])
				posted++
				pass(time.Duration(roll(200)) * time.Second)
			}
			stop()
		}
		faulty = false
		w.on("ops", nil)
		w.on("dev", nil)
		stop := w.run(t)
		pass(2 * time.Hour)
		stop()
		same(t, "left", 0, len(w.owed(t)))
		for _, channel := range []string{"ops", "dev"} {
			got := strings.Fields(strings.Join(w.delivered(channel), " "))
			all := len(got)
			var first []string
			seen := map[string]bool{}
			for _, name := range got {
				if !seen[name] {
					first = append(first, name)
				}
				seen[name] = true
			}
			same(t, "first told, in order", want, first)
			t.Logf("%s: %d owed, %d delivered, %d of them again", channel, letters, len(first), all-len(first))
		}
	})
}
