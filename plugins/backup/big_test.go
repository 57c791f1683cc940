package backup

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const giga = 1 << 30

// TestBig measures: five gigabytes, half of them noise and half of them a hole, backed up
// and restored by a process of their own, beside tar and zstd by hand. It takes
// minutes and 15 GB of disk, so it runs with REFIT_BACKUP_BIG=1 alone.
func TestBig(t *testing.T) {
	if os.Getenv("REFIT_BACKUP_BIG") == "" {
		t.Skip("REFIT_BACKUP_BIG is not set")
	}
	s := newStage(t, "/data")
	root := s.volumes["/data"]
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		noise(t, filepath.Join(root, name))
	}
	want := lookInto(t, root)
	settle(t)
	byHand := timed(t, "tar | zstd -3 -T0, to the disk", exec.CommandContext(t.Context(), "sh", "-c",
		"tar -C "+root+" -c . | zstd -q -3 -T0 > "+filepath.Join(s.dir, "by-hand")+" && sync -f "+s.dir))
	settle(t)
	u := s.update("restore", "true")
	ours := timed(t, "backup", s.process("pre-recreate", u))
	t.Logf("the backup takes %.2f times as long", ours.Seconds()/byHand.Seconds())
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		must(t, os.Remove(filepath.Join(root, name)))
	}
	settle(t)
	byHand = timed(t, "zstd -d | tar -x, to the disk", exec.CommandContext(t.Context(), "sh", "-c",
		"zstd -q -d < "+filepath.Join(s.dir, "by-hand")+" | tar -C "+root+" -x && sync -f "+root))
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		must(t, os.Remove(filepath.Join(root, name)))
	}
	settle(t)
	ours = timed(t, "restore of what is gone, checked before and after", s.process("on-rollback", u))
	t.Logf("the restore takes %.2f times as long", ours.Seconds()/byHand.Seconds())
	if diff := cmp.Diff(want, lookInto(t, root)); diff != "" {
		t.Errorf("after the restore (-before +after):\n%s", diff)
	}
	settle(t)
	timed(t, "restore of what is still there", s.process("on-rollback", u))
}

// settle waits until the disk has what was written, so that nobody pays for others.
func settle(t *testing.T) {
	t.Helper()
	must(t, exec.CommandContext(t.Context(), "sync").Run())
}

func timed(t *testing.T, what string, c *exec.Cmd) time.Duration {
	t.Helper()
	began := time.Now()
	out, err := c.Output()
	took := time.Since(began)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	t.Logf("%s: %.1f s, %.0f MB/s %s", what, took.Seconds(), 5*giga/1e6/took.Seconds(), strings.TrimSpace(string(out)))
	return took
}

// noise writes a gigabyte: half of it cannot be compressed, half of it is a hole.
func noise(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	source := rand.NewChaCha8([32]byte([]byte(strings.Repeat("n", 31) + name[len(name)-1:])))
	piece := make([]byte, 64<<20)
	for at := int64(0); at < giga; at += 2 * int64(len(piece)) {
		_, err := source.Read(piece)
		must(t, err)
		_, err = f.WriteAt(piece, at)
		must(t, err)
	}
	must(t, f.Truncate(giga))
	must(t, f.Close())
}
