package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/update"
)

// slow hooks take three hours for a call.
type slow struct{ update.Hooks }

func (slow) Call(context.Context, core.HookCall) (core.HookReply, error) {
	time.Sleep(3 * time.Hour)
	return core.HookReply{}, nil
}

func TestALongHookIsASignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var until atomic.Pointer[time.Time]
		b := beating{Hooks: slow{}, log: slog.New(slog.DiscardHandler), beat: func(at time.Time) error {
			if last := until.Load(); last != nil && time.Now().After(*last) {
				t.Errorf("nobody was alive between %s and %s", last, time.Now())
			}
			until.Store(&at)
			return nil
		}}
		began := time.Now()
		if _, err := b.Call(t.Context(), core.HookCall{}); err != nil {
			t.Fatal(err)
		}
		if last := until.Load(); last == nil || last.Sub(began) < 3*time.Hour {
			t.Errorf("the last sign of life is until %v", last)
		}
	})
}
