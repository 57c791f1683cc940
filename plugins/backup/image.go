package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

const (
	// repository is where the helpers' images are, and with a dash what their names
	// begin with.
	repository = "refit-hook-backup"
	// tidyTime is how long the removal of a helper may take.
	tidyTime = 30 * time.Second
)

var (
	ownReference = regexp.MustCompile(`^` + repository + `:[a-z2-7]{26}$`)
	ownName      = regexp.MustCompile(`^/?` + repository + `-[a-z2-7]{26}$`)
)

func newReference() string  { return repository + ":" + strings.ToLower(rand.Text()) }
func newHelperName() string { return repository + "-" + strings.ToLower(rand.Text()) }

// helper is the image of a restore.
type helper struct {
	t             *task
	reference, id string
}

// helper returns the one with that image, which was imported earlier, or imports one.
func (t *task) helper(ctx context.Context, id string) (*helper, error) {
	if id != "" {
		found, err := t.ownImage(ctx, id)
		if err != nil {
			return nil, err
		}
		if found != nil {
			if i := slices.IndexFunc(found.RepoTags, ownReference.MatchString); i >= 0 {
				return &helper{t: t, reference: found.RepoTags[i], id: id}, nil
			}
		}
	}
	return t.newHelper(ctx)
}

// newHelper imports the image.
func (t *task) newHelper(ctx context.Context) (*helper, error) {
	f, err := os.Open(t.ownProgram())
	if err != nil {
		return nil, err
	}
	defer release(f)
	layer, err := layerOf(f)
	if err != nil {
		return nil, err
	}
	command, err := json.Marshal(entrypoint)
	if err != nil {
		return nil, err
	}
	h := &helper{t: t, reference: newReference()}
	sent := newMeter(t.say, "preparing the restore", 0)
	answer, err := t.api.ImageImport(ctx, image.ImportSource{Source: io.TeeReader(layer, sent), SourceName: "-"}, h.reference,
		image.ImportOptions{Changes: []string{
			"ENTRYPOINT " + string(command),
			fmt.Sprintf("LABEL %s=backup %s=%s", labelHook, labelFor, t.container.name),
		}})
	if err == nil {
		defer answer.Close()
		h.id, err = imported(answer)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("import the helper: %w", err), h.remove(ctx))
	}
	return h, nil
}

// layerOf is an archive with the program in it.
func layerOf(f *os.File) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var before, after bytes.Buffer
	w := tar.NewWriter(&before)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Base(inside), Mode: 0o555, Size: info.Size()}); err != nil {
		return nil, err
	}
	const block = 512
	after.Write(make([]byte, (block-info.Size()%block)%block+trailer))
	return io.MultiReader(&before, io.LimitReader(f, info.Size()), &after), nil
}

// imported reads the engine's answer to the end and returns the image's id, which is
// its last word, or the error that is in it.
func imported(answer io.Reader) (id string, err error) {
	for d := json.NewDecoder(answer); ; {
		var line struct {
			Status string `json:"status"`
			Error  string `json:"error"`
		}
		err := d.Decode(&line)
		switch {
		case errors.Is(err, io.EOF) && id == "":
			return "", errors.New("the engine does not say what it has made")
		case errors.Is(err, io.EOF):
			return id, nil
		case err != nil:
			return "", err
		case line.Error != "":
			return "", errors.New(line.Error)
		case line.Status != "":
			id = "sha256:" + strings.TrimPrefix(line.Status, "sha256:")
		}
	}
}

// remove removes the image, whatever has become of ctx.
func (h *helper) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	return removeImage(ctx, h.t.api, h.reference)
}

// removeImage takes our tag off, and the image with it if nobody else has a use for it.
func removeImage(ctx context.Context, api *client.Client, reference string) error {
	_, err := api.ImageRemove(ctx, reference, image.RemoveOptions{PruneChildren: true})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// sweepHelpers removes what an earlier try for the container has left: its helper,
// which may still be writing, and its images but the one that is to be kept. When it
// returns without an error no helper runs.
//
// Labels only find them. A container has those of its image, and anyone's image may
// have ours; so what is removed is, in all that it is made of, what we would make.
func (t *task) sweepHelpers(ctx context.Context, keep string) error {
	ours := filters.NewArgs(filters.Arg("label", labelHook+"=backup"), filters.Arg("label", labelFor+"="+t.container.name))
	containers, err := t.api.ContainerList(ctx, container.ListOptions{All: true, Filters: ours})
	for _, c := range containers {
		err = errors.Join(err, t.sweepHelper(ctx, c.ID))
	}
	images, listed := t.api.ImageList(ctx, image.ListOptions{Filters: ours})
	err = errors.Join(err, listed)
	for _, i := range images {
		if i.ID != keep {
			err = errors.Join(err, t.sweepImage(ctx, i.ID))
		}
	}
	if err != nil {
		return fmt.Errorf("remove what an earlier restore left: %w", err)
	}
	return nil
}

func (t *task) sweepHelper(ctx context.Context, id string) error {
	c, err := t.api.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !t.isHelper(c) {
		return nil
	}
	own, err := t.ownImage(ctx, c.Image)
	if err != nil || own == nil {
		return err
	}
	return removeHelper(ctx, t.api, id)
}

// isHelper tells whether a container is made as create makes them. Names are anyone's
// to choose, and to change later; the rest of this is fixed when it is made.
func (t *task) isHelper(c container.InspectResponse) bool {
	if c.Config == nil || c.HostConfig == nil || !ownName.MatchString(c.Name) || !ownReference.MatchString(c.Config.Image) {
		return false
	}
	return t.ownLabels(c.Config.Labels) && slices.Equal(c.Config.Entrypoint, entrypoint) &&
		c.HostConfig.ReadonlyRootfs && c.HostConfig.NetworkMode.IsNone() &&
		len(c.Mounts) == 1 && c.Mounts[0].Destination == target
}

func (t *task) ownLabels(labels map[string]string) bool {
	return labels[labelHook] == "backup" && labels[labelFor] == t.container.name
}

// ownImage looks at an image, and returns nil if it is gone or is not as newHelper makes
// them: one layer, our entrypoint, our labels.
func (t *task) ownImage(ctx context.Context, id string) (*image.InspectResponse, error) {
	found, err := t.api.ImageInspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at the helper's image: %w", err)
	case found.Config == nil || !t.ownLabels(found.Config.Labels) || !slices.Equal(found.Config.Entrypoint, entrypoint),
		len(found.RootFS.Layers) != 1:
		return nil, nil
	}
	return &found, nil
}

// sweepImage takes our tags off an image, and leaves it to others who have given it theirs.
func (t *task) sweepImage(ctx context.Context, id string) error {
	own, err := t.ownImage(ctx, id)
	if err != nil || own == nil {
		return err
	}
	for _, reference := range own.RepoTags {
		if ownReference.MatchString(reference) {
			err = errors.Join(err, removeImage(ctx, t.api, reference))
		}
	}
	return err
}

// removeHelper removes a helper with whatever it is doing, and never a volume. When it
// returns without an error the helper does not run any more, whoever has removed it.
func removeHelper(ctx context.Context, api *client.Client, nameOrID string) error {
	const again = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	for {
		err := api.ContainerRemove(ctx, nameOrID, container.RemoveOptions{Force: true})
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		if !strings.Contains(err.Error(), "already in progress") {
			return fmt.Errorf("remove the helper: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove the helper: %w", err)
		case <-time.After(again):
		}
	}
}
