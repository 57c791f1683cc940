package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// crossing is a web service that goes from image to image, and two reverse proxies
// that know it by its alias in their network, with a crowd behind each.
type crossing struct {
	testing.TB
	wire
	engine             *dockertest.Engine
	network, reference string
	version            int

	ruled, plain *crowd // behind the proxy that has the retry rule, and the one that has not
}

func newCrossing(t testing.TB) *crossing {
	t.Helper()
	e := dockertest.New(t)
	c := &crossing{
		TB: t, wire: newWire(strings.TrimPrefix(e.Host, "unix://")), engine: e, network: e.Name("front"),
		reference: registrytest.New(t, registrytest.Options{}).Host + "/" + e.Name("web") + ":1",
	}
	e.Network(c.network, "")
	c.publish()
	c.run("web", c.reference, map[string]any{
		"Labels":           map[string]string{"refit.enable": "true", "refit.scope": e.Prefix(), "refit.strategy": "start-first"},
		"NetworkingConfig": c.alias(),
	})
	image := e.Name("proxy") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture", "proxy", "-to", "http://web"]`)
	c.ruled, c.plain = c.proxy(image, "ruled", "true"), c.proxy(image, "plain", "false")
	return c
}

// alias is what the service is known by.
func (c *crossing) alias() map[string]any {
	return map[string]any{"EndpointsConfig": map[string]any{c.network: map[string]any{"Aliases": []string{"web"}}}}
}

// publish makes an image of the next version, and pushes it.
func (c *crossing) publish() {
	c.Helper()
	c.version++
	c.engine.Image(c.reference, `ENTRYPOINT ["/fixture", "web", "-finish", "-think", "20ms"]`, fmt.Sprint("ENV VERSION=", c.version))
	c.engine.Push(c.reference)
}

// run starts a container in the network, and returns its id.
func (c *crossing) run(part, image string, settings map[string]any) string {
	c.Helper()
	host, _ := settings["HostConfig"].(map[string]any)
	if host == nil {
		host = map[string]any{}
	}
	host["NetworkMode"] = c.network
	settings["Image"], settings["HostConfig"] = image, host
	var made struct{ ID string }
	c.must("POST", "/containers/create?name="+c.engine.Name(part), settings, &made)
	c.must("POST", "/containers/"+made.ID+"/start", nil, nil)
	return made.ID
}

func (c *crossing) must(method, path string, body, out any) {
	c.Helper()
	if err := c.call(method, path, body, out); err != nil {
		c.Fatal(err)
	}
}

// proxy starts a reverse proxy, and returns the crowd behind it.
func (c *crossing) proxy(image, name, retry string) *crowd {
	c.Helper()
	id := c.run(name, image, map[string]any{
		"Env": []string{"RETRY=" + retry}, "ExposedPorts": map[string]any{"80/tcp": map[string]any{}},
		"HostConfig": map[string]any{"PortBindings": map[string]any{"80/tcp": []any{map[string]any{"HostIp": "127.0.0.1"}}}},
	})
	bound := c.engine.Inspect(id).NetworkSettings.Ports["80/tcp"]
	if len(bound) == 0 {
		c.Fatalf("the port of the proxy %s is not published", name)
	}
	users := &crowd{url: "http://127.0.0.1:" + bound[0].HostPort + "/"}
	for deadline := time.Now().Add(patience); ; time.Sleep(glance) {
		_, err := visit(http.DefaultClient, users.url)
		if err == nil {
			return users
		}
		if time.Now().After(deadline) {
			c.Fatalf("the proxy %s: %v", name, err)
		}
	}
}

// updates goes through so many images, while all ask.
func (c *crossing) updates(times int, update func()) {
	c.Helper()
	for _, users := range []*crowd{c.ruled, c.plain} {
		defer users.begin(c.Context())()
	}
	for range times {
		c.heard()
		c.publish()
		update()
	}
	c.heard()
}

// heard waits until all crowds have heard of the version.
func (c *crossing) heard() {
	c.Helper()
	for _, users := range []*crowd{c.ruled, c.plain} {
		users.heard(c, fmt.Sprint("version ", c.version))
	}
}

// update is refit update, as a process.
func (c *crossing) update() {
	c.Helper()
	program, err := exec.LookPath("refit") // the test itself, see TestMain
	if err != nil {
		c.Fatal(err)
	}
	cmd := exec.CommandContext(c.Context(), program, "update", "--scope", c.engine.Prefix(), "--host", c.engine.Host)
	home := c.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "REFIT_DATA=" + home, "DOCKER_CONFIG=" + home, "REFIT_GATE_STABLE=1s"}
	if out, err := cmd.CombinedOutput(); err != nil {
		c.Fatalf("refit update: %v\n%s", err, out)
	}
}

// TestStartFirstLosesNoRequest is the proof of the promise in docs/start-first.md, with
// a service that finishes what it was asked, and a proxy that has the retry rule. What
// becomes of the requests without the rule is told, not promised.
func TestStartFirstLosesNoRequest(t *testing.T) {
	t.Parallel()
	times := 3
	if tortured() {
		times = 10
	}
	c := newCrossing(t)
	c.updates(times, c.update)
	t.Logf("%d updates, start-first, with the retry rule: %s", times, c.ruled)
	t.Logf("%d updates, start-first, without it: %s", times, c.plain)
	if c.ruled.failures() > 0 {
		t.Error("requests failed")
	}
}
