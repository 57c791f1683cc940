package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links are followed on the way to a file.
const maxLinks = 40

// secure follows a path to the file that it means, and returns that file's own path.
// It refuses the path where anybody but root and Refit's own user could put another
// file in its place: where a folder on the way, or the file, belongs to somebody
// else, or may be written by others or by a group that is neither root's nor Refit's
// own. A folder in which everybody may write, and nobody may touch what others have
// put there (/tmp), is good enough above the last folder only.
func secure(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at, rest, links := "/", split(path), 0
	for len(rest) > 0 {
		if err := secureFolder(at, len(rest) == 1); err != nil {
			return "", err
		}
		next := filepath.Join(at, rest[0])
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		rest = rest[1:]
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if err := owned(next, info); err != nil {
			return "", err
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s leads through too many symbolic links", path)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(split(target), rest...)
	}
	return at, nil
}

// split returns the parts of a path. Dots stay: after a link they mean the folder
// of its target.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// secureFolder checks a folder on the way. Last is the one that holds the file.
func secureFolder(path string, last bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", path)
	}
	if info.Mode()&fs.ModeSticky != 0 && !last {
		return owned(path, info)
	}
	return first(owned(path, info), unwritable(path, info))
}

// secureFile checks the file at the end of the way.
func secureFile(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s is not executable", path)
	}
	return first(owned(path, info), unwritable(path, info))
}

// owned tells whether a file is root's or Refit's own.
func owned(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: nobody knows who owns it", path)
	}
	if me := os.Geteuid(); stat.Uid != 0 && int(stat.Uid) != me {
		return fmt.Errorf("%s belongs to user %d, who is neither root nor Refit's own (%d)", path, stat.Uid, me)
	}
	return nil
}

// unwritable tells whether nobody but the owner may write, and a group that is
// root's or Refit's own.
func unwritable(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode()&0o002 != 0:
		return fmt.Errorf("%s may be written by everybody", path)
	case info.Mode()&0o020 != 0 && (!ok || stat.Gid != 0 && int(stat.Gid) != os.Getegid()):
		return fmt.Errorf("%s may be written by a group", path)
	}
	return nil
}

// first returns the first error that there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
