package dockertest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endRest ends what an engine that was not stopped in good order has left behind: its
// containerd, and its containers with those that look after them. Some may just be
// starting others, so it goes on until there are none.
func (p *Private) endRest() {
	for deadline := time.Now().Add(tidyTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		left := p.rest()
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
		}
	}
}

// rest are the processes of the engine's that are left.
func (p *Private) rest() (left []int) {
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a good one
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err == nil && pid != os.Getpid() && (p.tends(folder) || p.holds(folder)) {
			left = append(left, pid)
		}
	}
	return left
}

// tends tells by its command line whether a process looks after containers of the
// engine: the engine's own folder is in it or, where the machine's containerd serves the
// engine, its name.
func (p *Private) tends(process string) bool {
	line, err := os.ReadFile(process + "/cmdline")
	return err == nil && (strings.Contains(string(line), p.dir+"/exec/") || strings.Contains(string(line), "-namespace\x00"+p.namespace))
}

// holds tells by its root whether a process is in a container of the engine: that lies
// in the engine's own folder. One that has ended has none.
func (p *Private) holds(process string) bool {
	b, err := os.ReadFile(process + "/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" {
			return strings.Contains(fields[3], "/"+filepath.Base(p.dir)+"/")
		}
	}
	return false
}

// unmount unmounts all that is mounted below the folder, the innermost first.
func unmount(dir string) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var places []string
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			places = append(places, fields[4])
		}
	}
	slices.Reverse(places)
	for _, place := range places {
		err = errors.Join(err, syscall.Unmount(place, syscall.MNT_DETACH))
	}
	return err
}
