package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/update"
)

// A backup and a restore may take longer than a cycle is expected to. The loop is
// alive all the while: the host ends a hook that hangs.
const (
	hookBeat  = 10 * time.Minute
	hookAlive = time.Hour
)

// beating are hooks whose calls are signs of life, so that nobody who watches the
// sidecar's health ends it in the middle of a long restore.
type beating struct {
	update.Hooks
	beat func(until time.Time) error
	log  *slog.Logger
}

// Call gives a sign of life, and another one now and then, until the call has ended.
func (b beating) Call(ctx context.Context, c core.HookCall) (core.HookReply, error) {
	ended := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() { b.keepOn(ended) })
	defer group.Wait()
	defer close(ended)
	return b.Hooks.Call(ctx, c)
}

func (b beating) keepOn(ended <-chan struct{}) {
	ticker := time.NewTicker(hookBeat)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ticker.C:
			if err := b.beat(time.Now().Add(hookAlive)); err != nil {
				b.log.Warn("giving a sign of life", slog.Any("error", err))
			}
		}
	}
}
