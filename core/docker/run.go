package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/refit-dev/refit/core"
)

// The engine's own ways of stopping, where a container says nothing.
const (
	defaultSignal = "SIGTERM"
	defaultGrace  = 10 * time.Second
)

// signalInStop is the API version from which stop takes a signal.
const signalInStop = "1.42"

// removalPoll is how often a removal that somebody else began is looked at.
const removalPoll = 100 * time.Millisecond

// Start starts a container. Starting one that runs is no error.
func (c *Client) Start(ctx context.Context, id string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	if err := c.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start %s: %w", core.Short(id), err)
	}
	return nil
}

// Pause stops the processes of a running container for a while. Pausing one that is
// paused is no error.
func (c *Client) Pause(ctx context.Context, id string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	err := c.api.ContainerPause(ctx, id)
	if err == nil {
		return nil
	}
	if s, seen := c.Look(ctx, id); seen == nil && s.State == core.Paused {
		return nil
	}
	return fmt.Errorf("pause %s: %w", core.Short(id), err)
}

// Stop asks the container to end with signal ("" for its own) and waits at most
// grace (0 for its own, fractions of a second rounded up) before killing it. What
// the engine answers is not trusted: the container is looked at afterwards.
// Stopping one that has stopped, or is gone, is no error.
func (c *Client) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	asked := c.askToStop(ctx, id, signal, grace)
	s, err := c.Look(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("stop %s: %w", core.Short(id), errors.Join(asked, err))
	case !s.Exists(), !s.State.Up():
		return nil
	case asked != nil:
		return fmt.Errorf("stop %s: %w", core.Short(id), asked)
	default:
		return fmt.Errorf("stop %s: it is still %s", core.Short(id), s.State)
	}
}

func (c *Client) askToStop(ctx context.Context, id, signal string, grace time.Duration) error {
	options := container.StopOptions{Signal: signal}
	if grace > 0 {
		seconds := int((grace + time.Second - 1) / time.Second)
		options.Timeout = &seconds
	}
	if signal == "" || !versions.LessThan(c.api.ClientVersion(), signalInStop) {
		return c.api.ContainerStop(ctx, id, options)
	}
	var found container.InspectResponse
	if err := c.inspectContainer(ctx, id, &found); err != nil {
		return err
	}
	options.Signal = ""
	if known, err := core.ParseSignal(signal); err == nil {
		signal = known
	}
	if own, ownGrace := stopping(found); own != signal {
		if grace == 0 {
			grace = ownGrace
		}
		_ = c.signalAndWait(ctx, id, signal, grace) // what comes of it, the stop tells
		// The engine still has to be told to stop it: to what it did not stop
		// itself, a restart policy applies. No grace is left.
		options.Timeout = new(int)
	}
	return c.api.ContainerStop(ctx, id, options)
}

// stopping returns the container's own stop signal and grace.
func stopping(c container.InspectResponse) (string, time.Duration) {
	signal, grace := defaultSignal, defaultGrace
	if c.Config != nil {
		if own, err := core.ParseSignal(c.Config.StopSignal); err == nil {
			signal = own
		}
		if c.Config.StopTimeout != nil {
			grace = time.Duration(*c.Config.StopTimeout) * time.Second
		}
	}
	return signal, grace
}

// signalAndWait sends a signal and waits until the container has ended; its error
// may also mean that its grace is over.
func (c *Client) signalAndWait(ctx context.Context, id, signal string, grace time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if grace >= 0 { // else its own grace is for as long as it takes
		late := time.AfterFunc(grace, cancel)
		defer late.Stop()
	}
	// Asked before the signal is sent, so that its end is not missed if a
	// restart policy starts it again at once.
	ended, failed := c.api.ContainerWait(ctx, id, container.WaitConditionNextExit)
	if err := c.api.ContainerKill(ctx, id, signal); err != nil {
		return err // it does not run at the moment, or not any more
	}
	select {
	case <-ended:
		return nil
	case err := <-failed:
		return err
	}
}

// Remove removes a stopped container, and with it the anonymous volumes that the
// engine made for it if volumes is true. It is no error if it is gone; a removal
// that is already in progress is waited for.
func (c *Client) Remove(ctx context.Context, id string, volumes bool) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	for {
		asked := c.removeContainer(ctx, id, volumes, false)
		if asked == nil || isNotFound(asked) {
			return nil
		}
		s, err := c.Look(ctx, id)
		switch {
		case err != nil:
			return fmt.Errorf("remove %s: %w", core.Short(id), errors.Join(asked, err))
		case !s.Exists():
			return nil
		case s.State != core.Removing && !strings.Contains(asked.Error(), "already in progress"):
			return fmt.Errorf("remove %s: %w", core.Short(id), asked)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove %s: %w", core.Short(id), ctx.Err())
		case <-time.After(removalPoll):
		}
	}
}

// Rename gives the container a name. Where it is taken the error answers
// NameTaken() with true. Giving it the name that it has is no error.
func (c *Client) Rename(ctx context.Context, id, name string) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	asked := c.renameContainer(ctx, id, name)
	if asked == nil {
		return nil
	}
	if s, err := c.Look(ctx, name); err == nil && s.Exists() && s.ID == id {
		return nil
	}
	return taken(fmt.Errorf("rename %s to %s: %w", core.Short(id), name, asked))
}

// SetRestartPolicy works on running, stopped and created containers.
func (c *Client) SetRestartPolicy(ctx context.Context, id string, p core.RestartPolicy) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	policy := container.RestartPolicy{
		Name: container.RestartPolicyMode(p.Name), MaximumRetryCount: p.MaximumRetryCount,
	}
	if policy.Name == "" {
		policy.Name = container.RestartPolicyDisabled // to the engine, "" is "leave it as it is"
	}
	_, err := c.api.ContainerUpdate(ctx, id, container.UpdateConfig{RestartPolicy: policy})
	if err == nil {
		return nil
	}
	// Podman 4 cannot change it; but often there is nothing to change.
	if s, seen := c.Look(ctx, id); seen == nil && s.Exists() && cmp.Or(s.RestartPolicy.Name, "no") == string(policy.Name) &&
		s.RestartPolicy.MaximumRetryCount == policy.MaximumRetryCount {
		return nil
	}
	return fmt.Errorf("set the restart policy of %s to %s: %w", core.Short(id), policy.Name, err)
}
