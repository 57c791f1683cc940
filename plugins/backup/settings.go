package backup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/refit-dev/refit/hooks"
)

// The keys. A label may set all but the folder: it never holds a path of the host.
const (
	keyPaths   = "paths"
	keyWhen    = "when"
	keyKeep    = "keep"
	keyRestore = "restore"
	keyDir     = "dir"
)

const (
	defaultKeep = 3
	mostKept    = 1000
)

// settings are what the operator and the container's labels ask for.
type settings struct {
	dir     string
	paths   []string // in the container; empty: all volumes
	hot     bool
	keep    int // 1 to 1000
	restore bool
}

// parse reads the settings. Its errors name the key and a good value.
func parse(u *hooks.Update) (settings, error) {
	s := settings{dir: u.Operator[keyDir]}
	if s.dir == "" {
		return s, errors.New("no folder for backups is set: use --backup-dir /backup")
	}
	var errs [4]error
	s.keep, errs[0] = parseKeep(u.Setting(keyKeep))
	s.restore, errs[1] = parseWord(keyRestore, u.Setting(keyRestore), "false", "true")
	s.hot, errs[2] = parseWord(keyWhen, u.Setting(keyWhen), "cold", "hot")
	s.paths, errs[3] = parsePaths(u.Setting(keyPaths))
	if err := errors.Join(errs[:]...); err != nil {
		return s, err
	}
	if s.hot && s.restore {
		return s, errors.New("restore=true needs when=cold: what was written after a hot backup would be lost")
	}
	return s, nil
}

func parseKeep(value string) (int, error) {
	if value == "" {
		return defaultKeep, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > mostKept {
		return 0, fmt.Errorf("keep=%q: want a number from 1 to %d, such as 3", value, mostKept)
	}
	return n, nil
}

// parseWord tells whether the value is the second of two words; the first is the default.
func parseWord(key, value, no, yes string) (bool, error) {
	if value != "" && value != no && value != yes {
		return false, fmt.Errorf("%s=%q: want %s or %s", key, value, no, yes)
	}
	return value == yes, nil
}

func parsePaths(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	var paths []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if !path.IsAbs(part) {
			return nil, fmt.Errorf("paths=%q: %q is no path in the container: want such as /data,/conf", value, part)
		}
		if part = path.Clean(part); !slices.Contains(paths, part) {
			paths = append(paths, part)
		}
	}
	return paths, nil
}

// choose picks the mounts to archive, in the order of their places.
func (s settings) choose(mounts []mount) ([]mount, error) {
	var chosen []mount
	for _, m := range mounts {
		if m.Type == typeVolume && len(s.paths) == 0 || slices.Contains(s.paths, m.Destination) {
			chosen = append(chosen, m)
		}
	}
	for _, p := range s.paths {
		i := slices.IndexFunc(mounts, func(m mount) bool { return m.Destination == p })
		switch {
		case i < 0:
			return nil, fmt.Errorf("paths: %s is no mount of the container%s", p, places(mounts))
		case mounts[i].Type != typeVolume && mounts[i].Type != typeBind:
			return nil, fmt.Errorf("paths: %s is a mount of type %s, which cannot be archived", p, mounts[i].Type)
		}
	}
	slices.SortFunc(chosen, func(a, b mount) int { return strings.Compare(a.Destination, b.Destination) })
	return chosen, nil
}

// places lists what could have been meant.
func places(mounts []mount) string {
	var names []string
	for _, m := range mounts {
		if m.Type == typeVolume || m.Type == typeBind {
			names = append(names, m.Destination)
		}
	}
	if len(names) == 0 {
		return ", which has none"
	}
	slices.Sort(names)
	return ": it has " + strings.Join(names, ", ")
}
