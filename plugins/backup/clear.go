package backup

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// makeRoom takes away all that is not to stay, before anything is written: it may be the
// new version that has filled the disk. It needs an outline only.
func (x *extractor) makeRoom() error {
	return x.walk(x.shrink, x.clear)
}

// shrink takes away what is another kind of thing than the entry, or more of it.
func (x *extractor) shrink(e entry) error {
	x.meter.add(0)
	wantFolder := e.header.Typeflag == tar.TypeDir
	if wantFolder {
		x.open = append(x.open, folder{entry: e, names: map[string]bool{}})
	}
	info, err := os.Lstat(x.full(e.path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir() != wantFolder && e.path != ".":
		return x.remove(e.path)
	case e.header.Typeflag != tar.TypeReg || !info.Mode().IsRegular() || !alone(info):
		return nil
	}
	size, err := sizeOf(e.header)
	if err != nil || info.Size() <= size {
		return err
	}
	return os.Truncate(x.full(e.path), size)
}

// clear removes what is in a folder and not in the archive.
func (x *extractor) clear(f folder) error {
	dir, err := os.Open(x.full(f.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is still to be made
	}
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	release(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		p := filepath.Join(f.path, name)
		if f.names[name] || x.in.inner[p] {
			continue
		}
		if err := x.remove(p); err != nil {
			return err
		}
	}
	return nil
}

// remove removes whatever is there, and shows that it lives.
func (x *extractor) remove(p string) error {
	x.meter.add(0)
	full := x.full(p)
	err := unix.Unlink(full)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, statErr := os.Lstat(full)
	if statErr != nil || !info.IsDir() {
		return &fs.PathError{Op: "remove", Path: full, Err: err}
	}
	dir, err := os.Open(full)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	release(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := x.remove(filepath.Join(p, name)); err != nil {
			return err
		}
	}
	return os.Remove(full)
}
