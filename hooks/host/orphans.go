package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// orphans are processes that a plugin has started, that have outlived their parent
// and have ended since. Where Refit is the first process of its container they are its
// own, and stay in the list of processes until it asks how they ended. The zero value
// is ready.
type orphans struct {
	mu   sync.Mutex
	dead map[string]bool // as of the last look: number and beginning
}

// bury lets go of those that were dead at the last look, too: any other child that
// has ended is somebody's who is about to ask.
func (o *orphans) bury() {
	o.mu.Lock()
	defer o.mu.Unlock()
	dead := map[string]bool{}
	for _, pid := range children() {
		s, err := stat(pid)
		if err != nil || !s.dead() {
			continue
		}
		key := fmt.Sprintf("%d/%s", pid, s.began)
		if !o.dead[key] {
			dead[key] = true
			continue
		}
		bury(pid, time.Now().Add(time.Second))
	}
	o.dead = dead
}

// bury lets go of a child that is about to be dead, or of a group of them, if it is
// ours, until that time: the last thread of a process may take a moment after the first.
func bury(pid int, end time.Time) {
	for time.Now().Before(end) {
		switch found, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); {
		case found == 0 && err == nil:
			time.Sleep(time.Millisecond)
		case err == syscall.EINTR, err == nil && pid < 0: // there may be more of the group
		default:
			return
		}
	}
}

// children are the numbers of the processes whose parent is this one. Every thread
// has its own.
func children() []int {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	var all []int
	for _, list := range lists {
		text, _ := os.ReadFile(list) // A thread may be gone.
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}
