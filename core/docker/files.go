package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

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

// injected returns the configs and secrets with inline content, which compose
// copies into a container before it starts it and which are in no mount
// (containrrr/watchtower#1988). Nothing names them, so they are known by their
// place: under /run/secrets, or in the root directory. One that was given another
// place looks like anything else that a container has written, and is lost like it.
func (c *Client) injected(ctx context.Context, f facts) ([]file, error) {
	if f.config().object("Labels").text(composeProject) == "" {
		return nil, nil
	}
	changes, err := c.api.ContainerDiff(ctx, f.id())
	if err != nil {
		return nil, fmt.Errorf("list the files that were copied into it: %w", err)
	}
	mounted := map[string]bool{"/.dockerenv": true}
	for _, mount := range f.Container.objects("Mounts") {
		mounted[path.Clean(mount.text("Destination"))] = true
	}
	var files []file
	for _, change := range changes {
		inPlace := path.Dir(change.Path) == "/" || strings.HasPrefix(change.Path, secretsDir)
		if change.Kind != container.ChangeAdd || mounted[change.Path] || !inPlace {
			continue
		}
		archive, err := c.copyOut(ctx, f.id(), change.Path)
		if err != nil {
			return nil, fmt.Errorf("copy %s out of it: %w", change.Path, err)
		}
		if archive != nil {
			files = append(files, file{Path: change.Path, Tar: archive})
		}
	}
	return files, nil
}

// copyOut returns an archive with the file under its whole path, nil where it is
// no regular file or too large.
func (c *Client) copyOut(ctx context.Context, id, name string) ([]byte, error) {
	stat, err := c.api.ContainerStatPath(ctx, id, name)
	switch {
	case err != nil:
		return nil, err
	case !stat.Mode.IsRegular() || stat.Size > mostInjected:
		return nil, nil
	}
	reader, _, err := c.api.CopyFromContainer(ctx, id, name)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return rewrap(io.LimitReader(reader, 2*mostInjected), name)
}

// rewrap makes an archive in which the one file of another has its whole path.
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
		err := c.api.CopyToContainer(ctx, id, "/", bytes.NewReader(f.Tar), container.CopyToContainerOptions{CopyUIDGID: true})
		if err != nil {
			return fmt.Errorf("copy %s into it: %w", f.Path, err)
		}
	}
	return nil
}
