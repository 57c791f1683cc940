package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// parallel is how many containers refit has between stop and start at once, unless it
// is told otherwise; several has as many.
const parallel = 4

// crush is what rounds of updates of many containers at once have taken.
type crush struct {
	alone   []time.Duration // downtimes of containers that were updated alone
	few     bout            // with as many between stop and start at once as by default
	single  bout            // with one
	bounces []time.Duration // `docker stop` + `docker start`, one after the other
	four    []time.Duration // the same, four at a time
	all     []time.Duration // all of those
}

// bout are updates of all of them.
type bout struct {
	each  []time.Duration // downtimes
	whole []time.Duration // whole updates
}

// crowded measures the update of many containers of one image at once.
func crowded(ctx context.Context, b *bench) (p part, err error) {
	web, err := b.service("crowd", "web")
	if err != nil {
		return p, err
	}
	if err := b.pull(ctx, web.reference); err != nil {
		return p, err
	}
	names, err := b.webs(ctx, b.crowd, web.reference)
	if err != nil {
		return p, err
	}
	state, c := b.state(), &crush{}
	for i := range max(1, b.repetitions/3) {
		b.say("  three alone, then %d", b.crowd)
		for _, name := range names[3*i : 3*i+3] {
			down, err := b.refreshed(ctx, state, web, name)
			if err != nil {
				return p, err
			}
			c.alone = append(c.alone, down)
		}
		if err := b.together(ctx, state, web, names, parallel, &c.few); err != nil {
			return p, err
		}
		if err := b.together(ctx, state, web, names, 1, &c.single); err != nil {
			return p, err
		}
		if err := b.bounced(ctx, names, c); err != nil {
			return p, err
		}
	}
	p.rows = c.rows(b.crowd)
	return p, nil
}

// together updates all of them at once.
func (b *bench) together(ctx context.Context, state string, web *service, names []string, atOnce int, o *bout) error {
	time.Sleep(gap)
	if err := web.publish(); err != nil {
		return err
	}
	down, took, err := b.update(ctx, state, atOnce, names...)
	for _, name := range names {
		o.each = append(o.each, down[name])
	}
	o.whole = append(o.whole, took)
	return err
}

// bounced stops and starts all of them through the engine alone: one after the other,
// and then as many at a time as refit does.
func (b *bench) bounced(ctx context.Context, names []string, c *crush) error {
	time.Sleep(gap)
	for _, name := range names {
		took, err := b.bounce(ctx, name)
		if err != nil {
			return err
		}
		c.bounces = append(c.bounces, took)
	}
	time.Sleep(gap)
	took := make([]time.Duration, len(names))
	began := time.Now()
	err := several(len(names), func(i int) (err error) {
		took[i], err = b.bounce(ctx, names[i])
		return err
	})
	c.all = append(c.all, time.Since(began))
	c.four = append(c.four, took...)
	return err
}

func (c *crush) rows(n int) []row {
	line := fmt.Sprintf("%d containers with a new image", n)
	one := median(c.alone).Seconds()
	// Nobody else may go on while the first one is in its gate, and at the end there is
	// nothing but the last one's.
	work := func(o bout) float64 { return (median(o.whole) - 2*stable).Seconds() }
	whole := sum(c.bounces).Seconds() / float64(len(c.few.whole))
	atOnce := fmt.Sprintf("`docker stop` + `docker start` of all, %d at a time", parallel)
	return []row{
		{line, "the longest downtime of any", one, slices.Max(c.few.each).Seconds(), "s", "the median downtime of an update alone", 1.3},
		{line, "the median downtime", one, median(c.few.each).Seconds(), "s", "the same", 1.3},
		{line, "the whole cycle, less the gates", whole / parallel, work(c.few), "s", fmt.Sprintf("the sum of all `docker stop` + `docker start`, over %d", parallel), 1.5},
		{line, "the median downtime, beside the engine's own at that load", median(c.four).Seconds(), median(c.few.each).Seconds(), "s", "the median of " + atOnce, 0},
		{line, "the whole cycle, less the gates, beside the engine's own", median(c.all).Seconds(), work(c.few), "s", "the whole of " + atOnce, 0},
		{line, "with `--parallel 1` the longest downtime of any", one, slices.Max(c.single.each).Seconds(), "s", "the median downtime of an update alone", 0},
		{line, "with `--parallel 1` the median downtime", one, median(c.single.each).Seconds(), "s", "the same", 0},
		{line, "with `--parallel 1` the whole cycle, less the gates", whole, work(c.single), "s", "the sum of all `docker stop` + `docker start`", 0},
	}
}
