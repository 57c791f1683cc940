package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// bench is a run: what it has made carries its id, and goes with it.
type bench struct {
	settings
	api    *client.Client
	host   string // of the engine
	id     string // the scope, the label and the beginning of all names
	dir    string // for state
	stand  *stand
	states int // how many folders for state there have been
	log    io.Writer
}

// mark is the label of whatever a run makes on the engine.
const mark = "dev.refit.bench"

// tidyTime is how long cleaning up may take.
const tidyTime = 5 * time.Minute

// begin makes sure that everything is there that a run needs.
func begin(ctx context.Context, s settings, log io.Writer) (*bench, error) {
	b := &bench{settings: s, log: log}
	var err error
	for _, name := range []*string{&b.refit, &b.fixture} {
		if *name, err = filepath.Abs(*name); err != nil {
			return nil, err
		}
		if _, err := os.Stat(*name); err != nil {
			return nil, fmt.Errorf("%w (make build makes it)", err)
		}
	}
	if b.api, err = client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()); err != nil {
		return nil, fmt.Errorf("prepare the connection to the engine: %w", err)
	}
	b.host = b.api.DaemonHost()
	short, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := b.api.Ping(short); err != nil {
		return nil, fmt.Errorf("no engine answers at %s: make engine starts one, DOCKER_HOST names another", b.host)
	}
	random := make([]byte, 4)
	_, _ = rand.Read(random) // it never fails
	b.id = "bench-" + hex.EncodeToString(random)
	if b.dir, err = os.MkdirTemp("", "refit-"+b.id+"-"); err != nil {
		return nil, err
	}
	if b.stand, err = newStand(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(b.dir))
	}
	return b, nil
}

// say tells who waits how far it is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: "+format+"\n", args...)
}

// end removes all that the run has made, also where it was interrupted.
func (b *bench) end() error {
	return errors.Join(b.clear(), b.clearImages(), b.stand.close(), os.RemoveAll(b.dir))
}

func (b *bench) marked() filters.Args { return filters.NewArgs(filters.Arg("label", mark+"="+b.id)) }

// clear removes the containers and networks.
func (b *bench) clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
	defer cancel()
	all, err := b.api.ContainerList(ctx, container.ListOptions{All: true, Filters: b.marked()})
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	err = several(len(all), func(i int) error {
		err := b.api.ContainerRemove(ctx, all[i].ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		return unlessGone(err)
	})
	networks, listErr := b.api.NetworkList(ctx, network.ListOptions{Filters: b.marked()})
	err = errors.Join(err, listErr)
	for _, n := range networks {
		err = errors.Join(err, unlessGone(b.api.NetworkRemove(ctx, n.ID)))
	}
	if err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// clearImages removes the images whose repository, at the run's own registry,
// carries the run's id.
func (b *bench) clearImages() error {
	ctx, cancel := context.WithTimeout(context.Background(), tidyTime)
	defer cancel()
	all, err := b.api.ImageList(ctx, image.ListOptions{All: true})
	if err != nil {
		return fmt.Errorf("clean up the images: %w", err)
	}
	err = several(len(all), func(i int) error {
		if !strings.Contains(strings.Join(append(all[i].RepoTags, all[i].RepoDigests...), " "), b.id) {
			return nil
		}
		_, err := b.api.ImageRemove(ctx, all[i].ID, image.RemoveOptions{Force: true, PruneChildren: true})
		return unlessGone(err)
	})
	if err != nil {
		return fmt.Errorf("clean up the images: %w", err)
	}
	return nil
}

// unlessGone forgets that what should go is gone, or about to be.
func unlessGone(err error) error {
	if err == nil || strings.Contains(strings.ToLower(err.Error()), "no such") || strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return err
}

// several does n things, some at a time. All are begun, whatever becomes of one.
func several(n int, do func(i int) error) error {
	errs := make([]error, n)
	places := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i := range n {
		places <- struct{}{}
		group.Go(func() {
			errs[i] = do(i)
			<-places
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// name is a name of the run's own.
func (b *bench) name(format string, args ...any) string {
	return b.id + "-" + fmt.Sprintf(format, args...)
}

// watched are the labels of a container that refit is to look after, with some more:
// "refit.strategy=start-first".
func (b *bench) watched(more ...string) map[string]string {
	labels := map[string]string{mark: b.id, "refit.enable": "true", "refit.scope": b.id}
	for _, one := range more {
		key, value, _ := strings.Cut(one, "=")
		labels[key] = value
	}
	return labels
}

// make makes a container and does not start it.
func (b *bench) make(ctx context.Context, name string, c container.Config, h container.HostConfig, n *network.NetworkingConfig) (string, error) {
	made, err := b.api.ContainerCreate(ctx, &c, &h, n, nil, name)
	if err != nil {
		return "", fmt.Errorf("create %s: %w", name, err)
	}
	return made.ID, nil
}

// start makes a container and starts it.
func (b *bench) start(ctx context.Context, name string, c container.Config, h container.HostConfig, n *network.NetworkingConfig) (string, error) {
	id, err := b.make(ctx, name, c, h, n)
	if err != nil {
		return "", err
	}
	if err := b.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return "", fmt.Errorf("start %s: %w", name, err)
	}
	return id, nil
}

// webs starts so many web services of an image, looked after, and returns their names.
func (b *bench) webs(ctx context.Context, n int, reference string) ([]string, error) {
	all := make([]string, n)
	return all, several(n, func(i int) error {
		all[i] = b.name("web-%d", i)
		_, err := b.start(ctx, all[i], container.Config{Image: reference, Labels: b.watched()}, container.HostConfig{}, nil)
		return err
	})
}

// pull lets the engine pull a reference from the run's registry.
func (b *bench) pull(ctx context.Context, reference string) error {
	progress, err := b.api.ImagePull(ctx, reference, image.PullOptions{})
	if err != nil {
		return fmt.Errorf("pull %s: %w", reference, err)
	}
	defer func() { _ = progress.Close() }()
	said, err := io.ReadAll(progress) // an error stands in the stream
	if err == nil && bytes.Contains(said, []byte(`"errorDetail"`)) {
		err = errors.New(string(said))
	}
	if err != nil {
		return fmt.Errorf("pull %s: %w", reference, err)
	}
	return nil
}
