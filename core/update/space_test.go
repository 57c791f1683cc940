package update_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// cramped is an engine and its registry, of which the room and the sizes are known.
type cramped struct {
	*coretest.Engine
	free   core.Size
	there  map[string]bool
	layers []core.Layer
	// blind and silent are why the room, or the sizes, are not known.
	blind, silent error
	asked, pulled int
}

func (c *cramped) Free(context.Context) (core.Size, error)           { return c.free, c.blind }
func (c *cramped) LayerIDs(context.Context) (map[string]bool, error) { return c.there, nil }
func (c *cramped) Layers(context.Context, core.Image) ([]core.Layer, error) {
	c.asked++
	return c.layers, c.silent
}

func (c *cramped) Pull(ctx context.Context, image core.Image, hear func(done, of core.Size)) (string, error) {
	c.pulled++
	return c.Engine.Pull(ctx, image, hear)
}

func TestWhatClearlyHasNoRoomIsNotPulled(t *testing.T) {
	t.Parallel()
	layers := []core.Layer{{DiffID: "base", Size: 400e6}, {DiffID: "app", Size: 100e6}, {DiffID: "app", Size: 100e6}}
	rows := map[string]struct {
		edit func(*cramped)
		held string // what the reason says, "" if it is pulled
	}{
		"there is room for twice what is downloaded": {func(c *cramped) { c.free = 1000e6 }, ""},
		"there is less":                                {func(c *cramped) { c.free = 999e6 }, "1.0 GB at least where the engine keeps its images (2 times the 500.0 MB that are to be downloaded), and 999.0 MB are free there"},
		"the engine has the layer that is large":       {func(c *cramped) { c.free, c.there = 200e6, map[string]bool{"base": true} }, ""},
		"and not even for the other one there is room": {func(c *cramped) { c.free, c.there = 199e6, map[string]bool{"base": true} }, "200.0 MB at least"},
		"nobody knows the room":                        {func(c *cramped) { c.blind = errors.New("the engine is on another host") }, ""},
		"nobody knows the sizes":                       {func(c *cramped) { c.silent = errors.New("429") }, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				c := &cramped{Engine: b.engine, layers: layers}
				row.edit(c)
				b.updater.Engine, b.updater.Reader = c, c
				b.publish(coretest.Good)
				r := b.cycle(b.Context())
				if row.held == "" {
					want(t, r, core.OutcomeUpdated, core.NewImage)
					return
				}
				want(t, r, core.OutcomeHeld, core.NoSpace)
				if !strings.Contains(r.Reason.Text, row.held) || c.pulled > 0 {
					t.Errorf("%d pulls, and it says %q, want %q in it", c.pulled, r.Reason.Text, row.held)
				}
				b.wantSame()
			})
		})
	}
}

func TestWhereThereIsPlentyOfRoomOrNothingNewNoSizeIsAsked(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		c := &cramped{Engine: b.engine, free: 1e6}
		b.updater.Engine, b.updater.Reader = c, c
		want(t, b.cycle(b.Context()), core.OutcomeUnchanged, core.UpToDate)
		c.free = 32e9
		b.publish(coretest.Good)
		want(t, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		if c.asked > 0 {
			t.Errorf("asked %d times", c.asked)
		}
	})
}
