package dockertest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// startTime is how long an engine may take to answer, or to end.
const startTime = time.Minute

// Private is an engine that belongs to one test alone: it may be stopped, killed
// and filled with anything. It lives in a network namespace of its own, because
// two engines in one fight over the bridge; so its 127.0.0.1 is another one than
// the test's, and only its socket is reachable from outside.
type Private struct {
	*Engine
	Socket string
	// TLS is set where the engine listens at tcp://127.0.0.1:2376 as well.
	TLS Certificates

	dir, namespace string
	process        *exec.Cmd
	log            *os.File
}

// Host of the TLS listener, inside of the namespace.
const tlsHost = "tcp://127.0.0.1:2376"

// NewPrivate starts an engine; with tls it also listens at tcp://127.0.0.1:2376
// inside of its namespace, with certificates on both sides. It needs root, dockerd,
// ip and nsenter; without them the test is skipped, or fails if REFIT_ENGINE=required.
func NewPrivate(t testing.TB, tls bool) *Private {
	t.Helper()
	return NewPrivateWith(t, tls, "{}")
}

// NewPrivateWith is NewPrivate for an engine whose daemon.json is config.
func NewPrivateWith(t testing.TB, tls bool, config string) *Private {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "an engine of its own needs root")
	}
	for _, program := range []string{"dockerd", "ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, "an engine of its own needs "+program)
		}
	}
	p := &Private{namespace: "refit-test-" + random()}
	t.Cleanup(func() { p.end(t) })
	if err := p.prepare(tls, config); err != nil {
		t.Fatalf("prepare an engine: %v", err)
	}
	if err := p.start(t.Context()); err != nil {
		t.Fatalf("start an engine: %v\n%s", err, p.Log())
	}
	api, err := client.NewClientWithOpts(client.WithHost("unix://"+p.Socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	// Its own tidying is p's: everything goes.
	p.Engine = &Engine{API: api, Host: "unix://" + p.Socket, t: t, prefix: p.namespace}
	return p
}

// TLSHost is the address of the TLS listener, inside of the namespace.
func (p *Private) TLSHost() string { return tlsHost }

func (p *Private) prepare(tls bool, config string) error {
	var err error
	// Not t.TempDir(): a socket's path has at most 107 bytes.
	if p.dir, err = os.MkdirTemp("", "refit-e-"); err != nil {
		return err
	}
	p.Socket = filepath.Join(p.dir, "docker.sock")
	if p.log, err = os.Create(filepath.Join(p.dir, "log")); err != nil {
		return err
	}
	// Else the machine's own configuration would be read.
	if err := os.WriteFile(filepath.Join(p.dir, "daemon.json"), []byte(config), 0o600); err != nil {
		return err
	}
	if tls {
		if p.TLS, err = newCertificates(p.dir); err != nil {
			return err
		}
	}
	if err := run("ip", "netns", "add", p.namespace); err != nil {
		return err
	}
	return run("ip", "-n", p.namespace, "link", "set", "lo", "up")
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// Command runs a program inside of the namespace: its 127.0.0.1 is the engine's.
func (p *Private) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	// Not "ip netns exec", which hides the control groups.
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + p.namespace, "--", name}, args...)...)
}

func (p *Private) start(ctx context.Context) error {
	args := []string{
		"--host", "unix://" + p.Socket, "--config-file", filepath.Join(p.dir, "daemon.json"),
		"--data-root", filepath.Join(p.dir, "data"), "--exec-root", filepath.Join(p.dir, "exec"),
		"--pidfile", filepath.Join(p.dir, "pid"),
		// A containerd that serves the machine's engine as well keeps them apart by this.
		"--containerd-namespace", p.namespace, "--containerd-plugins-namespace", p.namespace + "-plugins",
		// It works everywhere, also inside of a container.
		"--storage-driver", "vfs",
	}
	if p.TLS.CA != "" {
		args = append(args, "--host", tlsHost, "--tlsverify",
			"--tlscacert", p.TLS.CA, "--tlscert", p.TLS.serverCert, "--tlskey", p.TLS.serverKey)
	}
	p.process = p.Command(context.WithoutCancel(ctx), "dockerd", args...)
	p.process.Stdout, p.process.Stderr = p.log, p.log
	// nsenter becomes dockerd: the pid that is known is the one to kill. A group of
	// its own keeps an interrupt of the test from it, which tidies up after it.
	p.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.process.Start(); err != nil {
		return err
	}
	return p.answers(ctx)
}

func (p *Private) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	api, err := client.NewClientWithOpts(client.WithHost("unix://" + p.Socket))
	if err != nil {
		return err
	}
	defer api.Close()
	for {
		_, err := api.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Log is what the engine has logged, for a test that fails.
func (p *Private) Log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Pid is the engine's process.
func (p *Private) Pid() int { return p.process.Process.Pid }

// Kill ends the engine at once; its containers go on.
func (p *Private) Kill() {
	p.t.Helper()
	if err := p.stop(syscall.SIGKILL); err != nil {
		p.t.Fatalf("kill the engine: %v", err)
	}
}

// CutPower ends the engine and all that runs on it at once.
func (p *Private) CutPower() {
	p.t.Helper()
	p.Kill()
	p.endRest()
}

// Shutdown ends the engine, and its containers, as a shutdown would.
func (p *Private) Shutdown() {
	p.t.Helper()
	if err := p.stop(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop the engine: %v", err)
	}
}

// Boot starts the engine after its end, whatever that was, and waits until it answers.
func (p *Private) Boot() {
	p.t.Helper()
	if err := p.start(p.t.Context()); err != nil {
		p.t.Fatalf("start the engine: %v\n%s", err, p.Log())
	}
}

// Restart is Shutdown and Boot.
func (p *Private) Restart() {
	p.t.Helper()
	p.Shutdown()
	p.Boot()
}

// stop sends the signal and waits for the end. An engine that has ended is no error.
func (p *Private) stop(signal syscall.Signal) error {
	if p.process == nil || p.process.ProcessState != nil {
		return nil
	}
	if err := p.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(startTime, func() { _ = p.process.Process.Kill() }) // it may just have ended
	defer late.Stop()
	var ended *exec.ExitError
	if err := p.process.Wait(); err != nil && !errors.As(err, &ended) {
		return err
	}
	return p.awaitContainerd()
}

// awaitContainerd waits for the end of the engine's own containerd, which comes
// a moment after the engine's, and forgets its number: an engine that starts while
// a process has it takes that for a good one, and waits for it in vain.
func (p *Private) awaitContainerd() error {
	for deadline := time.Now().Add(startTime); p.containerd() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("its containerd does not end")
		}
	}
	err := os.Remove(p.containerdPid())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (p *Private) containerdPid() string {
	return filepath.Join(p.dir, "exec", "containerd", "containerd.pid")
}

// containerd is the process of the engine's own containerd, 0 if there is none.
func (p *Private) containerd() int {
	b, err := os.ReadFile(p.containerdPid())
	if err != nil {
		return 0 // it went with the engine, or was the machine's
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	// The number may be another process's by now. One that has ended and that nobody
	// has waited for has no command line.
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !strings.Contains(string(line), p.dir) {
		return 0
	}
	return pid
}

// end removes the engine and everything that was its. It goes on after an error:
// what is left would stay for ever.
func (p *Private) end(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
	defer cancel()
	told := func(what string, err error) {
		if err != nil {
			t.Errorf("tidy up the engine: %s: %v", what, err)
		}
	}
	if p.process != nil {
		if p.process.ProcessState != nil { // its containers outlived it
			told("start it again", p.start(ctx))
		}
		if p.Engine != nil {
			told("remove its containers", p.removeContainers(ctx))
			p.API.Close()
		}
		told("stop it", p.stop(syscall.SIGTERM))
		p.endRest()
	}
	if p.log != nil {
		told("close its log", p.log.Close())
	}
	if p.dir != "" {
		told("unmount its folders", unmount(p.dir))
		told("remove its folder", os.RemoveAll(p.dir))
	}
	if _, err := os.Stat("/run/netns/" + p.namespace); err == nil {
		told("remove its namespace", run("ip", "netns", "del", p.namespace))
	}
}

func (p *Private) removeContainers(ctx context.Context) error {
	all, err := p.API.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range all {
		err = errors.Join(err, p.API.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	return err
}
