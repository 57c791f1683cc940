package backup

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/client"

	"github.com/refit-dev/refit/hooks"
)

const (
	typeVolume = "volume"
	typeBind   = "bind"
)

// Engine says how to reach the engine. Where a field is empty the environment speaks:
// DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and DOCKER_API_VERSION.
type Engine struct {
	Host string // "unix:///var/run/docker.sock" or "tcp://127.0.0.1:2376"
	// TLSVerify asks for TLS, as naming one of the files does.
	TLSVerify         bool
	CACert, Cert, Key string // files in PEM
	APIVersion        string // "1.41"; "": what both sides know
}

// connect prepares a connection. It does no network I/O.
func (e Engine) connect() (*client.Client, error) {
	or := func(value, variable string) string {
		if value != "" {
			return value
		}
		return os.Getenv(variable)
	}
	host := or(e.Host, client.EnvOverrideHost)
	if host == "" {
		host = client.DefaultDockerHost
	}
	opts := []client.Opt{
		client.WithHost(host), client.WithVersion(or(e.APIVersion, client.EnvOverrideAPIVersion)),
		client.WithAPIVersionNegotiation(),
	}
	secure := e.TLSVerify || e.CACert != "" || e.Cert != "" || e.Key != "" || os.Getenv(client.EnvTLSVerify) != ""
	if secure && !strings.HasPrefix(host, "unix://") {
		opts = append(opts, client.WithTLSClientConfig(e.tlsFiles()))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to the engine: %w", err)
	}
	return api, nil
}

// tlsFiles names the files as the docker command does. Without a certificate the
// client shows none.
func (e Engine) tlsFiles() (ca, cert, key string) {
	dir := os.Getenv(client.EnvOverrideCertPath)
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".docker")
	}
	pick := func(file, name string) string {
		if file == "" {
			return filepath.Join(dir, name)
		}
		return file
	}
	ca, cert, key = pick(e.CACert, "ca.pem"), pick(e.Cert, "cert.pem"), pick(e.Key, "key.pem")
	if _, err := os.Stat(cert); err != nil && e.Cert == "" {
		return ca, "", ""
	}
	return ca, cert, key
}

// mount is a place in a container's files that is not its image's.
type mount struct {
	hooks.Mount
	subpath string   // of the volume, where only a part of it is mounted
	inner   []string // what is mounted below it, as paths from here
}

// subject is the container that it is about.
type subject struct {
	id, name  string
	running   bool
	startedAt string // when it was started last, as the engine writes it
	mounts    []mount
}

// task is one backup or one restore of one container.
type task struct {
	api       *client.Client
	store     *store
	container subject
	log       *slog.Logger
	say       sayer
	program   string
	attempt   string // the replacement that it is for; "" where a person restores
	image     string // id of the helper's image, if it was imported before
	// mayStop lets a restore stop the container; stopped says that it did.
	mayStop, stopped bool
	reserve          int64 // bytes that stay free on the disk of the backups
}

// prepare makes the task of a stage, and connects. The caller calls end.
func (h *Hook) prepare(ctx context.Context, u *hooks.Update, s settings) (*task, error) {
	if err := checkName(u.Container.Name); err != nil {
		return nil, err
	}
	t := &task{log: u.Log(), say: u.Progress, program: h.Program, reserve: h.reserve, attempt: u.Attempt}
	if err := t.connect(ctx, Engine{}, s.dir); err != nil {
		return nil, err
	}
	t.container.name = u.Container.Name
	return t, nil
}

// begin is prepare, with a look at the container.
func (h *Hook) begin(ctx context.Context, u *hooks.Update, s settings) (*task, error) {
	t, err := h.prepare(ctx, u, s)
	if err != nil {
		return nil, err
	}
	if err := t.find(ctx, u.Container.ID); err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

// connect reaches the engine and opens the store.
func (t *task) connect(ctx context.Context, e Engine, dir string) error {
	var err error
	if t.store, err = openStore(dir); err != nil {
		return err
	}
	if t.api, err = e.connect(); err == nil {
		t.store.engine, err = t.engineID(ctx)
	}
	if err == nil && t.reserve == 0 {
		var total int64
		total, _, err = disk(dir)
		t.reserve = reserveOf(total)
	}
	if err != nil {
		t.end()
	}
	return err
}

// engineID is how the engine calls itself: one backup folder may serve several.
func (t *task) engineID(ctx context.Context) (string, error) {
	info, err := t.api.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("ask the engine who it is: %w", err)
	}
	return info.ID, nil
}

// find looks at the container that it is about. Its name stays the one that the hook
// was told: that of a parked container is another.
func (t *task) find(ctx context.Context, nameOrID string) error {
	found, err := t.look(ctx, nameOrID)
	if err != nil {
		return err
	}
	if t.container.name != "" {
		found.name = t.container.name
	}
	t.container = found
	return nil
}

func (t *task) end() {
	t.store.close()
	if t.api != nil {
		t.api.Close()
	}
}

// look asks the engine about a container.
func (t *task) look(ctx context.Context, nameOrID string) (subject, error) {
	c, err := t.api.ContainerInspect(ctx, nameOrID)
	if err != nil {
		return subject{}, fmt.Errorf("look at the container: %w", err)
	}
	s := subject{id: c.ID, name: strings.TrimPrefix(c.Name, "/")}
	s.running = c.State.Running || c.State.Restarting || c.State.Paused
	s.startedAt = c.State.StartedAt
	for _, m := range c.Mounts {
		s.mounts = append(s.mounts, mount{Mount: hooks.Mount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: path.Clean(m.Destination), ReadOnly: !m.RW,
		}})
	}
	for i := range s.mounts {
		m := &s.mounts[i]
		for _, o := range s.mounts {
			if below, ok := strings.CutPrefix(o.Destination, m.Destination+"/"); ok {
				m.inner = append(m.inner, below)
			}
		}
		slices.Sort(m.inner)
		for _, wish := range c.HostConfig.Mounts {
			if path.Clean(wish.Target) == m.Destination && wish.VolumeOptions != nil {
				m.subpath = wish.VolumeOptions.Subpath
			}
		}
	}
	return s, nil
}

// open reads one mount of the container, running or not, as a tar archive.
func (t *task) open(ctx context.Context, destination string) (io.ReadCloser, error) {
	stat, err := t.api.ContainerStatPath(ctx, t.container.id, destination)
	if err != nil {
		return nil, err
	}
	if stat.Mode.IsDir() || stat.Mode&os.ModeSymlink != 0 {
		destination += "/." // what is in it, also where the path is a link of the image's
	}
	stream, _, err := t.api.CopyFromContainer(ctx, t.container.id, destination)
	return stream, err
}
