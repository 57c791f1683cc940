package host

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A plugin may start programs of its own, and they are to end with it. Every plugin
// is the head of a process group, and has a mark in its environment, which those
// that it starts have, too. A killed plugin takes with it its group and whoever has
// left the group but kept the mark.
//
// Where Refit itself is killed, the kernel kills the plugins. Those that they have
// started go on until the next Refit looks for marks whose Refit is gone, which it
// does before it starts a plugin. In a container that does not happen: all die with
// Refit, its first process.

// markKey is the environment variable that holds the mark.
const markKey = "REFIT_HOOK_PROCESS"

// owner is the part of the mark that all plugins of one Refit share: the process
// namespace, Refit's process, and when that began.
func owner(pid int) (string, error) {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "", err
	}
	s, err := stat(pid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s/%d/%s/", namespace, pid, s.began), nil
}

// newMark makes the mark of one plugin process. Without /proc there is no owner.
func newMark() string {
	of, err := owner(os.Getpid())
	if err != nil {
		of = "/"
	}
	return markKey + "=" + of + rand.Text()
}

// abandoned tells whether an environment has the mark of a Refit that has ended.
func abandoned(environment []byte) bool {
	mark, ok := marked(environment)
	if !ok {
		return false
	}
	parts := strings.Split(mark, "/")
	if len(parts) != 4 {
		return false
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil {
		return false
	}
	us, err := owner(os.Getpid())
	if err != nil || !strings.HasPrefix(us, parts[0]+"/") {
		return false // of another namespace, where numbers mean others
	}
	s, err := stat(pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	return s.dead() || s.began != parts[2]
}

func marked(environment []byte) (mark string, ok bool) {
	for entry := range bytes.SplitSeq(environment, []byte{0}) {
		if value, ok := bytes.CutPrefix(entry, []byte(markKey+"=")); ok {
			return string(value), true
		}
	}
	return "", false
}

// life is what the kernel says of a process.
type life struct {
	state string // one letter
	group int
	began string // in ticks since the machine has started
}

// dead tells whether the process only waits for its parent to notice its end.
func (s life) dead() bool { return s.state == "Z" || s.state == "X" }

func stat(pid int) (life, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return life{}, err
	}
	// The name, in brackets, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const state, group, began = 0, 2, 19
	if len(fields) <= began {
		return life{}, fmt.Errorf("process %d: an unknown kind of status", pid)
	}
	s := life{state: fields[state], began: fields[began]}
	s.group, err = strconv.Atoi(fields[group])
	return s, err
}

// living returns the processes, other than Refit, that match.
func living(match func(s life, environment []byte) bool) []*os.Process {
	const maxEnvironment = 1 << 20
	folders, _ := filepath.Glob("/proc/[0-9]*")
	var all []*os.Process
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil || pid == os.Getpid() {
			continue
		}
		// From here on the number means this process, whatever becomes of it.
		p, err := os.FindProcess(pid)
		if err != nil {
			continue
		}
		s, err := stat(pid)
		if err == nil && !s.dead() && match(s, read(folder+"/environ", maxEnvironment)) {
			all = append(all, p)
			continue
		}
		_ = p.Release()
	}
	return all
}

// read returns the beginning of a file, nothing of one that cannot be read.
func read(path string, most int64) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer closeAll(file)
	text, _ := io.ReadAll(io.LimitReader(file, most))
	return text
}

// killAll kills those that match until there are none, or for a second: what then
// still is there cannot be killed. It returns the numbers of those that it has killed.
func killAll(match func(s life, environment []byte) bool) []int {
	var killed []int
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		found := living(match)
		if len(found) == 0 {
			break
		}
		for _, p := range found {
			killed = append(killed, p.Pid)
			_ = p.Kill()
			_ = p.Release()
		}
	}
	return killed
}

// killFamily kills all that belongs to a plugin whose head has ended. Group is its
// process group.
func killFamily(group int, mark string) {
	killed := killAll(func(s life, environment []byte) bool {
		theirs, ok := marked(environment)
		return s.group == group || ok && markKey+"="+theirs == mark
	})
	// Where Refit is the first process it is the parent of all that were orphaned.
	end := time.Now().Add(time.Second)
	for _, pid := range append(killed, -group) {
		bury(pid, end)
	}
}

// killAbandoned kills what the plugins of a killed Refit have left.
func killAbandoned() {
	killAll(func(_ life, environment []byte) bool { return abandoned(environment) })
}
