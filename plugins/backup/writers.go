package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	mounts "github.com/docker/docker/api/types/mount"
)

// writers returns, by destination, the names of the other containers that may write
// into the mounts: of those that run, or of all, for what is stopped now may have run
// in between, or may run before it is over.
func (t *task) writers(ctx context.Context, chosen []mount, all bool) (map[string][]string, error) {
	listed, err := t.api.ContainerList(ctx, container.ListOptions{All: all}) // paused ones are running
	if err != nil {
		return nil, fmt.Errorf("look for others that use the volumes: %w", err)
	}
	found := map[string][]string{}
	for _, c := range listed {
		if c.ID == t.container.id || len(c.Names) == 0 || t.isCompanion(c) {
			continue
		}
		name := strings.TrimPrefix(c.Names[0], "/")
		for _, m := range chosen {
			if slices.ContainsFunc(c.Mounts, m.writtenThrough) {
				found[m.Destination] = append(found[m.Destination], name)
			}
		}
	}
	return found, nil
}

// markLabel is on the container that is to take the place of ours, or has taken it. It
// says of which attempt that is.
const markLabel = "refit.replacement"

// isCompanion tells whether a container is the other one of this very replacement:
// the two never run at the same time.
func (t *task) isCompanion(c container.Summary) bool {
	var mark struct {
		Attempt string `json:"attempt"`
	}
	if t.attempt == "" || json.Unmarshal([]byte(c.Labels[markLabel]), &mark) != nil || mark.Attempt != t.attempt {
		return false
	}
	name := "/" + t.container.name
	return slices.Contains([]string{name, name + ".refit-new", name + ".refit-old"}, c.Names[0])
}

// writtenThrough tells whether what is written there appears here. A mount of all
// volumes of the engine, or of the whole host, is a manager's and does not count.
func (m mount) writtenThrough(o container.MountPoint) bool {
	if !o.RW {
		return false
	}
	if o.Type == mounts.TypeVolume && m.Type == typeVolume && o.Name == m.Name {
		return true
	}
	around := m.Type == typeBind && o.Source != "/" && within(m.Source, o.Source)
	return around || within(o.Source, m.Source)
}

// within tells whether a path is another or lies below it.
func within(p, outer string) bool {
	if p == "" || outer == "" {
		return false
	}
	return p == outer || strings.HasPrefix(p, strings.TrimSuffix(outer, "/")+"/")
}

// unshared makes sure that no other container may write into the mounts, whether it runs
// or not. What it has written since the backup would be lost by a restore, and nobody
// would be told.
func (t *task) unshared(ctx context.Context, chosen []mount) error {
	writers, err := t.writers(ctx, chosen, true)
	if err != nil {
		return err
	}
	for _, m := range chosen {
		if names := writers[m.Destination]; len(names) > 0 && !m.ReadOnly {
			err = errors.Join(err, fmt.Errorf("restore=true: %s can also be written by %s, and a restore would undo what it wrote: "+
				"mount it read-only there, or set restore=false", m.Destination, strings.Join(names, ", ")))
		}
	}
	return err
}

// idle makes sure that nobody writes into the mounts.
func (t *task) idle(ctx context.Context, chosen []mount) error {
	now, err := t.look(ctx, t.container.id)
	if err != nil {
		return err
	}
	if now.running {
		return fmt.Errorf("%s runs: stop it first", t.container.name)
	}
	writers, err := t.writers(ctx, chosen, false)
	if err != nil {
		return err
	}
	for _, m := range chosen {
		if names := writers[m.Destination]; len(names) > 0 {
			err = errors.Join(err, fmt.Errorf("%s is also written by %s, which runs", m.Destination, strings.Join(names, ", ")))
		}
	}
	return err
}

// untouched makes sure that the container has not run since the task began.
func (t *task) untouched(ctx context.Context) error {
	now, err := t.look(ctx, t.container.id)
	switch {
	case err != nil:
		return err
	case now.running:
		return fmt.Errorf("%s was started while its volumes were archived, and runs", t.container.name)
	case now.startedAt != t.container.startedAt:
		return fmt.Errorf("%s was started while its volumes were archived", t.container.name)
	}
	return nil
}
