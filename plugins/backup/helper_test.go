package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/google/go-cmp/cmp"
)

// task is a task about the container, as a stage makes it.
func (s *stage) task() *task {
	s.Helper()
	u := s.update()
	t, err := s.hook().begin(s.Context(), u, settings{dir: s.dir})
	must(s.T, err)
	s.Cleanup(t.end)
	return t
}

func (s *stage) exists(id string) bool {
	_, err := s.e.API.ContainerInspect(s.Context(), id)
	return err == nil
}

// strange makes an image of somebody else's that has our labels, and our entrypoint too.
func (s *stage) strange(reference string) {
	s.Helper()
	s.e.Image(reference, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "LABEL "+labelHook+"=backup "+labelFor+"="+s.name)
}

func TestWhatIsNotOursIsNeverSwept(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	reference := s.e.Name("strange") + ":1"
	s.strange(reference)
	forged := newReference() // a tag of ours on it
	must(t, s.e.API.ImageTag(t.Context(), reference, forged))
	labels := map[string]string{labelHook: "backup", labelFor: s.name}
	u, task := s.update("restore", "true", "paths", "/data"), s.task()
	must(t, task.ready(t.Context(), u))
	h, err := task.helper(t.Context(), recall(u).Helper)
	must(t, err)
	like := &container.HostConfig{NetworkMode: "none", ReadonlyRootfs: true, Binds: []string{s.e.Name("volume0") + ":" + target}}
	strangers := map[string]string{
		"a container with the labels of its image":   s.e.Container(s.e.Name("a"), &container.Config{Image: reference}, nil, nil),
		"one of our own image":                       s.e.Container(newHelperName(), &container.Config{Image: h.reference, Entrypoint: []string{"/app"}}, nil, nil),
		"one that runs":                              s.e.Container(s.e.Name("b"), &container.Config{Image: reference}, nil, nil),
		"one with a helper's name":                   s.e.Container(newHelperName(), &container.Config{Image: reference}, nil, nil),
		"one with a helper's name and image":         s.e.Container(newHelperName(), &container.Config{Image: forged, Labels: labels}, nil, nil),
		"one with all that a helper has but our own": s.e.Container(newHelperName(), &container.Config{Image: forged, Labels: labels, Entrypoint: entrypoint}, like, nil),
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, id := range strangers {
			if err := s.e.API.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
		}
		for _, name := range []string{forged, reference} {
			if _, err := s.e.API.ImageRemove(ctx, name, image.RemoveOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	s.e.Start(strangers["one that runs"])
	if err := task.sweepHelpers(t.Context(), ""); err != nil {
		t.Error(err)
	}
	u.Started = false
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Error(err)
	}
	for what, id := range strangers {
		if !s.exists(id) {
			t.Errorf("%s was removed", what)
		}
	}
	for _, name := range []string{forged, reference} {
		if _, err := s.e.API.ImageInspect(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
}

// The container that is updated may itself be of such an image.
func TestTheContainerItselfMayHaveOurLabels(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	reference := s.e.Name("strange") + ":1"
	s.strange(reference)
	must(t, s.e.API.ContainerRemove(t.Context(), s.id, container.RemoveOptions{}))
	s.id = s.e.Container(s.name, &container.Config{Image: reference}, s.container, nil)
	file := filepath.Join(s.volumes["/data"], "file")
	write(t, file, "good")
	u := s.update("restore", "true")
	s.backUp(u)
	write(t, file, "bad")
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Error(err)
	}
	contains(t, file, "good")
	if !s.exists(s.id) {
		t.Error("the container is gone")
	}
	s.remove(s.id)
	_, err := s.e.API.ImageRemove(t.Context(), reference, image.RemoveOptions{})
	must(t, err)
}

// helpers are the containers of a restore that are there.
func (s *stage) helpers() []container.Summary {
	s.Helper()
	ours := filters.NewArgs(filters.Arg("label", labelFor+"="+s.name))
	found, err := s.e.API.ContainerList(s.Context(), container.ListOptions{All: true, Filters: ours})
	must(s.T, err)
	return found
}

func TestARestoreWhoseHelperWasKilledIsDoneAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	root := s.volumes["/data"]
	names := []string{"a", "b", "c"}
	for _, name := range names {
		fill(t, filepath.Join(root, name), 40<<20)
	}
	want := lookInto(t, root)
	u := s.update("restore", "true")
	s.backUp(u)
	for _, name := range append(names, "d") {
		must(t, os.WriteFile(filepath.Join(root, name), []byte("bad"), 0o600))
	}
	ended := make(chan error, 1)
	go func() { ended <- s.hook().OnRollback(context.WithoutCancel(t.Context()), u) }()
	until(t, "the restore has begun", func() bool {
		info, err := os.Stat(filepath.Join(root, "a"))
		return err == nil && info.Size() > 1<<20
	})
	for _, h := range s.helpers() {
		must(t, s.e.API.ContainerKill(t.Context(), h.ID, "KILL"))
	}
	if err := <-ended; err == nil {
		t.Error("it says that all is well")
	} else {
		t.Log(err)
	}
	if left := s.helpers(); len(left) > 0 {
		t.Errorf("after the error there is %v", left)
	}
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, lookInto(t, root)); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
}

// Even where nothing can be restored: the old container is started afterwards.
func TestARollbackBeginsWithTheEndOfAnEarlierHelper(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	u := s.update("restore", "true")
	task := s.task()
	must(t, task.ready(t.Context(), u))
	h, err := task.helper(t.Context(), recall(u).Helper)
	must(t, err)
	id, err := h.create(t.Context(), newHelperName(), []string{"10", "10"}, task.container.mounts[0])
	must(t, err)
	// Its standard input stays open, so it waits for more.
	line, err := s.e.API.ContainerAttach(t.Context(), id, container.AttachOptions{Stream: true, Stdin: true})
	must(t, err)
	defer line.Close()
	s.e.Start(id)
	if err := s.hook().OnRollback(t.Context(), u); err == nil {
		t.Error("there is no backup, and it says that all is well")
	}
	if s.exists(id) {
		t.Error("the earlier helper still runs")
	}
	if found, err := task.ownImage(t.Context(), h.id); found == nil {
		t.Errorf("the image for the next try is gone (%v)", err)
	}
}

func TestTheHelpersImageIsThereBeforeTheUpdate(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	file := filepath.Join(s.volumes["/data"], "file")
	write(t, file, "good")
	u := s.update("restore", "true")
	images := func() []string {
		t.Helper()
		found, err := s.e.API.ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelFor+"="+s.name))})
		must(t, err)
		var ids []string
		for _, i := range found {
			ids = append(ids, i.ID)
		}
		return ids
	}
	if _, err := s.hook().PreUpdate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	first := images()
	if err := s.hook().PreRecreate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if again := images(); !cmp.Equal(again, first) {
		t.Errorf("there was %v, and is %v", first, again)
	}
	if len(first) != 1 || recall(u).Helper != first[0] || recall(u).Backup == "" {
		t.Errorf("there is %v, and the state is %s", first, u.State)
	}
	write(t, file, "bad")
	h := s.hook()
	if err := h.OnRollback(t.Context(), u); err != nil {
		t.Error(err)
	}
	contains(t, file, "good")
	if left := images(); len(left) > 0 {
		t.Errorf("after the restore there is %v", left)
	}
	write(t, file, "bad")
	if err := h.OnRollback(t.Context(), u); err != nil {
		t.Errorf("without the image: %v", err)
	}
	contains(t, file, "good")
}

// onMemory makes a container whose volume is so many bytes of memory, and returns where
// it is. A second one keeps it from being given back.
func (s *stage) onMemory(size int) (root string) {
	s.Helper()
	name := s.e.Name("memory")
	made, err := s.e.API.VolumeCreate(s.Context(), volume.CreateOptions{
		Name: name, DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs", "o": fmt.Sprintf("size=%d", size)},
	})
	must(s.T, err)
	reference := s.e.Inspect(s.id).Config.Image
	s.remove(s.id)
	s.container.Binds = []string{name + ":/data"}
	s.id = s.e.Container(s.name, &container.Config{Image: reference}, s.container, nil)
	s.e.Start(s.other(s.e.Name("keeper"), ":ro", nil))
	return s.e.Path(made.Mountpoint)
}

func TestAFullVolumeIsRestored(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"with an outline": false, "of an early backup": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			root := s.onMemory(32 << 20)
			fill(t, filepath.Join(root, "a"), 14<<20)
			fill(t, filepath.Join(root, "grows"), 1<<20)
			must(t, os.Mkdir(filepath.Join(root, "moves"), 0o755))
			fill(t, filepath.Join(root, "moves", "here"), 4<<20)
			must(t, os.Symlink("a", filepath.Join(root, "link")))
			want := lookInto(t, root)
			u := s.update("restore", "true")
			s.backUp(u)
			if old {
				s.edit(func(m *Manifest) { m.Archives[0].Outline = nil })
			}
			// A migration writes everything anew, and there it ends.
			must(t, os.Remove(filepath.Join(root, "a")))
			must(t, os.RemoveAll(filepath.Join(root, "moves")))
			must(t, os.Symlink("new", filepath.Join(root, "moves")))
			must(t, os.Remove(filepath.Join(root, "link")))
			must(t, os.Mkdir(filepath.Join(root, "link"), 0o755))
			fill(t, filepath.Join(root, "link", "is a folder"), 2<<20)
			fill(t, filepath.Join(root, "grows"), 23<<20)
			must(t, os.Mkdir(filepath.Join(root, "new"), 0o755))
			fill(t, filepath.Join(root, "new", "first"), 1<<20)
			rest, err := os.Create(filepath.Join(root, "new", "rest"))
			must(t, err)
			if _, err = io.Copy(rest, io.LimitReader(endless{}, 64<<20)); err == nil {
				t.Fatal("the volume is not full")
			}
			must(t, rest.Close())
			if err := s.hook().OnRollback(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, lookInto(t, root)); diff != "" {
				t.Errorf("after the restore (-before +after):\n%s", diff)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

// A tag may be moved to another image, which is not to get at the volume.
func TestAnotherImageUnderOurTagIsNotRun(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	u, task := s.update("restore", "true"), s.task()
	must(t, task.ready(t.Context(), u))
	h, err := task.helper(t.Context(), recall(u).Helper)
	must(t, err)
	stream, err := s.e.API.ImageImport(t.Context(), image.ImportSource{Source: bytes.NewReader(archiveOf(t, "fixture=x")), SourceName: "-"},
		h.reference, image.ImportOptions{Changes: []string{`ENTRYPOINT ["/fixture"]`}})
	must(t, err)
	defer stream.Close()
	must(t, jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil))
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, err := s.e.API.ImageRemove(ctx, h.reference, image.RemoveOptions{})
		must(t, err)
		_, err = s.e.API.ImageRemove(ctx, h.id, image.RemoveOptions{})
		must(t, err)
	})
	name := newHelperName()
	_, err = h.create(t.Context(), name, []string{"1", "1"}, task.container.mounts[0])
	if err == nil || !strings.Contains(err.Error(), "another image") {
		t.Errorf("the error is %v", err)
	}
	must(t, removeHelper(t.Context(), s.e.API, name))
	if again, err := task.helper(t.Context(), h.id); err != nil || slices.Contains([]string{h.reference}, again.reference) {
		t.Errorf("the next try uses %+v (%v)", again, err)
	}
}
