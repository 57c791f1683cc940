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
	oracle, err := j.add(ctx, "-oracle", j.to, j.untold(unsaid(j.q, j.from.config)))
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
	// It has to run still: of one that has ended the engine shows less.
	if is, err := j.API.ContainerInspect(ctx, original); err != nil || !is.State.Running {
		return nil, false, errors.Join(err, &notAccepted{why: "it has ended by itself"})
	}
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

// untold takes out what nobody can tell from the engine's own choice once a container
// has run: a locally administered MAC address on another network than the mode's; and
// those of networks that were connected before the start, which engines forget then.
func (j *trip) untold(q request) request {
	q = q.clone()
	host, _ := q.body["HostConfig"].(tree)
	mode, _ := host["NetworkMode"].(string)
	own, _ := j.network(mode)
	networking, _ := q.body["NetworkingConfig"].(tree)
	endpoints, _ := networking["EndpointsConfig"].(tree)
	for name, endpoint := range endpoints {
		endpoint, _ := endpoint.(tree)
		if mac, _ := endpoint["MacAddress"].(string); name != own.name && strings.HasPrefix(mac, "02:") {
			delete(endpoint, "MacAddress")
		}
	}
	for _, endpoint := range q.later {
		delete(endpoint.(tree), "MacAddress")
	}
	return q
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
