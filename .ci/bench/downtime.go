package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
)

const (
	// stable is how long a new container has to run before the old one goes: the gate.
	stable = time.Second
	// gap is between the repetitions: what an engine does after an answer is over by then.
	gap = 500 * time.Millisecond
)

// update is one `refit update`, after whose end all named containers have to have the
// new image, so many of them between stop and start at once. It returns how long each
// was down, and how long all of it took.
func (b *bench) update(ctx context.Context, state string, atOnce int, names ...string) (map[string]time.Duration, time.Duration, error) {
	args := append([]string{"update", "--gate-stable", stable.String(), "--parallel", fmt.Sprint(atOnce)}, names...)
	began := time.Now()
	_, took, err := b.once(ctx, state, args...)
	if err != nil {
		return nil, took, err
	}
	past, _, err := b.once(ctx, state, "history", "--format", "json")
	if err != nil {
		return nil, took, err
	}
	var results []struct {
		Name     string        `json:"container"`
		Outcome  string        `json:"outcome"`
		Started  time.Time     `json:"started"`
		Downtime time.Duration `json:"downtime_ns"`
	}
	if err := json.Unmarshal(past, &results); err != nil {
		return nil, took, fmt.Errorf("read the history: %w", err)
	}
	down := map[string]time.Duration{}
	for _, r := range results {
		if r.Outcome == "updated" && r.Started.After(began) {
			down[r.Name] = r.Downtime
		}
	}
	for _, name := range names {
		if down[name] == 0 {
			return nil, took, fmt.Errorf("the history tells no update of %s: %s", name, past)
		}
	}
	return down, took, nil
}

// bounce is `docker stop` and `docker start`: how long the engine takes for both.
func (b *bench) bounce(ctx context.Context, name string) (time.Duration, error) {
	began := time.Now()
	if err := b.api.ContainerStop(ctx, name, container.StopOptions{}); err != nil {
		return 0, fmt.Errorf("stop %s: %w", name, err)
	}
	if err := b.api.ContainerStart(ctx, name, container.StartOptions{}); err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	return time.Since(began), nil
}

// downtimes measures the downtime of updates against stops and starts of the same
// container, in pairs: what disturbs one disturbs the other.
func downtimes(ctx context.Context, b *bench) (p part, err error) {
	web, err := b.service("web", "web")
	if err != nil {
		return p, err
	}
	if err := b.pull(ctx, web.reference); err != nil {
		return p, err
	}
	names, err := b.webs(ctx, 1, web.reference)
	if err != nil {
		return p, err
	}
	state := b.state()
	var updates, bounces []time.Duration
	var ratios []float64
	for i := range b.repetitions {
		var update, bounce time.Duration
		steps := []func() error{
			func() (err error) { update, err = b.refreshed(ctx, state, web, names[0]); return err },
			func() (err error) { bounce, err = b.bounce(ctx, names[0]); return err },
		}
		if i%2 == 1 {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			time.Sleep(gap)
			if err := step(); err != nil {
				return p, err
			}
		}
		updates, bounces = append(updates, update), append(bounces, bounce)
		ratios = append(ratios, update.Seconds()/bounce.Seconds())
	}
	const line = "Downtime of an update"
	what := fmt.Sprintf("the median of %d pairs", b.repetitions)
	limit := median(bounces).Seconds()
	p.rows = []row{{line, what, limit, limit * median(ratios), "s", "`docker stop` + `docker start` of the same container", 1.15}}
	p.notes = []string{fmt.Sprintf("Downtime: the updates alone have a median of %s, from %s to %s; stop and start take from %s to %s.",
		seconds(median(updates)), seconds(slices.Min(updates)), seconds(slices.Max(updates)), seconds(slices.Min(bounces)), seconds(slices.Max(bounces)))}
	return p, nil
}

// refreshed publishes a new version, and returns how long the update of one container
// to it keeps it down.
func (b *bench) refreshed(ctx context.Context, state string, web *service, name string) (time.Duration, error) {
	if err := web.publish(); err != nil {
		return 0, err
	}
	down, _, err := b.update(ctx, state, parallel, name)
	return down[name], err
}
