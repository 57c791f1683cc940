package update_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

// ownGrace is an engine whose containers say how long they take to stop, and take
// that long once they are unhealthy.
type ownGrace struct {
	update.Engine
	grace time.Duration
}

func (o ownGrace) Look(ctx context.Context, nameOrID string) (core.Status, error) {
	s, err := o.Engine.Look(ctx, nameOrID)
	if s.Exists() {
		s.StopTimeout = o.grace
	}
	return s, err
}

func (o ownGrace) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	s, err := o.Engine.Look(ctx, id)
	if err != nil {
		return err
	}
	if s.Health.Status == "unhealthy" {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.grace):
		}
	}
	return o.Engine.Stop(ctx, id, signal, grace)
}

// A bad image takes its container's own grace to stop, which is longer than a
// rollback's patience with an engine: it is waited for.
func TestARollbackWaitsForTheContainersOwnGrace(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		b.updater = b.newUpdater(ownGrace{b.engine, 5 * time.Minute})
		result := b.cycle(b.Context())
		want(b.T, result, core.OutcomeRolledBack, core.GateFailed)
		if result.Took < 5*time.Minute {
			b.Errorf("it took %s, want the grace to be part of it", result.Took)
		}
		b.wantSame()
	})
}

// paused is an engine on which a person pauses the new container in its gate. As
// on a real one it can then be renamed and stopped, but not removed.
type paused struct {
	update.Engine
	stopped *bool
}

func (p paused) Look(ctx context.Context, nameOrID string) (core.Status, error) {
	s, err := p.Engine.Look(ctx, nameOrID)
	if s.Mark != nil && s.State == core.Running && !*p.stopped {
		s.State = core.Paused
	}
	return s, err
}

func (p paused) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if s, err := p.Engine.Look(ctx, id); err == nil && s.Mark != nil {
		*p.stopped = true
	}
	return p.Engine.Stop(ctx, id, signal, grace)
}

func (p paused) Remove(ctx context.Context, id string, volumes bool) error {
	if s, err := p.Look(ctx, id); err != nil || s.State == core.Paused {
		return errors.New("a paused container cannot be removed")
	}
	return p.Engine.Remove(ctx, id, volumes)
}

// A new container that stays paused has no verdict, and is rolled back. It must be
// stopped for that, or it has the volumes open as soon as somebody unpauses it.
func TestANewContainerThatStaysPausedIsStoppedAndRemoved(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		b.updater = b.newUpdater(paused{b.engine, new(bool)})
		want(b.T, b.cycle(b.Context()), core.OutcomeRolledBack, core.Interrupted)
		b.wantSame()
	})
}

// Refit is asked to end while the engine has taken a call and never answers it.
// Apply gives up after a while, and the next process, on a better engine, goes on.
func TestACallThatIsNeverAnsweredIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"stop", "remove"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				image := b.publish(coretest.Good)
				b.updater = b.newUpdater(hung{b.engine, call})
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				b.cycle(ctx)
				if took := time.Since(began); took > 15*time.Minute {
					b.Errorf("it was given up after %s", took)
				}
				b.recover()
				if call == "stop" {
					b.wantSame()
					return
				}
				b.wantStanding(image.ID)
				b.wantTag(image.ID)
			})
		})
	}
}

// hung is an engine that never answers one kind of call.
type hung struct {
	update.Engine
	call string
}

func (h hung) Remove(ctx context.Context, id string, volumes bool) error {
	if h.call == "remove" {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Engine.Remove(ctx, id, volumes)
}

func (h hung) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if h.call == "stop" {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Engine.Stop(ctx, id, signal, grace)
}

// A committed update stays one when the engine goes away, for longer than a gate
// waits, in the recovery that is to tidy it.
func TestACommittedUpdateIsNotTurnedRoundForAnEngineThatIsAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		image := b.publish(coretest.Good)
		b.killedAt("remove", 1)
		b.updater = b.newUpdater(b.engine)
		began := time.Now()
		b.intercept(func(call string, do func() error) error {
			if call == "look" && time.Since(began) < 150*time.Second {
				return errors.New("connection refused")
			}
			return do()
		})
		_, _ = b.updater.Recover(b.Context())
		b.recover()
		b.wantStanding(image.ID)
	})
}

// revived is an engine that died once, and with it the new container: back again, it
// has started that as its policy says, and counts it as a restart. Seen on 28.5.
type revived struct {
	update.Engine
	died, away func() bool
	stopped    bool
}

func (r *revived) Look(ctx context.Context, nameOrID string) (core.Status, error) {
	if r.away() {
		return core.Status{}, errors.New("connection refused")
	}
	s, err := r.Engine.Look(ctx, nameOrID)
	if s.Mark != nil && s.State == core.Running && r.died() && !r.stopped {
		s.RestartCount++
	}
	return s, err
}

func (r *revived) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if s, err := r.Engine.Look(ctx, id); err == nil && s.Mark != nil {
		r.stopped = true
	}
	return r.Engine.Stop(ctx, id, signal, grace)
}

func constantly(yes bool) func() bool { return func() bool { return yes } }

// A restart that came while the engine, or Refit, was away proves nothing: the new
// container is started once more, and that counts.
func TestARestartWhileNobodyWatchedIsNoVerdict(t *testing.T) {
	t.Parallel()
	t.Run("Refit and the engine died", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(b *bench) {
			image := b.publish(coretest.Good)
			b.runUntil(nth("start", 1), true)
			b.updater = b.newUpdater(&revived{Engine: b.engine, died: constantly(true), away: constantly(false)})
			results, err := b.updater.Recover(b.Context())
			if err != nil || len(results) != 1 {
				b.Fatalf("got %v, %v, want one result", results, err)
			}
			want(b.T, results[0], core.OutcomeRecovered, core.Interrupted)
			b.wantStanding(image.ID)
		})
	})
	t.Run("the engine died", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(b *bench) {
			image := b.publish(coretest.Good)
			began := time.Now()
			b.updater = b.newUpdater(&revived{
				Engine: b.engine,
				died:   func() bool { return time.Since(began) > 5*time.Second },
				away:   func() bool { since := time.Since(began); return since > 5*time.Second && since < 10*time.Second },
			})
			want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
			b.wantStanding(image.ID)
		})
	})
	t.Run("it crashes again and again", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(b *bench) {
			b.setPolicy("always")
			b.publish(coretest.CrashLater)
			b.runUntil(nth("start", 1), true)
			time.Sleep(time.Minute)
			want(b.T, b.recover()[0], core.OutcomeRolledBack, core.GateFailed)
		})
	})
}
