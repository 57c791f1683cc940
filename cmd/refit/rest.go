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
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		if from, to, ok := unwritten(line, self); ok {
			// An error means that they stay.
			_, _, _ = syscall.RawSyscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}

// unwritten reads a line of /proc/self/maps. It tells whether it is about a part of the
// file that this process cannot write, so that giving it up loses nothing.
func unwritten(line, file string) (from, to uintptr, ok bool) {
	var access, offset, device string
	var inode uint64
	var name string
	n, err := fmt.Sscanf(line, "%x-%x %s %s %s %d %s", &from, &to, &access, &offset, &device, &inode, &name)
	return from, to, err == nil && n == 7 && name == file && strings.HasPrefix(access, "r-") && to > from
}
