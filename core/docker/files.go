package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// composeProject is the label of a container that compose made.
const composeProject = "com.docker.compose.project"

// secretsDir is where compose puts a secret that names no other place.
const secretsDir = "/run/secrets/"

// mostInjected is how many bytes one file may have to be taken for a config or a
// secret. They are part of the snapshot, which has to stay small.
const mostInjected = 1 << 20

// file is a file that is in the container's own layer and has to be copied.
type file struct {
	Path string `json:"path"`
	// Tar is an archive with that one file, under its whole path.
	Tar []byte `json:"tar"`
}

// mostLooks is how many files are looked at to find those that were copied in.
// Looking at one takes the engine a few milliseconds.
const mostLooks = 1000

const (
	// otherClock is how far the clock of compose's machine may be from the engine's.
	otherClock = 5 * time.Minute
	// nearby is how long before the start, or after the creation, compose copies
	// where the clocks agree.
	nearby = 10 * time.Second
)

// injected returns the configs and secrets with inline content, which compose
// copies into a container before it starts it and which are in no mount
// (containrrr/watchtower#1988). Nothing names them. Under /run/secrets every new file is
// taken for one; elsewhere one that has the marks of a copy.
func (c *Client) injected(ctx context.Context, f facts) ([]file, error) {
	if f.config().object("Labels").text(composeProject) == "" {
		return nil, nil
	}
	changes, err := c.api.ContainerDiff(ctx, f.id())
	if err != nil {
		return nil, fmt.Errorf("list the files that were copied into it: %w", err)
	}
	var files []file
	looks := 0
	for _, change := range f.written(changes) {
		wanted := regular
		if !strings.HasPrefix(change.Path, secretsDir) || change.Kind != container.ChangeAdd {
			wanted = f.copied
			if looks++; looks > mostLooks {
				continue
			}
		}
		archive, err := c.copyOut(ctx, f.id(), change.Path, wanted)
		if err != nil {
			return nil, fmt.Errorf("copy %s out of it: %w", change.Path, err)
		}
		if archive != nil {
			files = append(files, file{Path: change.Path, Tar: archive})
		}
	}
	return files, nil
}

// written returns those changes of a container's own layer that may be files.
func (f facts) written(changes []container.FilesystemChange) []container.FilesystemChange {
	none := map[string]bool{"/.dockerenv": true}
	for _, mount := range f.Container.objects("Mounts") {
		none[path.Clean(mount.text("Destination"))] = true
	}
	for _, change := range changes {
		none[path.Dir(change.Path)] = true
	}
	return slices.DeleteFunc(changes, func(change container.FilesystemChange) bool {
		return change.Kind == container.ChangeDelete || none[change.Path]
	})
}

func regular(stat container.PathStat) bool {
	return stat.Mode.IsRegular() && stat.Size <= mostInjected
}

// copied tells whether a file looks as if it had been copied in between the
// creation and the start: an archive has times in whole seconds only, rounded, and
// what a program in the container writes has not, but for one file in some hundreds.
// So one that may be written to, as such files are and compose's are not unless it was
// told so, has to be of the very time of the creation or the start.
func (f facts) copied(stat container.PathStat) bool {
	created, started := f.when("Created"), f.when("State", "StartedAt")
	within := func(before, after time.Duration) bool {
		early := stat.Mtime.Before(created.Add(-before))
		return !early && (started.IsZero() || !stat.Mtime.After(started.Add(after)))
	}
	switch {
	case !regular(stat) || stat.Mtime.Nanosecond() != 0:
		return false
	case stat.Mode.Perm()&0o222 == 0:
		return within(otherClock, otherClock)
	}
	soon := stat.Mtime.Before(created.Add(nearby)) || stat.Mtime.After(started.Add(-nearby))
	return soon && within(time.Second, time.Second/2)
}

// when returns a time that inspect tells, the zero time where it tells none.
func (f facts) when(keys ...string) time.Time {
	last := len(keys) - 1
	at := f.Container
	for _, key := range keys[:last] {
		at = at.object(key)
	}
	t, err := time.Parse(time.RFC3339Nano, at.text(keys[last]))
	if err != nil {
		return time.Time{}
	}
	return t
}

// copyOut returns an archive with the file under its whole path, nil where it is
// not wanted.
func (c *Client) copyOut(ctx context.Context, id, name string, wanted func(container.PathStat) bool) ([]byte, error) {
	stat, err := c.api.ContainerStatPath(ctx, id, name)
	switch {
	case errdefs.IsNotFound(err):
		return nil, nil // gone since the list was made
	case err != nil:
		return nil, err
	case !wanted(stat):
		return nil, nil
	}
	reader, _, err := c.api.CopyFromContainer(ctx, id, name)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return rewrap(io.LimitReader(reader, 2*mostInjected), name)
}

// rewrap makes an archive in which the one file of another has its whole path, and
// is of now: it is known by that in the container that it is copied into.
func rewrap(archive io.Reader, name string) ([]byte, error) {
	from := tar.NewReader(archive)
	header, err := from.Next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the archive is empty")
	}
	if err != nil {
		return nil, err
	}
	header.Name = strings.TrimPrefix(name, "/")
	header.ModTime = time.Now().Truncate(time.Second)
	var wrapped bytes.Buffer
	to := tar.NewWriter(&wrapped)
	if err := to.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := io.Copy(to, from); err != nil {
		return nil, err
	}
	if err := to.Close(); err != nil {
		return nil, err
	}
	return wrapped.Bytes(), nil
}

// inject copies the files into a container that has not been started.
func (c *Client) inject(ctx context.Context, id string, files []file) error {
	for _, f := range files {
		fresh, err := rewrap(bytes.NewReader(f.Tar), f.Path)
		if err == nil {
			err = c.api.CopyToContainer(ctx, id, "/", bytes.NewReader(fresh), container.CopyToContainerOptions{CopyUIDGID: true})
		}
		if err != nil {
			return fmt.Errorf("copy %s into it: %w", f.Path, err)
		}
	}
	return nil
}
