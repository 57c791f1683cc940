package update_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

// slow is an engine that takes its time for one kind of call, and goes on with it
// when its caller has hung up, as a real one does.
type slow struct {
	update.Engine
	call   string
	begins func() // the call has reached the engine
}

const engineTime = 300 * time.Millisecond

// take makes the call if it is the slow one. Whoever waits is told when it is done.
func (s slow) take(ctx context.Context, call string, do func() error) error {
	if call != s.call {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(engineTime)
		done <- do()
	}()
	s.begins()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slow) Create(ctx context.Context, d core.Draft) (id string, err error) {
	err = s.take(ctx, "create", func() (err error) {
		id, err = s.Engine.Create(context.WithoutCancel(ctx), d)
		return err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

func (s slow) SetRestartPolicy(ctx context.Context, id string, p core.RestartPolicy) error {
	return s.take(ctx, "set restart policy", func() error {
		return s.Engine.SetRestartPolicy(context.WithoutCancel(ctx), id, p)
	})
}

func (s slow) Rename(ctx context.Context, id, name string) error {
	return s.take(ctx, "rename", func() error { return s.Engine.Rename(context.WithoutCancel(ctx), id, name) })
}

func (s slow) Start(ctx context.Context, id string) error {
	return s.take(ctx, "start", func() error { return s.Engine.Start(context.WithoutCancel(ctx), id) })
}

func TestCancellingWhileTheEngineIsAtItIsUndoneWhenItIsDone(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"create", "set restart policy", "rename"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.updater.Engine = slow{b.engine, call, cancel}
				b.cycle(ctx)
				time.Sleep(2 * engineTime)
				b.wantSame()
			})
		})
	}
}

func TestASuccessorThatIsStillBeingMadeIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, ledgerLost := range []bool{false, true} {
		for late, recoveries := range map[time.Duration]int{engineTime: 1, time.Minute: 2} {
			t.Run(fmt.Sprintf("for %s, ledger lost %t", late, ledgerLost), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(b *bench) {
					b.publish(coretest.Good)
					create := b.killedAtCreate()
					time.AfterFunc(late, func() { _ = create() })
					if ledgerLost {
						b.journal = &coretest.Journal{}
					}
					for range recoveries {
						b.recover()
						time.Sleep(2 * late)
					}
					b.wantSame()
				})
			})
		}
	}
}

// killedAtCreate runs a cycle whose process dies when it has asked the engine for
// the successor. It returns what the engine has yet to do.
func (b *bench) killedAtCreate() (create func() error) {
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(call string, do func() error) error {
		switch {
		case create != nil:
		case call != "create":
			return do()
		default:
			create = do
		}
		return errors.New("the process is dead")
	}}
	b.updater.Engine, b.updater.Journal = i, i
	b.cycle(b.Context())
	return create
}
