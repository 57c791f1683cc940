package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endTime is how long a refit that was told to end may take to undo what it has begun.
const endTime = 2 * time.Minute

// command is refit as a process of its own, which knows nothing of what the user has
// set for another one. When ctx ends it is told to end, and undoes what it has begun.
func (b *bench) command(ctx context.Context, state string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.refit, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "DOCKER_CONFIG=" + b.dir, "REFIT_DATA=" + state,
		"DOCKER_HOST=" + b.host, "REFIT_SCOPE=" + b.id, "REFIT_LOG_FORMAT=json",
	}
	for _, name := range []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		if value := os.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	// A group of its own: an interrupt at the keyboard reaches it once, through us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTime
	return cmd
}

// state is a new folder for a refit's state.
func (b *bench) state() string {
	b.states++
	return filepath.Join(b.dir, fmt.Sprint("state-", b.states))
}

// once runs refit to its end, and returns what it printed and how long it took.
func (b *bench) once(ctx context.Context, state string, args ...string) ([]byte, time.Duration, error) {
	cmd := b.command(ctx, state, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		return nil, took, fmt.Errorf("refit %s: %w\n%s%s", strings.Join(args, " "), err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes(), took, nil
}

// sidecar is a refit that goes on.
type sidecar struct {
	cmd     *exec.Cmd
	began   time.Time
	book    *logbook
	stopped func()
}

// sidecar starts one; with --schedule or --interval among the arguments.
func (b *bench) sidecar(ctx context.Context, args ...string) (*sidecar, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &sidecar{cmd: b.command(ctx, b.state(), args...), book: newLogbook(), stopped: cancel}
	s.cmd.Stderr = s.book
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start the sidecar: %w", err)
	}
	return s, nil
}

// stop ends it in good order.
func (s *sidecar) stop() error {
	s.stopped()
	err := s.cmd.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("end the sidecar: %w\n%s", err, s.book.tail())
	}
	return nil
}

// cycle waits for the end of the next cycle, and returns when that was.
func (s *sidecar) cycle(ctx context.Context) (time.Time, error) {
	select {
	case at := <-s.book.cycles:
		return at, nil
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	case <-time.After(time.Minute):
		return time.Time{}, fmt.Errorf("the sidecar ends no cycle:\n%s", s.book.tail())
	}
}

// watching waits until it knows all containers, and has nothing more to do about them.
func (s *sidecar) watching(ctx context.Context) error {
	select {
	case <-s.book.watching:
	case <-time.After(time.Minute):
		return fmt.Errorf("the sidecar does not watch:\n%s", s.book.tail())
	case <-ctx.Done():
		return ctx.Err()
	}
	return sleep(ctx, 10*time.Second) // it looks once more when the engine's events stand
}

// cpu is what the process has had of the processors, all its threads together, in
// user and system mode: the kernel's own clock of it.
func (s *sidecar) cpu() (time.Duration, error) {
	// The clock's number, as clock_getcpuclockid(3) makes it out of the process's.
	const scheduled = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("read the sidecar's clock: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

func (s *sidecar) proc(file string) string {
	return fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file)
}

// peak is the most memory that was resident since the start or the last call, in MiB.
func (s *sidecar) peak() (float64, error) {
	most, err := kilobytes(s.proc("status"), "VmHWM")
	if err != nil {
		return 0, err
	}
	const reset = "5" // see proc(5), clear_refs
	return most, os.WriteFile(s.proc("clear_refs"), []byte(reset), 0)
}

// memory is what is resident now, and how much of it is no file's, in MiB.
func (s *sidecar) memory() (resident, anonymous float64, err error) {
	if resident, err = kilobytes(s.proc("smaps_rollup"), "Rss"); err != nil {
		return 0, 0, err
	}
	anonymous, err = kilobytes(s.proc("smaps_rollup"), "Anonymous")
	return resident, anonymous, err
}

// logbook reads a log as it is written, and passes on when cycles have ended.
type logbook struct {
	cycles   chan time.Time
	watching chan struct{} // closed when the sidecar says that it watches

	mu   sync.Mutex
	rest []byte   // an unfinished line
	last []string // the last lines, for who has to find out what was wrong
}

func newLogbook() *logbook {
	return &logbook{cycles: make(chan time.Time, 1<<12), watching: make(chan struct{})}
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.line(line)
		l.rest = rest
	}
}

func (l *logbook) line(text []byte) {
	const most = 20
	if l.last = append(l.last, string(text)); len(l.last) > most {
		l.last = l.last[1:]
	}
	var record struct {
		Time time.Time `json:"time"`
		Msg  string    `json:"msg"`
	}
	if json.Unmarshal(text, &record) != nil {
		return // the last words of a process that dies
	}
	switch record.Msg {
	case "watching containers": // once
		close(l.watching)
	case "cycle done":
		select {
		case l.cycles <- record.Time:
		default: // nobody counts them
		}
	}
}

func (l *logbook) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "\n")
}
