package dockertest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// endRest ends what an engine that could not be stopped in good order has left
// behind: its containerd, and its containers with those that look after them. They
// are known by the engine's own folder in their command lines.
func (p *Private) endRest() {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is a good one
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(line), p.dir+"/exec/") {
			continue
		}
		number := filepath.Base(filepath.Dir(name))
		pid, err := strconv.Atoi(number)
		if err != nil || pid == os.Getpid() {
			continue
		}
		children, _ := os.ReadFile("/proc/" + number + "/task/" + number + "/children") // gone meanwhile
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
			}
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
	}
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
