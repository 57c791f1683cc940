package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
)

// treeOf describes everything in a folder, a line for each file: its kind and mode,
// owners, links, size, time in seconds, what it holds, and its path. Two folders with
// the same description hold the same.
func treeOf(root string) (string, error) {
	var lines strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size, holds := info.Size(), "-"
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			holds = fmt.Sprintf("%x", sha256.Sum256(content))
		case info.Mode()&fs.ModeSymlink != 0:
			if holds, err = os.Readlink(path); err != nil {
				return err
			}
		case info.IsDir():
			size = 0 // it depends on what was there before
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		kernel := info.Sys().(*syscall.Stat_t)
		fmt.Fprintf(&lines, "%s %d:%d links=%d size=%d time=%d %s %q\n",
			info.Mode(), kernel.Uid, kernel.Gid, kernel.Nlink, size, info.ModTime().Unix(), holds, name)
		return nil
	})
	return lines.String(), err
}

// volumeOf is the folder of a container's mount on this machine. Without a look into
// it the test is skipped, or fails if REFIT_ENGINE=required.
func volumeOf(t testing.TB, e *dockertest.Engine, container, place string) string {
	t.Helper()
	for _, m := range e.Inspect(container).Mounts {
		if m.Destination != place {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			dockertest.Missing(t, "the engine's volumes cannot be seen from here: "+err.Error())
		}
		return m.Source
	}
	t.Fatalf("%s has nothing at %s", container, place)
	return ""
}

// tree writes down what is in a container's volume: tree NAME PLACE FILE.
func (s *story) tree(ts *testscript.TestScript, args []string) {
	if os.Geteuid() != 0 {
		dockertest.Missing(s.t, "to look into a volume needs root")
	}
	text, err := treeOf(volumeOf(s.t, s.engine, s.name(args[0]), args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}
