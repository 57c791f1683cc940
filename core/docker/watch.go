package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/refit-dev/refit/core"
)

// watched are the events that say something about a container's life. The
// engine is asked for these only: every probe of a healthcheck makes three others.
var watched = []string{
	"create", "start", "restart", "die", "stop", "kill", "oom", "destroy", "rename", "update",
	"pause", "unpause", "health_status",
}

// overheard are the events of networks and images after which a container may not be
// what was remembered of it.
var overheard = []string{"connect", "disconnect", "delete"}

// signalPatience bounds the question for past events: an engine waits for the end
// of the asked time by its own clock, which may be behind ours.
const signalPatience = 3 * time.Second

// Signalled tells whether somebody sent the container a signal since that time. An
// engine keeps its last 256 events, and none from before its own start.
func (c *Client) Signalled(ctx context.Context, id string, since time.Time) (bool, error) {
	if err := c.ready(ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, signalPatience)
	defer cancel()
	wanted := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("container", id), filters.Arg("event", "kill"))
	encoded, err := filters.ToJSON(wanted)
	if err != nil {
		return false, fmt.Errorf("ask for past events: %w", err)
	}
	stream, err := c.open(ctx, http.MethodGet, c.versioned("/events"), url.Values{
		"filters": {encoded}, "since": {stamp(since)}, "until": {stamp(time.Now())},
	}, nil)
	if err != nil {
		return false, fmt.Errorf("ask for past events: %w", err)
	}
	defer stream.Close()
	var message events.Message
	switch err := json.NewDecoder(stream).Decode(&message); {
	case err == nil:
		return true, nil
	case errors.Is(err, io.EOF), errors.Is(err, context.DeadlineExceeded):
		return false, nil
	default:
		return false, fmt.Errorf("ask for past events: %w", err)
	}
}

// stamp is a time as the engine wants it: seconds and nanoseconds.
func stamp(at time.Time) string { return fmt.Sprintf("%d.%09d", at.Unix(), at.Nanosecond()) }

// Watch calls seen with every event of a container, one after the other, until
// ctx ends or the stream is lost, and returns why; it never returns nil. As soon
// as the stream stands it calls seen once with the zero Event: what happens from
// then on is not missed.
func (c *Client) Watch(ctx context.Context, seen func(core.Event)) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	wanted := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("type", "network"), filters.Arg("type", "image"))
	for _, event := range slices.Concat(watched, overheard) {
		wanted.Add("event", event)
	}
	encoded, err := filters.ToJSON(wanted)
	if err != nil {
		return fmt.Errorf("watch the engine's events: %w", err)
	}
	stream, err := c.open(ctx, http.MethodGet, c.versioned("/events"), url.Values{"filters": {encoded}}, nil)
	if err != nil {
		return fmt.Errorf("watch the engine's events: %w", err)
	}
	defer stream.Close()
	c.memory.begin()
	defer c.memory.end()
	seen(core.Event{})
	decoder := json.NewDecoder(stream)
	for {
		var message events.Message
		if err := decoder.Decode(&message); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("lost the engine's events: %w", err)
		}
		c.memory.heed(message)
		if message.Type != events.ContainerEventType {
			continue
		}
		seen(core.Event{
			Action: string(message.Action), ID: message.Actor.ID, Name: message.Actor.Attributes["name"],
		})
	}
}
