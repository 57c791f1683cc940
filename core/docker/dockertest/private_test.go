package dockertest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// pinging makes the test binary a program that only asks an engine whether it is
// there: from inside of a namespace nothing else of ours can.
const pinging = "DOCKERTEST_PING"

func TestMain(m *testing.M) {
	if os.Getenv(pinging) == "" {
		os.Exit(m.Run())
	}
	c, err := client.NewClientWithOpts(client.FromEnv)
	if err == nil {
		_, err = c.Ping(context.Background())
	}
	fmt.Println("ping:", err)
}

func TestAPrivateEngineMayBeKilledAndRestarted(t *testing.T) {
	t.Parallel()
	p := dockertest.NewPrivate(t, true)
	p.Image("web:1", `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	id := p.Container("web", &container.Config{Image: "web:1"},
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "always"}}, nil)
	p.Start(id)
	running := func(c container.InspectResponse) bool { return c.State.Running }
	first := p.Wait(id, "running", running)

	p.Restart()
	second := p.Wait(id, "running again", running)
	if second.State.StartedAt == first.State.StartedAt {
		t.Error("the container outlived a shutdown of the engine")
	}
	p.Kill()
	if _, err := p.API.Ping(t.Context()); err == nil {
		t.Error("an engine that was killed answers")
	}
	p.Boot()
	third := p.Wait(id, "running once more", running)

	p.CutPower()
	// One that has ended has no command line, also where nobody has waited for it yet.
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", third.State.Pid)); err == nil && len(line) > 0 {
		t.Errorf("the container outlived a power cut: %q", line)
	}
	p.Boot()
	p.Wait(id, "running after a power cut", running)
}

func TestAPrivateEnginesTLSPortWantsACertificate(t *testing.T) {
	t.Parallel()
	p := dockertest.NewPrivate(t, true)
	ping := func(env ...string) string {
		c := p.Command(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), append(env, pinging+"=1", "DOCKER_HOST="+p.TLSHost())...)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := ping("DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH="+p.TLS.Dir); got != "ping: <nil>" {
		t.Errorf("with a certificate: %s", got)
	}
	if got := ping("DOCKER_TLS_VERIFY=", "DOCKER_CERT_PATH="); got == "ping: <nil>" {
		t.Error("it answers without TLS")
	}
}
