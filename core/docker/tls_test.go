package docker_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// asking makes the test binary a program that asks the engine of its environment
// for its containers: the engine with TLS is in a namespace of its own.
const asking = "DOCKER_TEST_ASK"

func TestMain(m *testing.M) {
	if os.Getenv(asking) == "" {
		os.Exit(m.Run())
	}
	fmt.Println(ask(context.Background()))
}

func ask(ctx context.Context) string {
	c, err := docker.New(docker.Options{})
	if err != nil {
		return err.Error()
	}
	info, err := c.Ping(ctx)
	if err != nil {
		return err.Error()
	}
	all, err := c.Containers(ctx)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d containers, API %s", len(all), info.API)
}

func TestAnEngineWithTLSAsDockersEnvironmentNamesIt(t *testing.T) {
	t.Parallel()
	p := dockertest.NewPrivate(t, true)
	for name, row := range map[string]struct{ verify, dir, version, want string }{
		"with certificates":                 {"1", p.TLS.Dir, "", "0 containers, API 1."},
		"with a version that is pinned":     {"1", p.TLS.Dir, "1.40", "0 containers, API 1.40"},
		"without TLS":                       {"", p.TLS.Dir, "", "reach the engine at " + p.TLSHost()},
		"with an authority that is missing": {"1", "/does-not-exist", "", "/does-not-exist/ca.pem"},
	} {
		c := p.Command(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), asking+"=1", "DOCKER_HOST="+p.TLSHost(), "DOCKER_TLS_VERIFY="+row.verify,
			"DOCKER_CERT_PATH="+row.dir, "DOCKER_API_VERSION="+row.version)
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), row.want) {
			t.Errorf("%s: %s (%v), want %q", name, out, err, row.want)
		}
	}
}
