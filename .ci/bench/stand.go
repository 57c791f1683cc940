package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/refit-dev/refit/core/registry/registrytest"
)

// latency is how long the registry takes for each request, beyond the request itself.
const latency = 50 * time.Millisecond

// stand is a registry that wants a token for each repository, as Docker Hub does,
// and takes its time when told to.
type stand struct {
	*registrytest.Registry
	host   string
	server *http.Server
	ended  sync.WaitGroup

	mu          sync.Mutex
	first, last time.Time // of the requests since the last take
}

// requests are counted by what they are for.
type requests struct{ Ping, Token, Head, Get, Blob, Other int }

func (q requests) all() int { return q.Ping + q.Token + q.Head + q.Get + q.Blob + q.Other }

func newStand() (*stand, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the registry: %w", err)
	}
	s := &stand{Registry: registrytest.Handler(registrytest.Options{Bearer: true, TokenLife: time.Hour}), host: listener.Addr().String()}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.ended.Go(func() { _ = s.server.Serve(listener) }) // it ends when it is closed
	return s, nil
}

func (s *stand) close() error {
	err := s.server.Close()
	s.ended.Wait()
	return err
}

// ServeHTTP notes when the requests came and went.
func (s *stand) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	s.mu.Lock()
	if s.first.IsZero() {
		s.first = time.Now()
	}
	s.mu.Unlock()
	s.Registry.ServeHTTP(w, q)
	s.mu.Lock()
	s.last = time.Now()
	s.mu.Unlock()
}

// slow makes it take its time; the zero duration ends that.
func (s *stand) slow(d time.Duration) {
	if d == 0 {
		s.Misbehave(nil)
		return
	}
	s.Misbehave(registrytest.Delay(d))
}

// take returns what came in since the last take, and the time from the first
// request's arrival to the last one's answer.
func (s *stand) take() (requests, time.Duration) {
	s.mu.Lock()
	span := s.last.Sub(s.first)
	s.first, s.last = time.Time{}, time.Time{}
	s.mu.Unlock()
	var n requests
	for _, q := range s.Requests() {
		switch {
		case q.Kind == registrytest.Ping:
			n.Ping++
		case q.Kind == registrytest.Token:
			n.Token++
		case q.Kind == registrytest.Manifests && q.Method == http.MethodHead:
			n.Head++
		case q.Kind == registrytest.Manifests:
			n.Get++
		case q.Kind == registrytest.Blobs:
			n.Blob++
		default:
			n.Other++
		}
	}
	s.Reset()
	return n, span
}

// small puts a small image that nobody can run under a repository, and returns its reference.
func (s *stand) small(repository string) (string, error) {
	_, err := s.PushAs(repository, "1", registrytest.DockerImage, registrytest.For(runtime.GOARCH))
	return s.host + "/" + repository + ":1", err
}

// service is an image that can be run, of which there can be ever newer versions.
type service struct {
	stand     *stand
	layer     v1.Layer
	command   []string
	tag       name.Tag
	reference string
	version   int
}

// service makes a repository for images of the fixture program.
func (b *bench) service(repository string, command ...string) (*service, error) {
	program, err := os.ReadFile(b.fixture)
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "fixture", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, fmt.Errorf("make a layer: %w", err)
	}
	reference := b.stand.host + "/" + b.name("%s", repository) + ":1"
	tag, err := name.NewTag(reference)
	if err != nil {
		return nil, err
	}
	s := &service{stand: b.stand, layer: layer, command: append([]string{"/fixture"}, command...), tag: tag, reference: reference}
	return s, s.publish()
}

// publish moves the tag to a newer version. Only the registry knows of it.
func (s *service) publish() error {
	s.version++
	made, err := mutate.AppendLayers(empty.Image, s.layer)
	if err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	file, err := made.ConfigFile()
	if err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{Entrypoint: s.command, Env: []string{fmt.Sprintf("VERSION=%d", s.version)}}
	if made, err = mutate.ConfigFile(made, file); err != nil {
		return fmt.Errorf("make an image: %w", err)
	}
	if err := remote.Write(s.tag, made, remote.WithTransport(s.stand.Transport())); err != nil {
		return fmt.Errorf("push an image: %w", err)
	}
	return nil
}
