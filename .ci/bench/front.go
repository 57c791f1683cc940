package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

const (
	// askers is how many users ask all the time, and breath what each of them takes
	// between two questions.
	askers = 4
	breath = 5 * time.Millisecond
)

// users ask a service all the time.
type users struct {
	url    string
	client *http.Client
	end    context.CancelFunc
	all    sync.WaitGroup

	mu            sync.Mutex
	asked, failed int
	last          string
	slowest       time.Duration
}

func newUsers(ctx context.Context, url string) *users {
	ctx, cancel := context.WithCancel(ctx)
	u := &users{url: url, end: cancel, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: askers}, Timeout: time.Minute}}
	for range askers {
		u.all.Go(func() {
			for ctx.Err() == nil {
				u.ask()
				time.Sleep(breath)
			}
		})
	}
	return u
}

// stop lets those that have asked hear the answer.
func (u *users) stop() {
	u.end()
	u.all.Wait()
	u.client.CloseIdleConnections()
}

func (u *users) ask() {
	began := time.Now()
	answer, err := visit(u.client, u.url)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	u.slowest = max(u.slowest, time.Since(began))
	if err != nil {
		u.failed++
		return
	}
	u.last = answer
}

func visit(client *http.Client, url string) (string, error) {
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return strings.TrimSpace(string(text)), err
}

// heard waits until somebody has heard an answer.
func (u *users) heard(ctx context.Context, answer string) error {
	late := time.After(time.Minute)
	for {
		u.mu.Lock()
		last := u.last
		u.mu.Unlock()
		if last == answer {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("nobody has heard %q; the last answer was %q", answer, last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// front measures what users behind a reverse proxy notice of updates, start-first.
func front(ctx context.Context, b *bench) (p part, err error) {
	web, err := b.service("front", "web", "-finish", "-think", "20ms")
	if err != nil {
		return p, err
	}
	proxy, err := b.service("proxy", "proxy", "-to", "http://web")
	if err != nil {
		return p, err
	}
	for _, reference := range []string{web.reference, proxy.reference} {
		if err := b.pull(ctx, reference); err != nil {
			return p, err
		}
	}
	url, err := b.behind(ctx, web.reference, proxy.reference)
	if err != nil {
		return p, err
	}
	u := newUsers(ctx, url)
	defer u.stop()
	state := b.state()
	for range b.repetitions {
		if err := u.heard(ctx, fmt.Sprint("version ", web.version)); err != nil {
			return p, err
		}
		if err := web.publish(); err != nil {
			return p, err
		}
		if _, _, err := b.once(ctx, state, "update", "--gate-stable", stable.String(), b.name("front")); err != nil {
			return p, err
		}
	}
	if err := u.heard(ctx, fmt.Sprint("version ", web.version)); err != nil {
		return p, err
	}
	u.stop()
	const line = "Start-first behind a proxy"
	what := fmt.Sprintf("failed requests of %s, during %d updates", thousands(u.asked), b.repetitions)
	p.rows = []row{{line, what, 0, float64(u.failed), "", "", 1}}
	p.notes = []string{fmt.Sprintf("Start-first: the slowest answer took %s.", seconds(u.slowest))}
	return p, nil
}

// behind starts a web service and a reverse proxy before it, and returns the URL of
// the proxy once it answers.
func (b *bench) behind(ctx context.Context, web, proxy string) (string, error) {
	net := b.name("net")
	if _, err := b.api.NetworkCreate(ctx, net, network.CreateOptions{Labels: map[string]string{mark: b.id}}); err != nil {
		return "", fmt.Errorf("create a network: %w", err)
	}
	known := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{net: {Aliases: []string{"web"}}}}
	host := container.HostConfig{NetworkMode: container.NetworkMode(net)}
	c := container.Config{Image: web, Labels: b.watched("refit.strategy=start-first")}
	if _, err := b.start(ctx, b.name("front"), c, host, known); err != nil {
		return "", err
	}
	const port = nat.Port("80/tcp")
	host.PortBindings = nat.PortMap{port: {{HostIP: "127.0.0.1"}}}
	c = container.Config{Image: proxy, Labels: map[string]string{mark: b.id}, ExposedPorts: nat.PortSet{port: {}}}
	id, err := b.start(ctx, b.name("proxy"), c, host, nil)
	if err != nil {
		return "", err
	}
	found, err := b.api.ContainerInspect(ctx, id)
	if err != nil {
		return "", fmt.Errorf("look at the proxy: %w", err)
	}
	bound := found.NetworkSettings.Ports[port]
	if len(bound) == 0 {
		return "", errors.New("the proxy's port is not published")
	}
	url := "http://127.0.0.1:" + bound[0].HostPort + "/"
	for late := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, err := visit(http.DefaultClient, url)
		if err == nil {
			return url, nil
		}
		if time.Now().After(late) || ctx.Err() != nil {
			return "", fmt.Errorf("the proxy: %w", err)
		}
	}
}
