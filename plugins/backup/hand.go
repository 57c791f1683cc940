package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Backup is one backup, as it lies in its folder.
type Backup struct {
	Container string
	Name      string // of the folder: the UTC time, such as 2026-05-03T04-00-07.123Z
	Path      string
	Time      time.Time // zero if it was not finished
	Manifest  Manifest
	// Fault is why the backup cannot be used, "" if it can, as far as can be seen
	// without reading all of it: see Check.
	Fault string
}

// Bytes is what the archives hold.
func (b Backup) Bytes() int64 {
	var sum int64
	for _, a := range b.Manifest.Archives {
		sum += a.Bytes
	}
	return sum
}

// Packed is how large the archives' files are, in bytes.
func (b Backup) Packed() int64 {
	var sum int64
	for _, a := range b.Manifest.Archives {
		sum += a.Packed
	}
	return sum
}

// List returns the backups of a container, oldest first, or with "" of all, sorted by
// name. Those that cannot be used are among them, and those of other engines that share
// the folder: Manifest.Engine tells whose each is. A folder that is not there has none.
func List(dir, name string) ([]Backup, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	s, err := openStore(dir)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if name != "" {
		return s.backups(name)
	}
	names, err := children(s.root)
	if err != nil {
		return nil, err
	}
	var all []Backup
	for _, name := range names {
		info, err := s.root.Lstat(name)
		if err != nil || !info.IsDir() || checkName(name) != nil {
			continue // not ours
		}
		found, err := s.backups(name)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// Order is a restore that a person asks for.
type Order struct {
	Engine    Engine
	Dir       string // of all backups
	Container string // the name that the backups are of, and of the container
	// Name is the backup's, or the beginning of it that only one has; "" is the newest
	// that can be used. Neither picks one that was made on another engine: that is to be
	// named in full.
	Name string
	// Stop stops the container first, and starts it again when all is well.
	Stop bool
	// Program is as in Hook.
	Program  string
	Progress func(text string, done, total int64) // may be nil
	Log      *slog.Logger                         // may be nil
}

// Restore makes the container's mounts exactly what they were in the backup. It
// refuses, before it touches anything, if the backup is damaged, if the container runs
// and is not to be stopped, or if another one that runs can write there. It returns
// the backup.
func Restore(ctx context.Context, o Order) (Backup, error) {
	t := &task{log: o.Log, say: o.Progress, program: o.Program}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if err := checkName(o.Container); err != nil {
		return Backup{}, err
	}
	if err := t.connect(ctx, o.Engine, o.Dir); err != nil {
		return Backup{}, err
	}
	defer t.end()
	b, err := t.pick(o)
	if err != nil {
		return Backup{}, err
	}
	t.mayStop = o.Stop
	err = t.restoreByHand(ctx, b)
	switch {
	case err != nil && t.stopped:
		return b, fmt.Errorf("%w; %s was stopped and stays so", err, o.Container)
	case err != nil || !t.stopped:
		return b, err
	}
	if err := t.api.ContainerStart(ctx, t.container.id, container.StartOptions{}); err != nil {
		return b, fmt.Errorf("all is restored; start %s again: %w", o.Container, err)
	}
	return b, nil
}

func (t *task) restoreByHand(ctx context.Context, b Backup) error {
	if err := t.find(ctx, b.Container); err != nil {
		return err
	}
	if err := t.sweepHelpers(ctx, ""); err != nil {
		return err
	}
	return t.putBack(ctx, b, false)
}

// pick finds the backup that is meant. One of another engine has to be named in full: the
// container there was another one.
func (t *task) pick(o Order) (Backup, error) {
	all, err := t.store.backups(o.Container)
	if err != nil {
		return Backup{}, err
	}
	var found, others []Backup
	for _, b := range all {
		switch {
		case o.Name == b.Name:
			return b, nil
		case o.Name == "" && b.Fault != "", !strings.HasPrefix(b.Name, o.Name):
		case t.store.foreign(b):
			others = append(others, b)
		default:
			found = append(found, b)
		}
	}
	switch {
	case len(found) == 1, len(found) > 0 && o.Name == "":
		return found[len(found)-1], nil
	case len(found) > 1:
		return Backup{}, fmt.Errorf("%d backups in %s begin with %s", len(found), filepath.Join(o.Dir, o.Container), o.Name)
	}
	return Backup{}, o.missing(others)
}

// missing says that there is no such backup, but perhaps those of other engines.
func (o Order) missing(others []Backup) error {
	where := filepath.Join(o.Dir, o.Container)
	switch {
	case len(others) > 0:
		last := others[len(others)-1]
		return fmt.Errorf("%w of this engine in %s; %s is of the engine %s: give that whole name to restore it here all the same",
			errNoBackup, where, last.Name, last.Manifest.Engine)
	case o.Name == "":
		return fmt.Errorf("%w that can be used in %s", errNoBackup, where)
	default:
		return fmt.Errorf("%w %s in %s", errNoBackup, o.Name, where)
	}
}

// halt stops the container if it runs and may be stopped.
func (t *task) halt(ctx context.Context) error {
	if !t.container.running || !t.mayStop {
		return nil
	}
	if err := t.api.ContainerStop(ctx, t.container.id, container.StopOptions{}); err != nil {
		return fmt.Errorf("stop %s: %w", t.container.name, err)
	}
	t.stopped = true
	return nil
}

func attrs(name string, archives int) []any {
	return []any{slog.String("backup", name), slog.Int("archives", archives)}
}

func attrsOf(path, writers string) []any {
	return []any{slog.String("path", path), slog.String("written_by", writers)}
}
