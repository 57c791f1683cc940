package docker

import (
	"context"
	"fmt"
	"strings"

	"github.com/refit-dev/refit/core"
)

// aims say which container is meant where settings name another one: by full id or
// by name → the full id that is to stand there.
type aims map[string]string

// aim learns the names by which settings may mean the containers that are replaced,
// and those that have their places: want is for what was asked for, got for what is
// there. A successor has its predecessor's name, or is waiting for it; one that is
// gone has none.
func (c *Client) aim(ctx context.Context, replaced map[string]string) (want, got aims, err error) {
	want, got = aims{}, aims{}
	for old, id := range replaced {
		want[old] = id
		var found object
		err := c.inspectContainer(ctx, id, &found)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("inspect a container that its settings may name: %w", err)
		}
		name := strings.TrimPrefix(found.text("Name"), "/")
		got[name] = id
		want[strings.TrimSuffix(name, core.NewSuffix)] = id
	}
	return want, got, nil
}

// at is the id that is to stand in the place of a name or an id.
func (a aims) at(target string) string {
	if id, meant := a[strings.TrimPrefix(target, "/")]; meant {
		return id
	}
	return target
}

// apply writes the ids into the part of a create call that names other containers.
// The engine itself turns what names a namespace into a full id, and what names a
// link into a name. Of volumes it keeps what the user wrote: a name is as good
// afterwards, an id is not; lenders are those that are named so.
func (a aims) apply(host object, lenders map[string]string) {
	for _, key := range []string{"NetworkMode", "IpcMode", "PidMode"} {
		if target, shared := strings.CutPrefix(host.text(key), "container:"); shared {
			host[key] = "container:" + a.at(target)
		}
	}
	rewrite(host.list("Links"), a.at)
	rewrite(host.list("VolumesFrom"), func(target string) string {
		if id, replaced := a[lenders[target]]; replaced {
			return id
		}
		return target
	})
}

// rewrite puts others in the place of those that the items name before their first colon.
func rewrite(items []any, other func(target string) string) {
	for i := range items {
		if text, ok := items[i].(string); ok {
			target, rest, more := strings.Cut(text, ":")
			if target = other(target); more {
				target += ":" + rest
			}
			items[i] = target
		}
	}
}
