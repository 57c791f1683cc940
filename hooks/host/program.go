package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// drain is how long the last output of a program is waited for once it is dead.
	drain = 200 * time.Millisecond
	// mercy is how long a program that was killed may take to die. One that waits for
	// a disk or a file server dies when that answers, which may be never.
	mercy = 30 * time.Second
	// immortal is what is said of one that takes longer.
	immortal = "cannot be killed: it hangs in the kernel"
)

// kernel is what the system does for a program. Tests have another.
type kernel struct {
	kill  func(pid int, s syscall.Signal) error
	mercy time.Duration
}

// program is a plugin's operating system process. It is a runner.Runner, so that
// go-plugin starts what was checked, in a way that nothing of it survives, and reads
// nothing but the one line that it needs: a line without an end would stop its reader
// for good, and some lines on stderr would end Refit.
type program struct {
	image image
	env   []string
	heard *listener
	mark  string
	// folder is that of the socket. go-plugin makes it, and does not always remove it.
	folder string

	kernel kernel
	tasks  sync.WaitGroup
	exited chan struct{} // closed when the process and its family are dead
	lost   chan struct{} // closed when it was killed and does not die: nobody waits for it any more

	mu     sync.Mutex
	begun  bool // there is a life, which closes exited
	pid    int  // 0 before the start
	doomed bool // it is killed, or is to be
	mourn  *time.Timer
	reaped bool // its number may be another's
	state  *os.ProcessState

	handshake string
}

func newProgram(i image, env []string, heard *listener) *program {
	return &program{
		image: i, env: env, heard: heard, mark: newMark(), kernel: kernel{kill: syscall.Kill, mercy: mercy},
		exited: make(chan struct{}), lost: make(chan struct{}),
	}
}

// Start starts the process, and reads the line in which it says how to reach it.
func (p *program) Start(context.Context) error {
	out, outEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	errs, errsEnd, err := os.Pipe()
	if err != nil {
		closeAll(out, outEnd)
		return err
	}
	p.mu.Lock()
	p.begun = true
	p.mu.Unlock()
	begun := make(chan error, 1)
	p.tasks.Go(func() {
		cmd := p.command(outEnd, errsEnd)
		p.live(cmd, begun, out, errs)
	})
	select {
	case err = <-begun:
	case <-p.lost: // its file hangs
		return errors.New(immortal)
	}
	if err != nil {
		return refusal(fmt.Sprintf("it cannot be started: %v", plainStart(err)))
	}
	first := make(chan string, 1)
	p.tasks.Go(func() { p.heard.listen(out, "stdout", first) })
	p.tasks.Go(func() { p.heard.listen(errs, "stderr", nil) })
	select {
	case line, there := <-first:
		if !there {
			return errors.New("it closed its stdout before it said how to reach it")
		}
		p.handshake = line
		return checkHandshake(line)
	case <-p.lost:
		return errors.New(immortal)
	}
}

// command is the process to be. It runs the file that was checked, not its path.
func (p *program) command(out, errs *os.File) *exec.Cmd {
	cmd := exec.Command(p.image.command[0], p.image.command[1:]...)
	if p.image.file != nil {
		cmd.Path = "/proc/self/fd/3" // the first of the extra files, in the new process
		cmd.Err = nil
		cmd.ExtraFiles = []*os.File{p.image.file}
	}
	cmd.Env = append(p.env, p.mark)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// live is the life of the process, on a thread of its own: the kernel kills the
// process when the thread that has started it ends. It goes on for as long as the
// process is there, also if nobody waits for that any more.
func (p *program) live(cmd *exec.Cmd, begun chan<- error, output ...*os.File) {
	runtime.LockOSThread() // for good: the thread is to end with this
	defer close(p.exited)
	defer p.calm()
	err := p.launch(cmd)
	begun <- err
	if err != nil {
		for _, file := range output {
			closeAll(file)
		}
		return
	}
	waitDead(p.pid)
	p.mu.Lock()
	// As long as nobody has asked how it ended, its number is no other's.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_ = cmd.Wait() // What it says is in the state.
	p.reaped, p.state = true, cmd.ProcessState
	p.mu.Unlock()
	killFamily(p.pid, p.mark)
	for _, file := range output {
		_ = file.SetReadDeadline(time.Now().Add(drain))
		if p.isLost() { // perhaps before anybody listened
			closeAll(file)
		}
	}
}

// launch starts the process. That may hang, so it is not done under the lock, and
// what is needed for it is not closed by anybody else.
func (p *program) launch(cmd *exec.Cmd) error {
	p.mu.Lock()
	doomed := p.doomed
	p.mu.Unlock()
	err := errors.New("it was given up")
	if !doomed {
		err = cmd.Start()
	}
	for _, end := range []any{cmd.Stdout, cmd.Stderr} {
		if file, ok := end.(*os.File); ok {
			closeAll(file)
		}
	}
	p.image.Close()
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = cmd.Process.Pid
	if p.doomed {
		_ = p.kernel.kill(-p.pid, syscall.SIGKILL)
	}
	return nil
}

// waitDead returns when a child is dead, and leaves it a zombie.
func waitDead(pid int) {
	const ofProcess, exited, leave = 1, 0x4, 0x1000000 // P_PID, WEXITED, WNOWAIT
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, ofProcess, uintptr(pid), 0, exited|leave, 0, 0)
		if errno != syscall.EINTR {
			return
		}
	}
}

// kill kills the process and its group, or keeps it from being started. It is given
// up if that does not come to pass.
func (p *program) kill() {
	p.mu.Lock()
	p.doomed = true
	if p.mourn == nil && p.begun && !p.gone() {
		p.mourn = time.AfterFunc(p.kernel.mercy, p.lose)
	}
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

// calm is the opposite: it is dead.
func (p *program) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mourn != nil {
		p.mourn.Stop()
	}
}

// lose gives up a program that does not die.
func (p *program) lose() {
	if p.gone() {
		return
	}
	close(p.lost)
	p.mu.Lock()
	group := p.pid
	p.mu.Unlock()
	killAll(func(s life, environment []byte) bool {
		theirs, ok := marked(environment)
		return s.group != group && ok && markKey+"="+theirs == p.mark
	})
}

func (p *program) isLost() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// signal sends a signal to the process and its group.
func (p *program) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 && !p.reaped {
		_ = p.kernel.kill(-p.pid, s)
	}
}

func (p *program) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid != 0
}

// gone tells whether the process was started and is dead.
func (p *program) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// wait returns when the process is dead and what it has said was read, or when it
// was given up.
func (p *program) wait() {
	p.mu.Lock()
	begun := p.begun
	p.mu.Unlock()
	if !begun {
		p.image.Close()
		return
	}
	select {
	case <-p.exited:
		p.tasks.Wait()
	case <-p.lost:
	}
}

func (p *program) waitAtMost(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}

// endedItself tells whether it died, and not by our hand.
func (p *program) endedItself() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state != nil && !p.killed()
}

// killed is to be called under the lock.
func (p *program) killed() bool {
	status, ok := p.state.Sys().(syscall.WaitStatus)
	return p.doomed && ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// fate says how the process ended, and the last that it has said.
func (p *program) fate() string {
	p.mu.Lock()
	state := p.state
	p.mu.Unlock()
	if state == nil {
		return "the plugin has ended"
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return fmt.Sprintf("the plugin was killed (%v)%s", status.Signal(), p.lastWords())
	}
	return fmt.Sprintf("the plugin ended by itself (exit code %d)%s", state.ExitCode(), p.lastWords())
}

// lastWords is the end of a sentence.
func (p *program) lastWords() string {
	if words := p.heard.lastWords(); words != "" {
		return ": " + words
	}
	return ""
}

// plainStart is why a program cannot be started, without the path by which it was.
func plainStart(err error) error {
	var path *os.PathError
	switch {
	case !errors.As(err, &path):
		return err
	case errors.Is(err, syscall.ENOEXEC):
		return errors.New("it is no program for this machine")
	case errors.Is(err, syscall.ENOENT):
		return errors.New("the program that is to run it is not there")
	default:
		return path.Err
	}
}

func closeAll(files ...io.Closer) {
	for _, f := range files {
		f.Close()
	}
}
