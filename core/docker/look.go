package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/refit-dev/refit/core"
)

// What an engine does where a healthcheck does not say.
const (
	defaultInterval = 30 * time.Second
	defaultTimeout  = 30 * time.Second
	defaultRetries  = 3
)

// mostOutput is how much of a probe's output is kept: its end.
const mostOutput = 4 << 10

// Look finds a container by its exact name or its full id. The zero Status,
// without an error, means that there is none.
func (c *Client) Look(ctx context.Context, nameOrID string) (core.Status, error) {
	if nameOrID == "" {
		return core.Status{}, nil
	}
	if err := c.ready(ctx); err != nil {
		return core.Status{}, err
	}
	var found container.InspectResponse
	err := c.inspectContainer(ctx, nameOrID, &found)
	switch {
	case isNotFound(err):
		return core.Status{}, nil
	case err != nil:
		return core.Status{}, fmt.Errorf("inspect %s: %w", nameOrID, err)
	case found.ContainerJSONBase == nil:
		return core.Status{}, fmt.Errorf("inspect %s: what answers is no container engine", nameOrID)
	case found.ID != nameOrID && found.Name != "/"+nameOrID:
		return core.Status{}, nil // the engine takes the beginning of an id as well
	}
	return statusOf(found), nil
}

func statusOf(c container.InspectResponse) core.Status {
	s := core.Status{
		ID: c.ID, Name: nameOf(c), ImageID: c.Image, RestartCount: c.RestartCount,
	}
	s.StopSignal, s.StopTimeout = stopping(c)
	if c.State != nil {
		s.State = core.State(c.State.Status)
		s.ExitCode, s.OOMKilled = c.State.ExitCode, c.State.OOMKilled
		// A container that never started has the year 1 here, which is the zero time.
		s.StartedAt, _ = time.Parse(time.RFC3339Nano, c.State.StartedAt)
	}
	if c.HostConfig != nil {
		policy := c.HostConfig.RestartPolicy
		s.RestartPolicy = core.RestartPolicy{Name: string(policy.Name), MaximumRetryCount: policy.MaximumRetryCount}
	}
	if c.Config != nil {
		s.Health = healthOf(c)
		s.Version = core.VersionOf(c.Config.Labels)
		s.Mark = core.ParseMark(c.Config.Labels[core.MarkLabel])
	}
	return s
}

// healthOf returns what the healthcheck says. One that has not begun yet counts
// as starting, as it will be once the container is started.
func healthOf(c container.InspectResponse) core.Health {
	check := c.Config.Healthcheck
	if check == nil || len(check.Test) == 0 || check.Test[0] == "NONE" {
		return core.Health{}
	}
	h := core.Health{Status: string(container.Starting), Limit: limit(*check)}
	if c.State == nil || c.State.Health == nil {
		return h
	}
	if status := c.State.Health.Status; status != "" && status != container.NoHealthcheck {
		h.Status = string(status)
	}
	if log := c.State.Health.Log; len(log) > 0 && log[len(log)-1] != nil {
		h.Output = tail(log[len(log)-1].Output, mostOutput)
	}
	return h
}

// limit is the longest time that a good container may take to become healthy.
func limit(check container.HealthConfig) time.Duration {
	interval, timeout, retries := check.Interval, check.Timeout, check.Retries
	if interval == 0 {
		interval = defaultInterval
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	if retries == 0 {
		retries = defaultRetries
	}
	return check.StartPeriod + time.Duration(retries)*(interval+timeout)
}

// tail returns the end of a text, at most that many bytes.
func tail(text string, most int) string {
	if len(text) > most {
		text = text[len(text)-most:]
	}
	return strings.ToValidUTF8(text, "")
}
