package command

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// shell runs a line. It first tells its own number in the container: the line takes
// the shell's place, and so its number, which is its group's number as well.
var shell = []string{"/bin/sh", "-c", `echo $$; exec /bin/sh -c "$1"`, "sh"}

const (
	heartbeat  = 10 * time.Second // between two signs of life
	politeTime = 2 * time.Second  // from asking a late command to end to killing it
	killTime   = time.Second
	poll       = 50 * time.Millisecond
)

// voice is what the hook says while a command runs.
type voice interface {
	Progress(text string, done, total int64)
	Log() *slog.Logger
}

// execution is one run of a command in a container.
type execution struct {
	api            *client.Client
	container      string
	startedAt      string // when the container was started last
	stage          string
	command        command
	user, workdir  string
	env            []string
	voice          voice
	heartbeat      time.Duration // 0 is heartbeat
	id             string        // the engine's, of the run
	pid            int           // in the container; 0 if that is not known
	output         output
	stdout, stderr stream
}

// exitError says that the command has run, and ended with another code than 0.
type exitError struct {
	stage string
	code  int
	last  string // of its output
}

func (e *exitError) Error() string {
	return fmt.Sprintf("the %s command ended with exit code %d%s", e.stage, e.code, e.after())
}

// after is the end of the output, to be put behind something.
func (e *exitError) after() string {
	if e.last == "" {
		return ""
	}
	return ": " + e.last
}

// run runs the command to its end. The error is an *exitError if it ended with
// another exit code than 0.
func (x *execution) run(ctx context.Context) error {
	within, cancel := ctx, func() {}
	if x.command.timeout > 0 {
		within, cancel = context.WithTimeout(ctx, x.command.timeout)
	}
	defer cancel()
	attached, err := x.start(within)
	if err != nil {
		return err
	}
	defer attached.Close()
	err = x.follow(within, attached)
	x.stdout.flush()
	x.stderr.flush()
	x.output.end()
	if within.Err() != nil {
		return x.late(ctx)
	}
	if err != nil {
		return fmt.Errorf("read what the %s command says: %w", x.stage, err)
	}
	return x.judge(within)
}

// start starts the command.
func (x *execution) start(ctx context.Context) (types.HijackedResponse, error) {
	x.output.log = x.voice.Log()
	x.stdout, x.stderr = stream{out: &x.output, name: "stdout"}, stream{out: &x.output, name: "stderr"}
	argv := x.command.argv
	if x.command.shell {
		argv = append(shell[:len(shell):len(shell)], argv...)
		x.output.number = func(line string) bool {
			pid, err := strconv.Atoi(line)
			x.pid = pid
			return err == nil
		}
	}
	made, err := x.api.ContainerExecCreate(ctx, x.container, container.ExecOptions{
		User: x.user, WorkingDir: x.workdir, Env: x.env, Cmd: argv, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return types.HijackedResponse{}, fmt.Errorf("prepare the %s command: %w", x.stage, err)
	}
	x.id = made.ID
	attached, err := x.api.ContainerExecAttach(ctx, x.id, container.ExecAttachOptions{})
	if err != nil {
		return attached, fmt.Errorf("start the %s command: %w", x.stage, err)
	}
	return attached, nil
}

// follow reads what the command says until it has ended or ctx has. A command that
// says nothing is spoken for: a hook that is silent for long is taken for dead.
func (x *execution) follow(ctx context.Context, attached types.HijackedResponse) error {
	defer context.AfterFunc(ctx, attached.Close)()
	read := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(&x.stdout, &x.stderr, attached.Reader)
		read <- err
	}()
	every, begun := x.heartbeat, time.Now()
	if every == 0 {
		every = heartbeat
	}
	beat := time.NewTicker(every)
	defer beat.Stop()
	for {
		x.voice.Progress(fmt.Sprintf("the %s command runs, for %s", x.stage, time.Since(begun).Round(time.Second)), 0, 0)
		select {
		case err := <-read:
			return err
		case <-beat.C:
		}
	}
}

// judge asks the engine how the command has ended.
func (x *execution) judge(ctx context.Context) error {
	state, err := x.await(ctx)
	ended := &exitError{stage: x.stage, code: state.ExitCode, last: x.output.last()}
	switch {
	case err == nil && ended.code == 0:
		return nil
	case err == nil && state.Pid == 0:
		return x.notStarted()
	}
	// The end of a container takes what was run in it along.
	found, look := x.api.ContainerInspect(ctx, x.container)
	switch {
	case look == nil && (!found.State.Running || found.State.StartedAt != x.startedAt):
		return fmt.Errorf("the container ended while the %s command ran in it%s", x.stage, ended.after())
	case err != nil:
		return fmt.Errorf("ask how the %s command ended: %w", x.stage, err)
	}
	return ended
}

// await asks until the command has ended: its streams may have been closed before.
func (x *execution) await(ctx context.Context) (container.ExecInspect, error) {
	for {
		state, err := x.api.ContainerExecInspect(ctx, x.id)
		if err != nil || !state.Running {
			return state, err
		}
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(poll):
		}
	}
}

// notStarted says why there never was a process. The engine writes that where the
// command's output would be.
func (x *execution) notStarted() error {
	said := x.output.last()
	if x.command.shell && strings.Contains(said, `"`+shell[0]+`"`) && strings.Contains(said, "no such file") {
		return fmt.Errorf(`the container has no %s for the %s command: write it as a JSON array, such as ["/app", "dump"]`,
			shell[0], x.stage)
	}
	return fmt.Errorf("the %s command could not be started: %s", x.stage, said)
}

// late ends a command that was given up, because its time is over or because ctx
// is, and says what has become of it. The engine can start a process in a
// container, but not end one: it is done from inside, by the shell that runs a line.
func (x *execution) late(ctx context.Context) error {
	fate := "may still run in the container"
	if x.kill(context.WithoutCancel(ctx)) {
		fate = "was ended"
	}
	if ctx.Err() != nil {
		return fmt.Errorf("the %s command was given up, and %s: %w", x.stage, fate, ctx.Err())
	}
	return fmt.Errorf("the %s command did not end within %s, and %s%s", x.stage, x.command.timeout, fate,
		(&exitError{last: x.output.last()}).after())
}

// kill tells whether the command has ended in the end.
func (x *execution) kill(ctx context.Context) bool {
	if x.over(ctx, 0) {
		return true
	}
	return x.pid > 0 && (x.signal(ctx, "TERM") && x.over(ctx, politeTime) || x.signal(ctx, "KILL") && x.over(ctx, killTime))
}

// over tells whether the command has ended, within that time.
func (x *execution) over(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, max(within, killTime))
	defer cancel()
	for begun := time.Now(); ; {
		state, err := x.api.ContainerExecInspect(ctx, x.id)
		if err != nil || !state.Running {
			return err == nil
		}
		if time.Since(begun) >= within {
			return false
		}
		time.Sleep(poll)
	}
}

// signal sends a signal to the command and all that it has started, as the same user.
func (x *execution) signal(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, killTime)
	defer cancel()
	made, err := x.api.ContainerExecCreate(ctx, x.container, container.ExecOptions{
		User: x.user, Cmd: []string{shell[0], "-c", fmt.Sprintf("kill -%s -%d", name, x.pid)},
	})
	if err != nil {
		return false
	}
	return x.api.ContainerExecStart(ctx, made.ID, container.ExecStartOptions{Detach: true}) == nil
}
