package docker_test

import (
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// TestWhatAContainerWasAskedForIsRead asks an engine, which adds things of its own.
func TestWhatAContainerWasAskedForIsRead(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("asked") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	pids := int64(64)
	type asked struct {
		docker.Context
		Others []string
	}
	for name, test := range map[string]struct {
		config container.Config
		host   container.HostConfig
		want   asked
	}{
		"nothing":                  {},
		"nothing, on the host":     {host: container.HostConfig{NetworkMode: "host"}},
		"a name of its own there":  {config: container.Config{Hostname: "nas"}, host: container.HostConfig{NetworkMode: "host"}, want: asked{Context: docker.Context{Hostname: "nas"}}},
		"the host's names and net": {host: container.HostConfig{NetworkMode: "host", UTSMode: "host"}, want: asked{Others: []string{"--uts"}}},
		"all that is taken along": {
			config: container.Config{User: "1000:1000", Hostname: "nas"},
			host: container.HostConfig{
				GroupAdd: []string{"998"}, ExtraHosts: []string{"registry.lan:10.0.0.2"}, DNS: []string{"10.0.0.1"},
				SecurityOpt: []string{"no-new-privileges", `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`},
			},
			want: asked{
				Context: docker.Context{
					User: "1000:1000", Groups: []string{"998"}, Hostname: "nas", Hosts: []string{"registry.lan:10.0.0.2"},
					DNS: []string{"10.0.0.1"}, Security: []string{"no-new-privileges"},
				},
				Others: []string{"--security-opt with a file"},
			},
		},
		"all that is only told": {
			config: container.Config{Labels: map[string]string{"some": "label"}},
			host: container.HostConfig{
				CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"MKNOD"}, ReadonlyRootfs: true,
				Resources: container.Resources{Memory: 64 << 20, NanoCPUs: 5e8, PidsLimit: &pids},
				Tmpfs:     map[string]string{"/tmp": ""},
			},
			want: asked{Others: []string{"--cap-add", "--cap-drop", "--read-only", "--memory", "--cpus", "--pids-limit", "--tmpfs"}},
		},
		"all privileges": {host: container.HostConfig{Privileged: true}, want: asked{
			Context: docker.Context{Security: []string{"label=disable"}}, Others: []string{"--privileged"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.config.Image = image
			id := e.Container(e.Name(strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name)), &test.config, &test.host, nil)
			found, err := c.AskedInFull(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, asked{found.Context, found.Others}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
