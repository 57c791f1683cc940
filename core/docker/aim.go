package docker

import (
	"context"
	"fmt"
	"strings"
)

// aims say which container is meant where settings name another one: by full id or
// by name → the full id that is to stand there.
type aims map[string]string

// aim learns the names of the containers whose place others have taken. One that is
// gone has none.
func (c *Client) aim(ctx context.Context, replaced map[string]string) (want, got aims, err error) {
	want, got = aims{}, aims{}
	for old, id := range replaced {
		want[old] = id
		for _, known := range []struct {
			id string
			of aims
		}{{old, want}, {id, got}} {
			var found object
			err := c.inspectContainer(ctx, known.id, &found)
			switch {
			case isNotFound(err):
			case err != nil:
				return nil, nil, fmt.Errorf("inspect a container that its settings may name: %w", err)
			default:
				known.of[strings.TrimPrefix(found.text("Name"), "/")] = id
			}
		}
	}
	return want, got, nil
}

// at is the id that is to stand in the place of a name or an id.
func (a aims) at(target string) string {
	if id, named := a[strings.TrimPrefix(target, "/")]; named {
		return id
	}
	return a.byID(target)
}

// byID is the id that is to stand in an id's place, which may be cut short.
func (a aims) byID(target string) string {
	for old, id := range a {
		if len(target) >= shortID && strings.HasPrefix(old, target) {
			return id
		}
	}
	return target
}

// apply writes the ids into the part of a create call that names other containers.
// Volumes that are used by a container's name are so still.
func (a aims) apply(host object) {
	for _, key := range []string{"NetworkMode", "IpcMode", "PidMode"} {
		if target, shared := strings.CutPrefix(host.text(key), "container:"); shared {
			host[key] = "container:" + a.at(target)
		}
	}
	rewrite := func(key string, meant func(target string) string) {
		for i, text := range host.texts(key) {
			target, rest, more := strings.Cut(text, ":")
			if target = meant(target); more {
				target += ":" + rest
			}
			host.list(key)[i] = target
		}
	}
	rewrite("VolumesFrom", a.byID)
	rewrite("Links", a.at)
}
