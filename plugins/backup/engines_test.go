package backup

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/refit-dev/refit/hooks"
)

// edit changes the manifest of the newest backup.
func (s *stage) edit(change func(*Manifest)) Backup {
	s.Helper()
	whole := s.whole()
	b := whole[len(whole)-1]
	change(&b.Manifest)
	text, err := json.Marshal(b.Manifest)
	must(s.T, err)
	must(s.T, os.WriteFile(filepath.Join(b.Path, manifestName), text, 0o600))
	return b
}

func TestBackupsOfAnotherEngineAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	file := filepath.Join(s.volumes["/data"], "file")
	write(t, file, "theirs")
	u := s.update("restore", "true", "keep", "1")
	s.backUp(u)
	foreign := s.edit(func(m *Manifest) { m.Engine = "OTHER" })
	half := filepath.Join(s.dir, s.name, (&store{engine: "OTHER"}).mark()+"0123456789abcdef")
	must(t, os.Mkdir(half, 0o700))

	write(t, file, "ours")
	err := s.hook().OnRollback(t.Context(), u)
	if err == nil || !strings.Contains(err.Error(), "there is no backup of this attempt") {
		t.Errorf("a rollback: %v", err)
	}
	contains(t, file, "ours")

	for range 2 {
		s.backUp(s.update("keep", "1"))
	}
	early := s.edit(func(m *Manifest) { m.Engine = "" }) // it does not say whose it is
	if err := s.hook().Finished(t.Context(), s.update("keep", "1"), hooks.Outcome{}); err != nil {
		t.Error(err)
	}
	var names []string
	for _, b := range s.all() {
		names = append(names, b.Name)
	}
	want := []string{filepath.Base(half), foreign.Name, early.Name}
	if !cmp.Equal(names, want) {
		t.Errorf("there is %v, want %v", names, want)
	}

	must(t, os.RemoveAll(early.Path))
	write(t, file, "new")
	o := Order{Dir: s.dir, Container: s.name, Program: s.program}
	for _, name := range []string{"", foreign.Name[:10]} {
		o.Name = name
		if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), foreign.Name+" is of the engine OTHER") {
			t.Errorf("by hand as %q: %v", name, err)
		}
	}
	contains(t, file, "new")
	o.Name = foreign.Name
	if _, err := Restore(t.Context(), o); err != nil {
		t.Errorf("by its whole name: %v", err)
	}
	contains(t, file, "theirs")
}

func TestTheDiskOfTheBackupsStaysUsable(t *testing.T) {
	t.Parallel()
	for total, want := range map[int64]int64{1 << 20: 64 << 20, 1 << 30: 64 << 20, 100 << 30: 1 << 30, 100 << 40: 10 << 30} {
		if got := reserveOf(total); got != want {
			t.Errorf("of %s %s stay free, want %s", size(total), size(got), size(want))
		}
	}
}

func TestASizeThatNobodyTellsIsNotNone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	config := t.TempDir()
	reference := s.e.Inspect(s.id).Config.Image
	s.remove(s.id)
	s.container.Binds = []string{config + ":/conf"}
	s.id = s.e.Container(s.name, &container.Config{Image: reference}, s.container, nil)
	must(t, unix.Mount("tmpfs", s.dir, "tmpfs", 0, "size=40m"))
	t.Cleanup(func() { must(t, unix.Unmount(s.dir, unix.MNT_DETACH)) })
	fill(t, filepath.Join(s.dir, "other"), 38<<20)
	h, u := s.hook(), s.update("paths", "/conf")
	h.reserve = 1 << 20 // and 2 MiB, a twentieth of the disk
	if _, err := h.PreUpdate(t.Context(), u); err == nil || !strings.Contains(err.Error(), "2.1 MB free, 3.1 MB needed") {
		t.Errorf("the error is %v", err)
	}
	must(t, os.Truncate(filepath.Join(s.dir, "other"), 30<<20))
	if _, err := h.PreUpdate(t.Context(), u); err != nil {
		t.Error(err)
	}
}

func TestARestoreNeedsNoRoomForBackups(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	file := filepath.Join(s.volumes["/data"], "file")
	write(t, file, "good")
	must(t, unix.Mount("tmpfs", s.dir, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { must(t, unix.Unmount(s.dir, unix.MNT_DETACH)) })
	u := s.update("restore", "true")
	s.backUp(u)
	write(t, file, "bad")
	full, err := os.Create(filepath.Join(s.dir, "full"))
	must(t, err)
	if _, err := io.Copy(full, io.LimitReader(endless{}, 16<<20)); err == nil {
		t.Fatal("it is not full")
	}
	must(t, full.Close())
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Error(err)
	}
	contains(t, file, "good")
}
