package backup

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	mounts "github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"
)

// The engine can add files to a volume and overwrite them, and do no more. So a
// restore imports an image that is this very program and nothing else, and for each
// volume runs a container from it that has that volume, no network and no rights but
// those over files. It takes the archive from its standard input: see extract.go.

const (
	ownProgram = "/proc/self/exe"
	// inside is where the program, and the volume, are in the helper.
	inside, target = "/refit", "/volume"

	labelHook = "refit.hook" // = "backup", on all that a restore makes on the engine
	labelFor  = labelHook + ".container"
)

// entrypoint is what the helper runs. Whoever changes what it understands gives it
// another word: an image of before may be used by a Refit that was updated meanwhile.
var entrypoint = []string{inside, "hook", "backup", extractWord, target}

// canRestore makes sure that the helper would run on the engine.
func (t *task) canRestore(ctx context.Context) error {
	v, err := t.api.ServerVersion(ctx)
	if err != nil {
		return fmt.Errorf("ask the engine what it is: %w", err)
	}
	if v.Os != "linux" || v.Arch != runtime.GOARCH {
		return fmt.Errorf("restore=true: the engine runs %s/%s and this Refit is for linux/%s, so it could not restore there",
			v.Os, v.Arch, runtime.GOARCH)
	}
	f, err := elf.Open(t.ownProgram())
	if err != nil {
		return fmt.Errorf("restore=true: look at this program: %w", err)
	}
	defer release(f)
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("restore=true: this Refit is not linked statically (CGO_ENABLED=0), so it could not restore")
		}
	}
	return nil
}

func (t *task) ownProgram() string {
	if t.program != "" {
		return t.program
	}
	return ownProgram
}

// extract makes the mount what the archive says, whose packed form r gives, behind what
// says only what is to stay: see makeRoom.
func (h *helper) extract(ctx context.Context, a Archive, m mount, r io.Reader) error {
	args := append([]string{strconv.FormatInt(a.outline().Packed, 10), strconv.FormatInt(a.Packed, 10)}, a.Inner...)
	name := newHelperName()
	id, err := h.create(ctx, name, args, m)
	if err == nil {
		err = h.feed(ctx, id, a, r)
	}
	// By its name: the engine may have made it, and its answer may have been lost.
	return errors.Join(err, removeHelper(ctx, h.t.api, name))
}

// create makes the helper for a mount, and makes sure that it is of our image: a tag
// may be moved.
func (h *helper) create(ctx context.Context, name string, args []string, m mount) (string, error) {
	made, err := h.t.api.ContainerCreate(ctx, &container.Config{
		Image: h.reference, Cmd: args, User: "0:0", AttachStdin: true, AttachStdout: true, AttachStderr: true,
		OpenStdin: true, StdinOnce: true, NetworkDisabled: true,
		// It is nobody's to update, whatever an updater thinks of its other labels.
		Labels: map[string]string{labelHook: "backup", labelFor: h.t.container.name, "refit.enable": "false"},
	}, &container.HostConfig{
		NetworkMode: "none", ReadonlyRootfs: true, CapDrop: []string{"ALL"},
		CapAdd:      []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"},
		SecurityOpt: []string{"no-new-privileges", "label=disable"},
		// The engine's archives have the owners of the host's files.
		UsernsMode: "host",
		LogConfig:  container.LogConfig{Type: "none"},
		Mounts:     []mounts.Mount{m.wish()},
	}, nil, nil, name)
	if err != nil {
		return "", fmt.Errorf("create the helper: %w", err)
	}
	found, err := h.t.api.ContainerInspect(ctx, made.ID)
	if err != nil {
		return "", fmt.Errorf("look at the helper: %w", err)
	}
	if found.Image != h.id {
		return "", fmt.Errorf("%s is another image than the one that was imported", h.reference)
	}
	return made.ID, nil
}

// wish is the mount for the helper. Nothing of the image is copied into it, and no
// volume is made: the container that stands still has it.
func (m mount) wish() mounts.Mount {
	if m.Type == typeBind {
		return mounts.Mount{Type: mounts.TypeBind, Source: m.Source, Target: target}
	}
	return mounts.Mount{
		Type: mounts.TypeVolume, Source: m.Name, Target: target,
		VolumeOptions: &mounts.VolumeOptions{NoCopy: true, Subpath: m.subpath},
	}
}

// feed starts the helper, gives it the archive and waits for its end.
func (h *helper) feed(ctx context.Context, id string, a Archive, r io.Reader) error {
	line, err := h.t.api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attach to the helper: %w", err)
	}
	defer line.Close()
	stop := context.AfterFunc(ctx, line.Close) // the connection does not know ctx
	defer stop()
	if err := h.t.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start the helper: %w", err)
	}
	heard := &listener{meter: newMeter(h.t.say, "restoring "+a.Destination, a.Bytes)}
	ended := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(heard, &heard.complaint, line.Reader)
		line.Close() // nobody takes what is still to be sent
		ended <- err
	}()
	_, sent := io.Copy(line.Conn, r)
	if sent == nil {
		// Not every way to an engine lets one half be closed. The helper counts.
		_ = line.CloseWrite()
	}
	if got := <-ended; ctx.Err() == nil && heard.done && got == nil {
		return h.exit(ctx, id)
	}
	switch complaint := strings.TrimSpace(heard.complaint.String()); {
	case ctx.Err() != nil:
		return ctx.Err()
	case complaint != "":
		return errors.New(complaint)
	case sent != nil:
		return fmt.Errorf("send the archive to the helper: %w", sent)
	default:
		return errors.New("the helper ended before it was done")
	}
}

// exit makes sure that the helper ended well.
func (h *helper) exit(ctx context.Context, id string) error {
	answer, wrong := h.t.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case a := <-answer:
		if a.StatusCode != 0 {
			return fmt.Errorf("the helper ended with exit code %d", a.StatusCode)
		}
		return nil
	case err := <-wrong:
		return fmt.Errorf("wait for the helper: %w", err)
	}
}

// mostComplaint is how many bytes of the helper's complaint are kept.
const mostComplaint = 4 << 10

// listener understands what the helper says, line by line: how many bytes are done,
// and at last that all is.
type listener struct {
	meter     *meter
	rest      []byte
	done      bool
	complaint complaint
}

func (l *listener) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.rest = rest
		if string(line) == doneWord {
			l.done = true
		} else if n, err := strconv.ParseInt(string(line), 10, 64); err == nil {
			l.meter.add(n - l.meter.done)
		}
	}
}

// complaint keeps the beginning of what is written to it.
type complaint struct{ bytes.Buffer }

func (c *complaint) Write(p []byte) (int, error) {
	c.Buffer.Write(p[:min(len(p), mostComplaint-c.Len())])
	return len(p), nil
}
