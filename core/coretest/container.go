package coretest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// How long things take on the in-memory engine.
const (
	crashAfter   = 300 * time.Millisecond
	healthAfter  = 500 * time.Millisecond
	restartAfter = 100 * time.Millisecond
	stopTakes    = 50 * time.Millisecond
)

// container is one container. What it does by itself (crash, restart, become
// healthy) is worked out when somebody looks, from the time that has passed.
type container struct {
	id     string
	spec   Spec
	image  Image
	policy core.RestartPolicy
	mounts map[string]string // destination → volume
	own    []string          // the anonymous volumes that were made for it
	shares []string          // the ids of those whose namespaces it shares
	mark   *core.Mark        // what its label says, read once: labels do not change

	state    core.State
	started  time.Time
	died     time.Time
	restarts int
	exitCode int
	// signalled is when somebody last stopped or killed it.
	signalled time.Time
}

// life is how long a container of that kind runs by itself, and with which code it
// ends; forever is false for one that runs until it is stopped.
func (c *container) life() (span time.Duration, code int, ends bool) {
	switch c.image.Kind {
	case Crash:
		return 0, 1, true
	case CrashLater:
		return crashAfter, 1, true
	case OneShot:
		return 0, 0, true
	default:
		return 0, 0, false
	}
}

// settle lets happen what has happened until now.
func (c *container) settle(now time.Time) {
	span, code, ends := c.life()
	if !ends {
		return
	}
	for {
		switch c.state {
		case core.Running:
			if now.Before(c.started.Add(span)) {
				return
			}
			c.exitCode, c.died = code, c.started.Add(span)
			if !c.restartsAfter(code) {
				c.state = core.Exited
				return
			}
			c.state = core.Restarting
		case core.Restarting:
			back := c.died.Add(restartAfter << min(c.restarts, 8))
			if now.Before(back) {
				return
			}
			c.restarts++
			c.state, c.started = core.Running, back
		default:
			return
		}
	}
}

func (c *container) restartsAfter(code int) bool {
	switch c.policy.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return code != 0 && (c.policy.MaximumRetryCount == 0 || c.restarts < c.policy.MaximumRetryCount)
	default:
		return false
	}
}

func (c *container) health(now time.Time) core.Health {
	h := core.Health{Status: "starting", Limit: 2 * time.Second}
	switch c.image.Kind {
	case Healthy:
		if c.state == core.Running && now.Sub(c.started) >= healthAfter {
			h.Status = "healthy"
		}
	case Unhealthy:
		if c.state == core.Running && now.Sub(c.started) >= healthAfter {
			h.Status, h.Output = "unhealthy", "the probe says no"
		}
	default:
		return core.Health{}
	}
	return h
}

// Look looks, as update.Observer says.
func (e *Engine) Look(_ context.Context, nameOrID string) (core.Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(nameOrID)
	if c == nil {
		return core.Status{}, nil
	}
	now := time.Now()
	c.settle(now)
	return core.Status{
		ID: c.id, Name: c.spec.Name, ImageID: c.image.ID, State: c.state, StartedAt: c.started,
		RestartCount: c.restarts, ExitCode: c.exitCode, RestartPolicy: c.policy, StopSignal: "SIGTERM",
		Health: c.health(now), Version: core.VersionOf(c.image.Labels), Mark: c.mark,
	}, nil
}

// Logs returns a line that tells which container it is.
func (e *Engine) Logs(_ context.Context, id string, _ int) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil, fmt.Errorf("no such container: %s", id)
	}
	return []string{"I am " + string(c.image.Kind)}, nil
}

// Signalled tells, as update.Observer says.
func (e *Engine) Signalled(_ context.Context, id string, since time.Time) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	return c != nil && c.signalled.After(since), nil
}

// Start starts, as update.Runner says.
func (e *Engine) Start(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return fmt.Errorf("no such container: %s", id)
	}
	c.settle(time.Now())
	if c.state.Up() {
		return nil
	}
	for _, id := range c.shares {
		other := e.containers[id]
		if other == nil {
			return fmt.Errorf("no such container: %s", id)
		}
		if other.settle(time.Now()); other.state != core.Running && other.state != core.Paused {
			return fmt.Errorf("cannot join the namespace of %s, which does not run", other.spec.Name)
		}
	}
	if c.image.Kind == NoStart {
		c.exitCode = 127
		return fmt.Errorf("exec: no such file or directory")
	}
	c.state, c.started, c.restarts, c.exitCode = core.Running, time.Now(), 0, 0
	e.clash(c)
	e.write(c)
	return nil
}

// Pause pauses, as update.Runner says.
func (e *Engine) Pause(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return fmt.Errorf("no such container: %s", id)
	}
	switch c.settle(time.Now()); c.state {
	case core.Paused:
		return nil
	case core.Running:
		c.state = core.Paused
		return nil
	default:
		return fmt.Errorf("%s does not run", c.spec.Name)
	}
}

// Stop stops, as update.Runner says.
func (e *Engine) Stop(_ context.Context, id, _ string, _ time.Duration) error {
	time.Sleep(stopTakes)
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil
	}
	c.settle(time.Now())
	if c.state.Up() {
		c.state, c.exitCode, c.signalled = core.Exited, 0, time.Now()
	}
	return nil
}

// Remove removes, as update.Runner says.
func (e *Engine) Remove(_ context.Context, id string, volumes bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil
	}
	c.settle(time.Now())
	if c.state.Up() {
		return fmt.Errorf("cannot remove %s: it runs", c.spec.Name)
	}
	delete(e.containers, id)
	if volumes {
		for _, v := range c.own {
			delete(e.volumes, v)
		}
	}
	return nil
}

// Rename renames, as update.Registrar says.
func (e *Engine) Rename(_ context.Context, id, name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	switch holder := e.find(name); {
	case c == nil:
		return fmt.Errorf("no such container: %s", id)
	case holder == c:
		return nil
	case holder != nil:
		return conflict{name}
	}
	c.spec.Name = name
	return nil
}

// SetRestartPolicy sets it, as update.Registrar says.
func (e *Engine) SetRestartPolicy(_ context.Context, id string, p core.RestartPolicy) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return fmt.Errorf("no such container: %s", id)
	}
	c.settle(time.Now())
	c.policy = p
	return nil
}

// Resolve resolves, as update.Tags says.
func (e *Engine) Resolve(_ context.Context, reference string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id, there := e.tags[reference]; there {
		return id, nil
	}
	for id, names := range e.digests {
		if slices.Contains(names, reference) {
			return id, nil
		}
	}
	return "", nil
}

// Tag tags, as update.Tags says.
func (e *Engine) Tag(_ context.Context, id, reference string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.images[id] == nil {
		return fmt.Errorf("no such image: %s", id)
	}
	e.tags[reference] = id
	return nil
}

// Untag untags, as update.Tags says.
func (e *Engine) Untag(_ context.Context, reference string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, there := e.tags[reference]
	if !there {
		return nil
	}
	if len(e.tagsOf(id))+len(e.digests[id]) == 1 && !e.used(id) {
		return fmt.Errorf("%s is the last name of an image", reference)
	}
	delete(e.tags, reference)
	return nil
}

// TagsOf lists, as update.Tags says.
func (e *Engine) TagsOf(_ context.Context, repository string) (map[string]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tags := map[string]string{}
	for reference, id := range e.tags {
		if strings.HasPrefix(reference, repository+":") {
			tags[reference] = id
		}
	}
	return tags, nil
}

// RemoveImage removes, as update.Images says.
func (e *Engine) RemoveImage(_ context.Context, id string) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.images[id] == nil || e.used(id) || len(e.tagsOf(id)) > 0 {
		return false, nil
	}
	delete(e.images, id)
	delete(e.digests, id)
	return true, nil
}

func (e *Engine) used(image string) bool {
	for _, c := range e.containers {
		if c.image.ID == image {
			return true
		}
	}
	return false
}

func (e *Engine) tagsOf(image string) []string {
	var names []string
	for reference, id := range e.tags {
		if id == image {
			names = append(names, reference)
		}
	}
	slices.Sort(names)
	return names
}

// Volumes returns the destinations of a container and the volumes behind them,
// "" for a volume that has been removed.
func (e *Engine) Volumes(id string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil
	}
	mounts := map[string]string{}
	for destination, volume := range c.mounts {
		if _, there := e.volumes[volume]; !there {
			volume = ""
		}
		mounts[destination] = volume
	}
	return mounts
}
