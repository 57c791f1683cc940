package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

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

// Watch calls seen with every event of a container, one after the other, until
// ctx ends or the stream is lost, and returns why; it never returns nil. As soon
// as the stream stands it calls seen once with the zero Event: what happens from
// then on is not missed.
func (c *Client) Watch(ctx context.Context, seen func(core.Event)) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	wanted := filters.NewArgs(filters.Arg("type", "container"))
	for _, event := range watched {
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
		seen(core.Event{
			Action: string(message.Action), ID: message.Actor.ID, Name: message.Actor.Attributes["name"],
		})
	}
}
