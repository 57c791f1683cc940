package backup

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lookInto writes down everything about a folder, as the host's kernel tells it. Times
// are in seconds: engines tell no more.
func lookInto(t *testing.T, root string) map[string]string {
	t.Helper()
	found, names := map[string]string{}, map[uint64]string{}
	must(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %o %d:%d %d", info.Mode().Type(), s.Mode, s.Uid, s.Gid, info.ModTime().Unix())
		if !d.IsDir() && s.Nlink > 1 {
			if names[s.Ino] == "" {
				names[s.Ino] = p
			}
			line += " as " + names[s.Ino]
		}
		content, err := contentOf(p, info)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		found[rel] = line + content
		return err
	}))
	return found
}

// contentOf describes what is in a file, or where it leads.
func contentOf(p string, info fs.FileInfo) (string, error) {
	var line string
	switch {
	case info.Mode().IsRegular():
		b, err := os.ReadFile(p)
		if err != nil {
			return "", err
		}
		line = fmt.Sprintf(" %d %x", len(b), sha256.Sum256(b))
	case info.Mode().Type() == fs.ModeSymlink:
		to, err := os.Readlink(p)
		if err != nil {
			return "", err
		}
		line = " -> " + to
	case info.Mode()&fs.ModeDevice != 0:
		line = fmt.Sprint(" device ", info.Sys().(*syscall.Stat_t).Rdev)
	}
	value := make([]byte, 100)
	if n, err := unix.Lgetxattr(p, capabilities, value); err == nil {
		line += fmt.Sprintf(" can %x", value[:n])
	}
	return line, nil
}

// contains fails the test if the file says something else.
func contains(t *testing.T, name, want string) {
	t.Helper()
	if b, err := os.ReadFile(name); err != nil || string(b) != want {
		t.Errorf("%s says %q (%v), want %q", name, b, err, want)
	}
}

// must fails the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(name), 0o755))
	must(t, os.WriteFile(name, []byte(content), 0o644))
}

// cap_net_raw+ep, as setcap writes it.
const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// nasty fills a folder with everything that a backup could get wrong.
func nasty(t *testing.T, root string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, name) }
	for name, content := range map[string]string{
		"plain": "content", "same size": "aaaa", "setuid": "x", "owned": "y", "ünï/cödé 文": "z", "new\nline": "n", "-rf": "", "ends ": "e",
		"tree/a/b/c": "deep", "gone/x/y": "1", "gone/z": "2", "becomes folder": "f", "becomes file/inside": "g",
		"linked/one": "hard", "split/one": "s", "joined/one": "j1", "joined/two": "j2", "can": "raw", "shrinks": strings.Repeat("s", 200_000), ".wh.white": "out",
		"grows": "g", "quiet": "same", "locked/file": "l",
	} {
		write(t, at(name), content)
	}
	long := strings.Repeat("long-name-", 25)
	write(t, at(long+"/"+long+"/"+long+"/file"), "far")
	for i := range 10_000 {
		if i%100 == 0 {
			must(t, os.MkdirAll(at(fmt.Sprintf("many/%02d", i/100)), 0o755))
		}
		must(t, os.WriteFile(at(fmt.Sprintf("many/%02d/%d", i/100, i)), fmt.Append(nil, i), 0o600))
	}
	must(t, os.Mkdir(at("empty"), 0o711))
	must(t, os.Mkdir(at("sticky"), 0o755))
	must(t, os.Chmod(at("sticky"), 0o777|fs.ModeSticky|fs.ModeSetgid))
	must(t, os.Symlink("/absolute/../target", at("absolute")))
	must(t, os.Symlink("nowhere", at("dangling")))
	must(t, os.Lchown(at("dangling"), 77, 78))
	must(t, os.Symlink(root, at("outside")))
	must(t, os.Link(at("linked/one"), at("linked/two")))
	must(t, os.Link(at("linked/one"), at("also linked")))
	must(t, os.Link(at("dangling"), at("dangling too")))
	must(t, os.Link(at("split/one"), at("split/two")))
	must(t, unix.Mkfifo(at("pipe"), 0o640))
	must(t, unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, os.Chown(at("owned"), 1234, 4321))
	must(t, os.Chown(at("tree/a"), 2000000, 65534))
	must(t, os.Chown(at("setuid"), 99, 99))
	must(t, os.Chmod(at("setuid"), 0o755|fs.ModeSetuid|fs.ModeSetgid))
	must(t, os.Chmod(at("locked/file"), 0))
	must(t, os.Chmod(at("locked"), 0o500))
	must(t, unix.Lsetxattr(at("can"), capabilities, []byte(netRaw), 0))
	f, err := os.Create(at("sparse"))
	must(t, err)
	for _, place := range []int64{10 << 20, 70<<20 + 123} {
		_, err = f.WriteAt([]byte(strings.Repeat("island", 5000)), place)
		must(t, err)
	}
	must(t, f.Truncate(100<<20))
	must(t, f.Close())
	for name, when := range map[string]time.Time{
		"plain": time.Unix(1_000_000_000, 123_456_789), "quiet": time.Unix(1_500_000_000, 987_654_321),
		"same size": time.Unix(1_600_000_000, 0), "empty": time.Unix(1, 1), "becomes file": time.Unix(-5000, 0), "": time.Unix(1_400_000_000, 5),
	} {
		must(t, os.Chtimes(at(name), when, when))
	}
}

// damage does to a folder what a new version of a program may do.
func damage(t *testing.T, root string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("plain"), "other content")
	write(t, at("same size"), "bbbb")
	must(t, os.Chtimes(at("same size"), time.Unix(1_600_000_000, 0), time.Unix(1_600_000_000, 0)))
	for _, name := range []string{"gone", "becomes folder", "becomes file", "absolute", "split/two", "joined/two", "pipe", "null", "dangling", "empty", "many/07", "-rf"} {
		must(t, os.RemoveAll(at(name)))
	}
	write(t, at("becomes folder/with/files"), "x")
	write(t, at("becomes file"), "y")
	write(t, at("absolute"), "no link any more")
	write(t, at("pipe"), "no pipe any more")
	write(t, at("split/two"), "s")
	must(t, os.Link(at("joined/one"), at("joined/two")))
	must(t, os.Symlink("/etc", at("empty")))
	must(t, os.Symlink("tree", at("null")))
	write(t, at("added/tree/of/files"), "new")
	write(t, at("many/08/more"), "new")
	must(t, os.Rename(at("tree"), at("moved")))
	must(t, os.Symlink("moved", at("tree")))
	must(t, os.Chmod(at("owned"), 0o777))
	must(t, os.Chown(at("owned"), 0, 0))
	must(t, os.Chmod(at("setuid"), 0o755))
	must(t, os.Chmod(at("sticky"), 0o700))
	must(t, os.Chmod(at("locked"), 0o755))
	must(t, unix.Lremovexattr(at("can"), capabilities))
	must(t, unix.Lsetxattr(at("grows"), capabilities, []byte(netRaw), 0))
	write(t, at("linked/one"), "all three names")
	must(t, os.Truncate(at("shrinks"), 70_000))
	write(t, at("grows"), strings.Repeat("g", 300_000))
	f, err := os.OpenFile(at("sparse"), os.O_RDWR, 0)
	must(t, err)
	for place := int64(0); place < 20<<20; place += 1 << 20 {
		junk := make([]byte, 300_000)
		for i := range junk {
			junk[i] = byte(rand.IntN(256))
		}
		_, err = f.WriteAt(junk, place)
		must(t, err)
	}
	must(t, f.Truncate(30<<20))
	must(t, f.Close())
	socket, err := net.Listen("unix", filepath.Join(root, "socket"))
	must(t, err)
	socket.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, socket.Close())
	must(t, os.Chmod(root, 0o700))
	must(t, os.Chown(root, 5, 6))
}
