package host

import (
	"context"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// runnerFor is what go-plugin calls. The command has the variables of its handshake.
func (p *program) runnerFor(_ hclog.Logger, template *exec.Cmd, folder string) (runner.Runner, error) {
	p.folder = folder
	p.env = append(p.env, template.Env...)
	return p, p.noteFolder(folder)
}

// Stdout is the one line that go-plugin reads.
func (p *program) Stdout() io.ReadCloser { return io.NopCloser(strings.NewReader(p.handshake + "\n")) }

// Stderr is not for go-plugin.
func (p *program) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Wait returns when the process is dead, or was given up.
func (p *program) Wait(context.Context) error {
	select {
	case <-p.exited:
	case <-p.lost:
	}
	return nil
}

// Kill kills the process.
func (p *program) Kill(context.Context) error {
	p.kill()
	return nil
}

// Name is for go-plugin's log.
func (p *program) Name() string { return p.image.command[0] }

// ID is for go-plugin's log.
func (p *program) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strconv.Itoa(p.pid)
}

// Diagnose has nothing to add.
func (p *program) Diagnose(context.Context) string { return "" }

// PluginToHost leaves an address as it is.
func (p *program) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin leaves an address as it is.
func (p *program) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
