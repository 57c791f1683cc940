package main

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
)

const (
	// registryParallel is how many requests refit has under way to one registry,
	// unless it is told otherwise.
	registryParallel = 20
	// beat is between two cycles. A cycle has to be shorter.
	beat         = 5 * time.Second
	beatSchedule = "*/5 * * * * *"
)

// costs are of one cycle.
type costs struct {
	requests requests
	registry time.Duration // from the first request's arrival to the last one's answer
	took     time.Duration // from when it was due to its end
	cpu      time.Duration
	peak     float64
}

func (c costs) row(containers, images int, which string) cycleRow {
	return cycleRow{Containers: containers, Images: images, Which: which, Requests: c.requests, Took: c.took, CPU: c.cpu, Peak: c.peak}
}

// ideal is how long so many requests take at least.
func ideal(q requests) time.Duration {
	return time.Duration(q.all()) * latency / registryParallel
}

// settle are containers that have been created, and that no process runs in: those
// cost the engine what any other costs it in a list.
func (b *bench) settle(ctx context.Context, n int, reference func(i int) string, labels func(i int) []string) error {
	return several(n, func(i int) error {
		c := container.Config{Image: reference(i), Cmd: []string{"/none"}, Labels: b.watched(labels(i)...)}
		_, err := b.make(ctx, b.name("still-%d", i), c, container.HostConfig{}, nil)
		return err
	})
}

func noLabels(int) []string { return nil }

// images puts so many small images into the registry and the engine.
func (b *bench) images(ctx context.Context, n int) ([]string, error) {
	all := make([]string, n)
	return all, several(n, func(i int) (err error) {
		if all[i], err = b.stand.small(b.name("app-%d", i)); err != nil {
			return err
		}
		return b.pull(ctx, all[i])
	})
}

// look runs a sidecar over what there is, behind the registry's latency, and returns
// what its first cycle cost, and so many later ones.
func (b *bench) look(ctx context.Context, cycles int, args ...string) (first costs, later []costs, err error) {
	b.stand.slow(latency)
	defer b.stand.slow(0)
	b.stand.take()
	// Just after a beat: the first cycle is over before the next one is due.
	if err := sleep(ctx, time.Until(time.Now().Truncate(beat).Add(beat+200*time.Millisecond))); err != nil {
		return first, nil, err
	}
	s, err := b.sidecar(ctx, append([]string{"--schedule", beatSchedule, "--update-on-start", "--include-stopped"}, args...)...)
	if err != nil {
		return first, nil, err
	}
	defer s.stopped()
	before := time.Duration(0)
	for i := range 1 + cycles {
		c, err := b.cost(ctx, s, i == 0, before)
		if err != nil {
			return first, nil, err
		}
		before += c.cpu
		if i == 0 {
			first = c
			continue
		}
		later = append(later, c)
	}
	return first, later, s.stop()
}

// cost waits for the end of a cycle. The first one is due when the process starts,
// the others when the schedule has it.
func (b *bench) cost(ctx context.Context, s *sidecar, first bool, before time.Duration) (c costs, err error) {
	ended, err := s.cycle(ctx)
	if err != nil {
		return c, err
	}
	due := s.began
	if !first {
		due = ended.Truncate(beat)
	}
	c.took = ended.Sub(due)
	c.requests, c.registry = b.stand.take()
	if c.cpu, err = s.cpu(); err != nil {
		return c, err
	}
	c.cpu -= before
	c.peak, err = s.peak()
	return c, err
}

// middle is the cycle whose figures are the medians of all of them.
func middle(all []costs) costs {
	m := all[len(all)-1]
	var took, registry, cpu []time.Duration
	for _, c := range all {
		took, registry, cpu = append(took, c.took), append(registry, c.registry), append(cpu, c.cpu)
		m.peak = max(m.peak, c.peak)
	}
	m.took, m.registry, m.cpu = median(took), median(registry), median(cpu)
	return m
}

// cycles measures cycles over containers of as many images, and nothing new.
func cycles(ctx context.Context, b *bench) (p part, err error) {
	most := b.containers[len(b.containers)-1]
	b.say("  %d images", most)
	references, err := b.images(ctx, most)
	if err != nil {
		return p, err
	}
	for _, n := range b.containers {
		b.say("  cycles over %d containers", n)
		if err := b.settle(ctx, n, func(i int) string { return references[i] }, noLabels); err != nil {
			return p, err
		}
		first, all, err := b.look(ctx, b.laterCycles)
		if err != nil {
			return p, err
		}
		later := middle(all)
		p.cycles = append(p.cycles, first.row(n, n, "first"), later.row(n, n, "later"))
		if n == most {
			_, without, err := b.look(ctx, b.laterCycles, "--no-pull")
			if err != nil {
				return p, err
			}
			p.rows = distinct(n, first, later, middle(without).took)
		}
		if err := b.clear(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// distinct are the rows of a cycle over so many images. Listing is what a cycle takes
// that asks no registry.
func distinct(n int, first, later costs, listing time.Duration) []row {
	line := fmt.Sprintf("A cycle with nothing new, %d distinct images, one registry", n)
	by := func(c costs) string {
		return fmt.Sprintf("%d requests × %d ms / %d", c.requests.all(), latency.Milliseconds(), registryParallel)
	}
	limit := func(c costs) float64 { return ideal(c.requests).Seconds() }
	return []row{
		{line, "first cycle: from the first request to the last answer", limit(first), first.registry.Seconds(), "s", by(first), 1.5},
		{line, "later cycle: the same", limit(later), later.registry.Seconds(), "s", by(later), 1.5},
		{line, "later cycle: all of it", limit(later) + listing.Seconds(), later.took.Seconds(), "s", by(later) + ", and " + seconds(listing) + " with --no-pull", 1.5},
		{line, "first cycle: requests", float64(2*n + 1), float64(first.requests.all()), "", "two for each image, and one for the registry", 1},
		{line, "later cycle: requests", float64(n), float64(later.requests.all()), "", "one for each image", 1},
	}
}

// same measures cycles over as many containers, all of one image.
func same(ctx context.Context, b *bench) (p part, err error) {
	n := b.containers[len(b.containers)-1]
	often := 2 * b.laterCycles // a request is short beside the rest of a cycle
	references, err := b.images(ctx, 1)
	if err != nil {
		return p, err
	}
	if err := b.settle(ctx, n, func(int) string { return references[0] }, noLabels); err != nil {
		return p, err
	}
	first, all, err := b.look(ctx, often)
	if err != nil {
		return p, err
	}
	_, without, err := b.look(ctx, often, "--no-pull")
	if err != nil {
		return p, err
	}
	later, listing := middle(all), middle(without).took
	p.cycles = []cycleRow{first.row(n, 1, "first"), later.row(n, 1, "later")}
	line := fmt.Sprintf("The same, %d containers of one image", n)
	p.rows = []row{
		{
			line, "later cycle, less the same one with --no-pull (" + seconds(later.took) + " less " + seconds(listing) + ")",
			latency.Seconds(), max(0, later.took-listing).Seconds(), "s", "one request's latency", 2,
		},
		{line, "later cycle: requests", 1, float64(later.requests.all()), "", "one for the image", 1},
	}
	return p, nil
}
