package host_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/host"
	"github.com/refit-dev/refit/hooks/proto"
)

// found founds a family: one that is told of in a file, or in the reply, or one that
// breaks up.
func found(do, file string, reply *proto.Reply) error {
	if do == "orphan" {
		return exec.Command("/proc/self/exe", "play", "parent").Run()
	}
	pids, err := haveChildren()
	if err != nil {
		return err
	}
	if file != "" {
		if err := os.WriteFile(file, []byte(pids), 0o600); err != nil {
			return err
		}
		fall("hang")
	}
	reply.State = []byte(pids)
	return nil
}

// haveChildren starts one child in the plugin's group, and one that leaves it, and
// returns their numbers. Both hold the plugin's stdout and stderr open.
func haveChildren() (string, error) {
	var pids []string
	for _, leave := range []bool{false, true} {
		child := bear("sleeper", leave)
		if child.Process == nil {
			return "", child.Err
		}
		pids = append(pids, strconv.Itoa(child.Process.Pid))
	}
	return strings.Join(append(pids, strconv.Itoa(os.Getpid())), " "), nil
}

// bear starts a child that plays a part.
func bear(part string, leave bool) *exec.Cmd {
	child := exec.Command("/proc/self/exe", "play", part)
	child.Args[0] = part
	child.Stdout, child.Stderr = os.NewFile(1, "stdout"), os.NewFile(2, "stderr")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: leave}
	child.Err = child.Start()
	return child
}

// playFirstProcess is a Refit that is given all orphans among its descendants, as the
// first process of a container is.
func playFirstProcess() {
	const setChildSubreaper = 36
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		panic(errno)
	}
	h := &host.Host{Bundled: map[string][]string{"actor": {"/proc/self/exe", "play", "actor"}}}
	cycle := func(do string) {
		if _, err := h.Call(context.Background(), order(core.PreUpdate, do)); err != nil {
			panic(err)
		}
	}
	cycle("child")
	h.Rest()
	fmt.Println("after a cycle whose plugin had children", deadChildren())
	cycle("orphan")
	for end := time.Now().Add(patience); deadChildren() == 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	h.Rest()
	fmt.Print("after one with an orphan ", deadChildren())
	cycle("")
	h.Rest()
	fmt.Println(", and after the next", deadChildren())
}

// deadChildren is how many nobody has asked about.
func deadChildren() int {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	dead := 0
	for _, list := range lists {
		text, _ := os.ReadFile(list) // A thread may be gone.
		for _, pid := range strings.Fields(string(text)) {
			if !runs(pid) {
				dead++
			}
		}
	}
	return dead
}
