package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const (
	// mostResident and mostAnonymous are what an idle sidecar may have, mostBinary what
	// the program may have on disk, in MiB: sizes that were decided on.
	mostResident, mostAnonymous, mostBinary = 24, 12, 24
	// mostIdle is how much of a core a sidecar may take while nothing is due, in percent.
	mostIdle = 0.1
	// mostGrowth is what still counts as none, in MiB: less than a sample differs from the next.
	mostGrowth = 1
	// running is how many running containers the idle sidecar looks after.
	running = 50
)

// binary measures the program's file.
func binary(_ context.Context, b *bench) (p part, err error) {
	info, err := os.Stat(b.refit)
	if err != nil {
		return p, err
	}
	p.rows = []row{{"Binary", "the stripped, static program", mostBinary, float64(info.Size()) / (1 << 20), "MiB", "", 1}}
	return p, nil
}

// crew starts the containers that a sidecar is to look after.
func (b *bench) crew(ctx context.Context) error {
	web, err := b.service("crew", "web")
	if err != nil {
		return err
	}
	if err := b.pull(ctx, web.reference); err != nil {
		return err
	}
	_, err = b.webs(ctx, running, web.reference)
	return err
}

// idle measures the memory of a sidecar that has had its cycle. All samples count, the
// worst one is told.
func idle(ctx context.Context, b *bench) (p part, err error) {
	if err := b.crew(ctx); err != nil {
		return p, err
	}
	s, err := b.sidecar(ctx, "--interval", "24h", "--update-on-start")
	if err != nil {
		return p, err
	}
	defer s.stopped()
	if _, err := s.cycle(ctx); err != nil {
		return p, err
	}
	var resident, anonymous []float64
	const every = time.Second
	for waited := every; waited <= b.calm; waited += every {
		if err := sleep(ctx, every); err != nil {
			return p, err
		}
		r, a, err := s.memory()
		if err != nil {
			return p, err
		}
		resident, anonymous = append(resident, r), append(anonymous, a)
	}
	line := fmt.Sprintf("Idle memory after a cycle, watching %d running containers", running)
	what := fmt.Sprintf("median of the %.0f seconds after the cycle", b.calm.Seconds())
	p.rows = []row{
		{line, "resident, " + what, mostResident, median(resident), "MiB", "", 1},
		{line, "anonymous, " + what, mostAnonymous, median(anonymous), "MiB", "", 1},
	}
	p.notes = []string{fmt.Sprintf("Idle memory: one second after the cycle %s anonymous, at the end %s.",
		amount(anonymous[0], "MiB"), amount(anonymous[len(anonymous)-1], "MiB"))}
	return p, s.stop()
}

// growth measures the memory of a sidecar over very many cycles. A schedule is due once
// a second at most: jitter spreads the containers over it, for more cycles in less time.
func growth(ctx context.Context, b *bench) (p part, err error) {
	if err := b.crew(ctx); err != nil {
		return p, err
	}
	s, err := b.sidecar(ctx, "--schedule", "* * * * * *", "--jitter", "1s")
	if err != nil {
		return p, err
	}
	defer s.stopped()
	every := b.growthCycles / 50
	for n := 1; n <= b.growthCycles; n++ {
		if _, err := s.cycle(ctx); err != nil {
			return p, err
		}
		if n%every > 0 {
			continue
		}
		r, a, err := s.memory()
		if err != nil {
			return p, err
		}
		p.samples = append(p.samples, sample{n, r, a})
		if n%(10*every) == 0 {
			b.say("  %d cycles: %s resident, %s anonymous", n, amount(r, "MiB"), amount(a, "MiB"))
		}
		b.stand.take() // what it has counted is forgotten
	}
	p.rows = grown(p.samples)
	return p, s.stop()
}

// grown tells by how much the memory grows while the second half of the cycles goes by,
// along the straight line that fits best.
func grown(samples []sample) []row {
	half := samples[len(samples)/2:]
	var x, resident, anonymous []float64
	for _, s := range half {
		x, resident, anonymous = append(x, float64(s.Cycles)), append(resident, s.Resident), append(anonymous, s.Anonymous)
	}
	cycles := x[len(x)-1] - x[0]
	line := fmt.Sprintf("Memory over %s cycles", thousands(samples[len(samples)-1].Cycles))
	by := "what counts as no growth"
	return []row{
		{line, "growth of what is resident, over the second half", mostGrowth, max(0, slope(x, resident)*cycles), "MiB", by, 1},
		{line, "growth of what is anonymous", mostGrowth, max(0, slope(x, anonymous)*cycles), "MiB", by, 1},
	}
}

// schedules measures what a sidecar costs while nothing is due.
func schedules(ctx context.Context, b *bench) (p part, err error) {
	references, err := b.images(ctx, 1)
	if err != nil {
		return p, err
	}
	b.say("  %d containers", b.schedule)
	later := time.Now().Add(3 * time.Hour)
	own := func(i int) []string { // a minute of the day of its own, and none that comes soon
		at := later.Add(time.Duration(i) * time.Minute)
		return []string{fmt.Sprintf("refit.schedule=%d %d * * *", at.Minute(), at.Hour())}
	}
	if err := b.settle(ctx, b.schedule, func(int) string { return references[0] }, own); err != nil {
		return p, err
	}
	s, err := b.sidecar(ctx, "--include-stopped", "--schedule", fmt.Sprintf("%d %d * * *", later.Minute(), later.Hour()))
	if err != nil {
		return p, err
	}
	defer s.stopped()
	if err := s.watching(ctx); err != nil {
		return p, err
	}
	before, err := s.cpu()
	if err != nil {
		return p, err
	}
	b.say("  idle for %s", b.idle)
	began := time.Now()
	if err := sleep(ctx, b.idle); err != nil {
		return p, err
	}
	after, err := s.cpu()
	if err != nil {
		return p, err
	}
	percent := 100 * (after - before).Seconds() / time.Since(began).Seconds()
	line := fmt.Sprintf("%s containers on %s schedules", thousands(b.schedule), thousands(b.schedule))
	p.rows = []row{{line, fmt.Sprintf("of a core, over %s in which nothing is due", b.idle), mostIdle, percent, "%", "", 1}}
	p.notes = []string{fmt.Sprintf("Schedules: the start, until all were known, took %s of the processor.", seconds(before))}
	return p, s.stop()
}

// sleep is cut short when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
