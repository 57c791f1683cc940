package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	extractWord = "extract"
	doneWord    = "done"
	allModes    = 0o7777
	// chunk is how much of a file is compared, written or left a hole at once.
	chunk = 64 << 10
	// unsynced is how many bytes may wait to reach the disk, so that the end does not
	// take long.
	unsynced = 64 << 20
)

// Main is what "refit hook backup ARGS…" runs inside of the container that restores:
// args are "extract", the folder, the lengths of the outline and of the archive that
// come in by the standard input, one behind the other, and the paths below the folder
// that are not to be touched. With other arguments it does nothing, and says so by
// handled = false.
func Main(args []string) (code int, handled bool) {
	if len(args) < 4 || args[0] != extractWord {
		return 0, false
	}
	outline, err := strconv.ParseInt(args[2], 10, 64)
	archive, wrong := strconv.ParseInt(args[3], 10, 64)
	if err = errors.Join(err, wrong); err == nil {
		// The reader of the first must not take what belongs to the second.
		first, second := io.LimitReader(os.Stdin, outline), io.LimitReader(os.Stdin, archive)
		err = extractPacked(args[1], first, args[4:], os.Stdout, (*extractor).makeRoom)
		if err == nil {
			err = extractPacked(args[1], second, args[4:], os.Stdout, (*extractor).restore)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1, true
	}
	fmt.Println(doneWord)
	return 0, true
}

// extractPacked does one thing with a folder, or the one file, and a packed archive.
func extractPacked(root string, packed io.Reader, inner []string, out io.Writer, do func(*extractor) error) error {
	plain, err := unpack(packed)
	if err != nil {
		return err
	}
	defer plain.Close()
	x := &extractor{root: root, in: read(plain, inner)}
	x.meter = newMeter(func(_ string, done, _ int64) { fmt.Fprintln(out, done) }, "", 0)
	if err := do(x); err != nil {
		return err
	}
	// Whatever is behind the archive belongs to the packed form, and its sum is checked.
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	if _, err := io.Copy(io.Discard, packed); err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	return nil
}

// extractor changes a folder into what an archive says. What is already so is left
// alone, so it can be run again after it was killed, and keeps what an archive cannot
// carry: holes, and parts of seconds. Nobody else writes there meanwhile.
//
// A parent is always looked at before what is in it, so no path leads through a
// symbolic link.
type extractor struct {
	root  string
	in    *entries
	open  []folder
	meter *meter
	dirty int64 // bytes since the last sync
}

// folder is a folder whose entries are coming in.
type folder struct {
	entry
	names map[string]bool
}

// restore makes the folder what the archive says.
func (x *extractor) restore() error {
	err := x.walk(func(e entry) error {
		defer func() { x.meter.add(x.in.raw.n - x.meter.done) }()
		return x.put(e)
	}, func(f folder) error {
		if err := x.clear(f); err != nil {
			return err
		}
		return x.attributes(f.entry)
	})
	if err != nil {
		return err
	}
	return x.sync()
}

// walk calls put for each entry, and left for each folder behind what is in it.
func (x *extractor) walk(put func(entry) error, left func(folder) error) error {
	for {
		e, err := x.in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := x.leave(e.path, err != nil, left); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
		if err := put(e); err != nil {
			return fmt.Errorf("restore %q: %w", e.path, plainError(err))
		}
	}
}

// plainError takes off the path, which is the helper's own.
func plainError(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return fmt.Errorf("%s: %w", at.Op, at.Err)
	}
	return err
}

func (x *extractor) full(p string) string { return filepath.Join(x.root, p) }

// leave finishes the folders that the next entry is not in, or all of them.
func (x *extractor) leave(next string, all bool, left func(folder) error) error {
	for len(x.open) > 0 {
		last := x.open[len(x.open)-1]
		if !all && filepath.Dir(next) == last.path && next != "." {
			last.names[filepath.Base(next)] = true
			return nil
		}
		if err := left(last); err != nil {
			return fmt.Errorf("restore %q: %w", last.path, plainError(err))
		}
		x.open = x.open[:len(x.open)-1]
	}
	return nil
}

// put makes one entry what the archive says.
func (x *extractor) put(e entry) error {
	info, err := os.Lstat(x.full(e.path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		info = nil
	}
	switch e.header.Typeflag {
	case tar.TypeDir:
		return x.putFolder(e, info)
	case tar.TypeReg:
		if err := x.putFile(e, info); err != nil {
			return err
		}
	case tar.TypeLink: // its attributes are those of what it is a link to
		return x.putLink(e, info)
	case tar.TypeSymlink, tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		if err := x.putSpecial(e, info); err != nil {
			return err
		}
	default:
		return fmt.Errorf("it is of an unknown kind %q", e.header.Typeflag)
	}
	return x.attributes(e)
}

func (x *extractor) putFolder(e entry, info fs.FileInfo) error {
	x.open = append(x.open, folder{entry: e, names: map[string]bool{}})
	if info != nil && info.IsDir() {
		return nil
	}
	if info != nil {
		if err := x.remove(e.path); err != nil {
			return err
		}
	}
	return os.Mkdir(x.full(e.path), 0o700)
}

// alone tells whether a file has no other name: then it can be changed in place.
func alone(info fs.FileInfo) bool { return info.Sys().(*syscall.Stat_t).Nlink == 1 }

func (x *extractor) putFile(e entry, info fs.FileInfo) error {
	flags := os.O_RDWR | syscall.O_NOFOLLOW
	// The one file that is mounted cannot be removed.
	if info == nil || !info.Mode().IsRegular() || !alone(info) && e.path != "." {
		if err := x.remove(e.path); err != nil {
			return err
		}
		flags |= os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(x.full(e.path), flags, 0o600)
	if err != nil {
		return err
	}
	err = x.fill(f, e.header.Size)
	return errors.Join(err, f.Close())
}

// fill makes a file's content what is read, touching only what differs.
func (x *extractor) fill(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	old := info.Size()
	want, have := make([]byte, chunk), make([]byte, chunk)
	for at := int64(0); at < size; {
		n, err := io.ReadFull(x.in, want[:min(chunk, size-at)])
		if err != nil {
			return err
		}
		m := 0
		if at < old {
			if m, err = f.ReadAt(have[:n], at); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
		}
		if err := x.patch(f, at, want[:n], have[:m]); err != nil {
			return err
		}
		at += int64(n)
		x.meter.add(x.in.raw.n - x.meter.done)
	}
	if old == size {
		return nil
	}
	return f.Truncate(size) // also where it ends with a hole
}

var zeros [chunk]byte

// patch writes a chunk, unless it is there already; zeros become a hole.
func (x *extractor) patch(f *os.File, at int64, want, have []byte) error {
	zero := bytes.Equal(want, zeros[:len(want)])
	switch {
	case bytes.Equal(want, have), zero && len(have) == 0:
		return nil
	case zero && unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, int64(len(want))) == nil:
		return nil
	}
	if _, err := f.WriteAt(want, at); err != nil {
		return err
	}
	if x.dirty += int64(len(want)); x.dirty < unsynced {
		return nil
	}
	x.dirty = 0
	return f.Sync()
}

func (x *extractor) putLink(e entry, info fs.FileInfo) error {
	to, err := os.Lstat(x.full(e.header.Linkname))
	if err != nil {
		return err
	}
	if info != nil && os.SameFile(info, to) {
		return nil
	}
	if err := x.remove(e.path); err != nil {
		return err
	}
	return os.Link(x.full(e.header.Linkname), x.full(e.path))
}

// putSpecial makes what is neither a file nor a folder.
func (x *extractor) putSpecial(e entry, info fs.FileInfo) error {
	full, h := x.full(e.path), e.header
	if info != nil && alone(info) && x.isSpecial(full, h, info) {
		return nil
	}
	if err := x.remove(e.path); err != nil {
		return err
	}
	device := int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor)))
	switch h.Typeflag {
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, full)
	case tar.TypeChar:
		return unix.Mknod(full, unix.S_IFCHR|0o600, device)
	case tar.TypeBlock:
		return unix.Mknod(full, unix.S_IFBLK|0o600, device)
	default:
		return unix.Mknod(full, unix.S_IFIFO|0o600, 0)
	}
}

// isSpecial tells whether it is already what the archive says.
func (x *extractor) isSpecial(full string, h *tar.Header, info fs.FileInfo) bool {
	const kinds = fs.ModeType
	device := info.Sys().(*syscall.Stat_t).Rdev == unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
	switch h.Typeflag {
	case tar.TypeSymlink:
		to, err := os.Readlink(full)
		return err == nil && to == h.Linkname
	case tar.TypeChar:
		return info.Mode()&kinds == fs.ModeDevice|fs.ModeCharDevice && device
	case tar.TypeBlock:
		return info.Mode()&kinds == fs.ModeDevice && device
	default:
		return info.Mode()&kinds == fs.ModeNamedPipe
	}
}

// sync waits until all of it is on the disk.
func (x *extractor) sync() error {
	f, err := os.Open(x.root)
	if err != nil {
		return err
	}
	defer release(f)
	return unix.Syncfs(int(f.Fd()))
}
