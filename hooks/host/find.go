package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/refit-dev/refit/core"
)

// prefix is how the file of a plugin begins.
const prefix = "refit-hook-"

// properName is what a hook may be called. Labels separate it from a key by a dot.
var properName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]*$`)

// properKey is what a setting of a hook may be called, or a family of them.
var properKey = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*(\.\*)?$`)

// executable is a plugin that was found. It was not looked at yet.
type executable struct {
	name    string
	path    string   // of the file in Dir, or of Refit itself
	command []string // of a bundled one
	bundled bool
}

// find looks for a hook: in Dir first, then among the bundled ones.
func (h *Host) find(name string) (executable, error) {
	if !properName.MatchString(name) {
		return executable{}, &fault{core.Reason{
			Code: core.HookMissing,
			Text: fmt.Sprintf("hook %s is not installed: no hook can have that name", tidy(name, 80)),
		}}
	}
	if h.Dir != "" {
		path, err := filepath.Abs(filepath.Join(h.Dir, prefix+name))
		if err == nil {
			_, err = os.Lstat(path)
		}
		switch {
		case err == nil:
			return executable{name: name, path: path}, nil
		case !errors.Is(err, fs.ErrNotExist):
			return executable{}, fmt.Errorf("look for it: %w", err)
		}
	}
	if command := h.Bundled[name]; len(command) > 0 {
		return executable{name: name, path: command[0], command: command, bundled: true}, nil
	}
	return executable{}, &fault{core.Reason{
		Code: core.HookMissing,
		Text: fmt.Sprintf("hook %s is not installed%s", name, h.others(name)),
	}}
}

// others says which hooks there are instead of a missing one.
func (h *Host) others(name string) string {
	names, err := h.names()
	near, ok := core.Nearest(name, names)
	switch {
	case ok:
		return ": did you mean " + near + "?"
	case err != nil:
		return fmt.Sprintf(", and the plugin folder cannot be read: %v", err)
	case len(names) == 0:
		return ", and neither is any other"
	default:
		return ": there is " + strings.Join(names, ", ")
	}
}

// names returns all hooks that there are, sorted. Those that are bundled are there
// also if the folder cannot be read.
func (h *Host) names() ([]string, error) {
	names := maps.Clone(h.Bundled)
	if names == nil {
		names = map[string][]string{}
	}
	var err error
	if h.Dir != "" {
		var entries []fs.DirEntry
		entries, err = os.ReadDir(h.Dir)
		for _, e := range entries {
			if name, ok := strings.CutPrefix(e.Name(), prefix); ok && properName.MatchString(name) {
				names[name] = nil
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), err
}

// identity tells one plugin file from another, and from itself after a change.
type identity struct {
	path        string // of the file itself; the command line of a bundled plugin
	device, ino uint64
	size        int64
	changed     time.Time
	sum         string // if there is a file of checksums
}

// image is a plugin that may be started: the open file is the one that was checked.
type image struct {
	identity
	command []string
	file    *os.File // nil for a bundled plugin
}

// Close closes the file. It may be called twice.
func (i image) Close() {
	if i.file != nil {
		closeAll(i.file)
	}
}

// open checks that a plugin may be started. The file stays open, and it is the open
// file that is run afterwards: exchanging it meanwhile has no effect. What remains is
// that somebody writes into the very same file after it was read, who then is root
// or Refit's own user, or nobody else could.
func (h *Host) open(exe executable) (image, error) {
	if exe.bundled {
		return image{identity: identity{path: strings.Join(exe.command, "\x00")}, command: exe.command}, nil
	}
	path, err := secure(exe.path)
	if err != nil {
		return image{}, err
	}
	// Not to be followed, and not to be waited for: it may have been exchanged.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return image{}, err
	}
	i := image{command: []string{path}, file: file}
	if i.identity, err = h.identify(exe.path, path, file); err != nil {
		i.Close()
		return image{}, err
	}
	return i, nil
}

// identify checks the open file itself. Path is the file's own, listed may be a link to it.
func (h *Host) identify(listed, path string, file *os.File) (identity, error) {
	info, err := file.Stat()
	if err != nil {
		return identity{}, err
	}
	if err := secureFile(path, info); err != nil {
		return identity{}, err
	}
	id := identity{path: path, size: info.Size(), changed: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.ino = uint64(stat.Dev), stat.Ino
	}
	if h.Checksums == "" {
		return id, nil
	}
	sums, err := readChecksums(h.Checksums)
	if err != nil {
		return identity{}, fmt.Errorf("read the checksums: %w", err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return identity{}, fmt.Errorf("compute its checksum: %w", err)
	}
	id.sum = hex.EncodeToString(hash.Sum(nil))
	return id, sums.check(id.sum, listed, path)
}
