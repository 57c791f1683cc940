package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/loop"
)

// calm is how long after a look at the engine the sidecar gives back what it does not
// need to wait. One follows every cycle.
const calm = 3 * time.Second

// resting is an engine after whose answers there is nothing more to do for a while.
type resting struct {
	loop.Engine
	idle *time.Timer // what happens then
}

// Containers puts it off.
func (r resting) Containers(ctx context.Context) ([]core.Container, error) {
	defer r.idle.Reset(calm)
	return r.Engine.Containers(ctx)
}

// rest gives memory back to the machine that a look, a cycle or the start needed and waiting
// does not. A sidecar waits nearly always. The runtime would keep what it has freed for
// some minutes, and the pages of the program that only the start ran would stay for ever.
func rest() {
	debug.FreeOSMemory()
	releaseProgram()
}

// releaseProgram takes the pages of the program's own file that are never written out
// of this process. Those that it needs again come back from the page cache, as they did
// at first. Where that does not work the process is only larger.
func releaseProgram() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, p := range pristine(string(smaps), self) {
		// An error means that they stay.
		_, _, _ = syscall.RawSyscall(syscall.SYS_MADVISE, p.from, p.to-p.from, syscall.MADV_DONTNEED)
	}
}

// stretch is a part of a process's memory.
type stretch struct{ from, to uintptr }

// pristine reads /proc/self/smaps. It returns the parts that are what is in the file:
// this process cannot write them, and nobody has. A loader writes addresses into some
// before it protects them, and those are in no file.
func pristine(smaps, file string) (all []stretch) {
	var s stretch
	readOnly := false
	for line := range strings.Lines(smaps) {
		key, value, _ := strings.Cut(line, ":")
		switch {
		case strings.Contains(key, "-"): // the first line about a part
			s, readOnly = unwritten(line, file)
		case key == "Anonymous" && readOnly && strings.TrimSpace(value) == "0 kB":
			all = append(all, s)
		}
	}
	return all
}

// unwritten reads the first line about a part. It tells whether that is one of the
// file's that this process cannot write.
func unwritten(line, file string) (s stretch, ok bool) {
	var access, offset, device, name string
	var inode uint64
	n, err := fmt.Sscanf(line, "%x-%x %s %s %s %d %s", &s.from, &s.to, &access, &offset, &device, &inode, &name)
	return s, err == nil && n == 7 && name == file && strings.HasPrefix(access, "r-") && s.to > s.from
}
