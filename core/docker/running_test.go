package docker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
)

// runAll lets the original, its copy and the oracle run, each alone: they want the
// same addresses and ports. Some things are there only when a container runs; and of
// a running container other things are to be forgotten than of one that never ran.
func (j *trip) runAll(ctx context.Context) (wrong []string, proof bool, err error) {
	j.q = j.running(j.seed, j.options)
	original, was, err := j.original(ctx)
	if err != nil {
		return nil, false, err
	}
	if err := j.begin(ctx, original); err != nil {
		return nil, false, &notAccepted{why: err.Error()}
	}
	oracle, err := j.add(ctx, "-oracle", j.to, unsaid(j.q, j.from.config))
	if err != nil {
		return nil, false, fmt.Errorf("oracle: %w", err)
	}
	replica, wrong, err := j.replica(ctx, j.c, original, core.NewSuffix)
	if err != nil {
		return nil, false, fmt.Errorf("a running container cannot be copied: %w", err)
	}
	more, err := j.judged(ctx, was, oracle, replica)
	if err != nil {
		return nil, false, err
	}
	wrong = append(wrong, more...)
	if err := j.end(ctx, original); err != nil {
		return nil, false, err
	}
	want, err := j.alive(ctx, oracle)
	if err != nil {
		return nil, false, fmt.Errorf("oracle: %w", err)
	}
	got, err := j.alive(ctx, replica)
	if err != nil {
		return nil, false, fmt.Errorf("copy: %w", err)
	}
	for _, line := range judge(was, want, got, j.imageIDs[j.to.reference]) {
		wrong = append(wrong, "running: "+line)
	}
	return wrong, true, nil
}

// alive starts a container, looks at it and ends it.
func (j *trip) alive(ctx context.Context, id string) (view, error) {
	if err := j.begin(ctx, id); err != nil {
		return view{}, err
	}
	v, err := j.look(ctx, id)
	return v, errors.Join(err, j.end(ctx, id))
}

func (j *trip) begin(ctx context.Context, id string) error {
	return j.API.ContainerStart(ctx, id, container.StartOptions{})
}

// end stops the container at once; its policy would start it again after a kill.
func (j *trip) end(ctx context.Context, id string) error {
	return j.API.ContainerStop(ctx, id, container.StopOptions{Timeout: new(int)})
}

// tidy removes what was made, the last first.
func (j *trip) tidy(t *testing.T) {
	t.Helper()
	for i := len(j.made) - 1; i >= 0; i-- {
		err := j.remove(context.WithoutCancel(t.Context()), j.made[i])
		// One that was started with --rm goes by itself.
		if err != nil && !strings.Contains(err.Error(), "No such container") && !strings.Contains(err.Error(), "already in progress") {
			t.Errorf("seed %d: remove: %v", j.seed, err)
		}
	}
}
