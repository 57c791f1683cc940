package backup

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

func TestARestoreMakesAVolumeExactlyWhatItWas(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	root := s.volumes["/data"]
	nasty(t, root)
	want := lookInto(t, root)
	blocks := diskBlocks(t, root, "sparse")
	u := s.update("restore", "true")
	s.backUp(u)
	damage(t, root)
	if cmp.Equal(want, lookInto(t, root)) {
		t.Fatal("the damage is none")
	}
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, lookInto(t, root)); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
	if got := diskBlocks(t, root, "sparse"); got > 2*blocks {
		t.Errorf("the sparse file has %d blocks, and had %d", got, blocks)
	}
	info, err := os.Stat(filepath.Join(root, "quiet"))
	if err != nil || info.ModTime().Nanosecond() != 987_654_321 {
		t.Errorf("a file that nobody touched was touched: %v (%v)", info, err)
	}
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Errorf("again: %v", err)
	}
}

func diskBlocks(t *testing.T, root, name string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(root, name))
	must(t, err)
	return info.Sys().(*syscall.Stat_t).Blocks
}

// fill writes that many bytes which cannot be compressed.
func fill(t *testing.T, name string, bytes int) {
	t.Helper()
	content := make([]byte, bytes)
	rand.Read(content)
	must(t, os.WriteFile(name, content, 0o600))
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happened: " + what)
		}
	}
}

func TestAKilledBackupIsNone(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	fill(t, filepath.Join(s.volumes["/data"], "file"), 150<<20)
	u := s.update()
	c := s.process("pre-recreate", u)
	must(t, c.Start())
	partials := filepath.Join(s.dir, s.name, partial+"*", "000-data.tar.zst")
	until(t, "something is written", func() bool {
		names, _ := filepath.Glob(partials)
		info, err := os.Stat(strings.Join(names, ""))
		return err == nil && info.Size() > 1<<20
	})
	must(t, c.Process.Kill())
	if err := c.Wait(); err == nil {
		t.Fatal("it ended before it was killed")
	}
	if all := s.all(); len(all) != 1 || all[0].Fault == "" {
		t.Fatalf("there is %+v, want one that was not finished", all)
	}
	s.backUp(u)
	all := s.all()
	if len(all) != 1 || all[0].Fault != "" || all[0].Manifest.Attempt != u.Attempt {
		t.Fatalf("there is %+v, want one that is whole", all)
	}
	if err := all[0].Check(t.Context(), nil); err != nil {
		t.Error(err)
	}
	s.backUp(u)
	if again := s.all(); len(again) != 1 || again[0].Name == all[0].Name {
		t.Errorf("after the same attempt came again there is %+v, want a new one in the old one's place", again)
	}
}

func TestAKilledRestoreIsDoneAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	root := s.volumes["/data"]
	for _, name := range []string{"a", "b", "c"} {
		fill(t, filepath.Join(root, name), 40<<20)
	}
	want := lookInto(t, root)
	u := s.update("restore", "true")
	s.backUp(u)
	for _, name := range []string{"a", "b", "c", "d"} {
		must(t, os.WriteFile(filepath.Join(root, name), []byte("bad"), 0o600))
	}
	// The helper for the tests' own program is that program.
	c := s.process("on-rollback", u)
	must(t, c.Start())
	until(t, "the restore has begun", func() bool {
		info, err := os.Stat(filepath.Join(root, "a"))
		return err == nil && info.Size() > 1<<20
	})
	must(t, c.Process.Kill())
	if err := c.Wait(); err == nil {
		t.Fatal("it ended before it was killed")
	}
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, lookInto(t, root)); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
}

func TestADamagedBackupTouchesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/a", "/b")
	for place, root := range s.volumes {
		fill(t, filepath.Join(root, "file"), 1<<20)
		write(t, filepath.Join(root, "place"), place)
	}
	u := s.update("restore", "true")
	s.backUp(u)
	b := s.whole()[0]
	write(t, filepath.Join(s.volumes["/a"], "place"), "changed")
	before := lookInto(t, s.volumes["/a"])
	archive := filepath.Join(b.Path, b.Manifest.Archives[1].File)
	good, err := os.ReadFile(archive)
	must(t, err)
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 4
	manifest := filepath.Join(b.Path, manifestName)
	words, err := os.ReadFile(manifest)
	must(t, err)
	tests := map[string]func(){
		"a flipped bit":      func() { must(t, os.WriteFile(archive, flipped, 0o600)) },
		"a truncated file":   func() { must(t, os.WriteFile(archive, good[:len(good)-1], 0o600)) },
		"a missing file":     func() { must(t, os.Remove(archive)) },
		"a missing manifest": func() { must(t, os.Remove(manifest)) },
		"half a manifest":    func() { must(t, os.WriteFile(manifest, words[:len(words)/2], 0o600)) },
	}
	for name, spoil := range tests {
		must(t, os.WriteFile(archive, good, 0o600))
		must(t, os.WriteFile(manifest, words, 0o600))
		spoil()
		if err := s.hook().OnRollback(t.Context(), u); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, lookInto(t, s.volumes["/a"])); diff != "" {
			t.Errorf("%s: it touched the volume:\n%s", name, diff)
		}
	}
}

func TestAFullDiskIsToldAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	fill(t, filepath.Join(s.volumes["/data"], "file"), 40<<20)
	must(t, unix.Mount("tmpfs", s.dir, "tmpfs", 0, "size=24m"))
	t.Cleanup(func() { must(t, unix.Unmount(s.dir, unix.MNT_DETACH)) })
	u, h := s.update(), s.hook()
	h.reserve = 4 << 20
	err := h.PreRecreate(t.Context(), u)
	if err == nil || !strings.Contains(err.Error(), "not enough room in the backup folder") {
		t.Errorf("while it is written: %v", err)
	}
	if all, err := List(s.dir, s.name); err != nil || len(all) > 0 {
		t.Errorf("there is %+v (%v), want nothing", all, err)
	}
	h.reserve = 30 << 20
	_, err = h.PreUpdate(t.Context(), u)
	if err == nil || !strings.Contains(err.Error(), "25.2 MB free") {
		t.Errorf("before the update: %v", err)
	}
	must(t, unix.Mount("", s.dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if _, err = s.hook().PreUpdate(t.Context(), u); err == nil {
		t.Error("a folder that cannot be written to is no error")
	}
}

func TestMountsInsideOfMountsAreKeptApart(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data", "/data/inner", "/other")
	outer, inner := s.volumes["/data"], s.volumes["/data/inner"]
	write(t, filepath.Join(outer, "file"), "outer")
	write(t, filepath.Join(inner, "file"), "inner")
	config := filepath.Join(t.TempDir(), "conf")
	write(t, config, "setting")
	reference := s.e.Inspect(s.id).Config.Image
	must(t, s.e.API.ContainerRemove(t.Context(), s.id, container.RemoveOptions{}))
	s.container.Binds = append(s.container.Binds, config+":/data/conf")
	s.id = s.e.Container(s.name, &container.Config{Image: reference}, s.container, nil)
	u := s.update("restore", "true", "paths", "/data,/data/conf,/data/inner")
	s.e.Start(s.id) // which makes the places to mount
	must(t, s.e.API.ContainerStop(t.Context(), s.id, container.StopOptions{}))
	s.backUp(u)
	archives := s.whole()[0].Manifest.Archives
	if len(archives) != 3 || archives[0].Entries != 2 || archives[1].Entries != 1 || archives[2].Entries != 2 {
		t.Errorf("the archives are %+v", archives)
	}
	want := []map[string]string{lookInto(t, outer), lookInto(t, inner), lookInto(t, filepath.Dir(config))}
	for _, name := range []string{filepath.Join(outer, "file"), filepath.Join(inner, "file"), config, filepath.Join(inner, "more")} {
		write(t, name, "bad")
	}
	if err := s.hook().OnRollback(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	got := []map[string]string{lookInto(t, outer), lookInto(t, inner), lookInto(t, filepath.Dir(config))}
	for _, trees := range [][]map[string]string{want, got} {
		trees[2]["."] = "" // the folder around the file is no mount
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
}

func TestOnlyTheNewestBackupsStay(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	foreign := filepath.Join(s.dir, s.name, "mine")
	var attempts []string
	for range 4 {
		u := s.update("keep", "2")
		s.backUp(u)
		attempts = append(attempts, u.Attempt)
	}
	write(t, filepath.Join(foreign, "file"), "precious")
	must(t, os.Mkdir(filepath.Join(s.dir, s.name, partial+"dead"), 0o700))
	u := s.update("keep", "2")
	u.Attempt = attempts[0] // its backup stays, however old
	if err := s.hook().Finished(t.Context(), u, hooks.Outcome{Result: hooks.Updated}); err != nil {
		t.Fatal(err)
	}
	all, err := List(s.dir, "")
	must(t, err)
	var got []string
	for _, b := range all {
		got = append(got, b.Manifest.Attempt)
	}
	if want := []string{attempts[0], attempts[2], attempts[3]}; !cmp.Equal(got, want) {
		t.Errorf("the attempts that are left are %v, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Join(foreign, "file")); err != nil {
		t.Error(err)
	}
}

func TestAHotBackupIsMadeWhileItRuns(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	write(t, filepath.Join(s.volumes["/data"], "file"), "content")
	s.e.Start(s.id)
	u := s.update("when", "hot")
	if _, err := s.hook().PreUpdate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	whole := s.whole()
	if len(whole) != 1 || !whole[0].Manifest.Hot || !strings.Contains(string(u.State), whole[0].Name) {
		t.Errorf("there is %+v, and the state is %s", whole, u.State)
	}
	if err := s.hook().PreRecreate(t.Context(), u); err != nil || len(s.whole()) != 1 {
		t.Errorf("it makes another: %v", err)
	}
}

func TestAPersonMayRestore(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	file := filepath.Join(s.volumes["/data"], "file")
	for _, version := range []string{"1", "2"} {
		write(t, file, version)
		s.backUp(s.update())
	}
	first := s.whole()[0].Name
	write(t, file, "3")
	s.e.Start(s.id)
	o := Order{Dir: s.dir, Container: s.name, Program: s.program}
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "runs: stop it first") {
		t.Errorf("while it runs: %v", err)
	}
	o.Stop = true
	if b, err := Restore(t.Context(), o); err != nil || b.Manifest.Began.Before(s.whole()[1].Time) {
		t.Errorf("the newest: %s %v", b.Name, err)
	}
	contains(t, file, "2")
	if !s.e.Inspect(s.id).State.Running {
		t.Error("it was not started again")
	}
	o.Name = first
	if _, err := Restore(t.Context(), o); err != nil {
		t.Error(err)
	}
	contains(t, file, "1")
	o.Name = "1999"
	if _, err := Restore(t.Context(), o); !errors.Is(err, errNoBackup) {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestItKeepsToTheContractOfHooks(t *testing.T) {
	t.Parallel()
	hookstest.Run(t, New())
}

func TestItTellsItsProgressAndKeepsItsState(t *testing.T) {
	t.Parallel()
	s := newStage(t, "/data")
	write(t, filepath.Join(s.volumes["/data"], "file"), "content")
	c, u := hookstest.New(t, s.hook()), s.update("restore", "true")
	for _, stage := range []hookstest.Stage{hookstest.PreUpdate, hookstest.PreRecreate, hookstest.OnRollback} {
		a, err := c.Call(t.Context(), stage, u)
		if err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		t.Logf("%s: %+v", stage, a)
		if stage == hookstest.PreRecreate && (len(a.Progress) == 0 || !strings.Contains(string(u.State), s.whole()[0].Name)) {
			t.Errorf("it says %+v, and the state is %s", a, u.State)
		}
	}
}
