package docker_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

func TestTheRealEngineConforms(t *testing.T) {
	t.Parallel()
	coretest.TestEngine(t, func(t *testing.T) coretest.Bench {
		e := dockertest.New(t)
		return &bench{Client: watched(t, e), engine: e, registry: registrytest.New(t, registrytest.Options{})}
	})
}

// bench is the machine's engine, and a registry, as coretest's suite wants them.
type bench struct {
	*docker.Client
	engine   *dockertest.Engine
	registry *registrytest.Registry
}

func (b *bench) Name(name string) string { return b.engine.Name(name) }

// changes make an image behave as its kind says.
var changes = map[coretest.Kind][]string{
	coretest.Good:       {`ENTRYPOINT ["/fixture", "web"]`},
	coretest.NoStart:    {`ENTRYPOINT ["/does-not-exist"]`},
	coretest.Crash:      {`ENTRYPOINT ["/fixture", "web"]`, "ENV CRASH=true"},
	coretest.CrashLater: {`ENTRYPOINT ["/fixture", "web"]`, "ENV CRASH_AFTER=300ms"},
	coretest.OneShot:    {`ENTRYPOINT ["/fixture", "web"]`, "ENV CRASH=true"},
	coretest.Healthy:    {`ENTRYPOINT ["/fixture", "web"]`, `HEALTHCHECK --interval=1s --retries=1 CMD ["/fixture", "probe"]`},
	coretest.Unhealthy:  {`ENTRYPOINT ["/fixture", "web"]`, "ENV UNHEALTHY=true", `HEALTHCHECK --interval=1s --retries=1 CMD ["/fixture", "probe"]`},
}

// Publish makes an image, pushes it, and takes its tag away again: the engine
// forgets it until somebody pulls it.
func (b *bench) Publish(t *testing.T, name string, kind coretest.Kind) core.Image {
	t.Helper()
	text := b.registry.Host + "/" + b.Name(name) + ":1"
	before, err := b.Resolve(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	id := b.engine.Image(text, changes[kind]...)
	digest := b.engine.Push(text)
	if before != "" {
		if err := b.Tag(t.Context(), before, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.engine.API.ImageRemove(t.Context(), id, image.RemoveOptions{Force: before == ""}); err != nil {
		t.Fatal(err)
	}
	return core.Image{Reference: reference(text), Digest: digest}
}

// reference takes apart what Publish puts together.
func reference(text string) core.Reference {
	return core.Reference{Text: text, Repository: strings.TrimSuffix(text, ":1"), Tag: "1"}
}

// Lose is coretest.Bench.
func (b *bench) Lose(t *testing.T, imageID string) {
	t.Helper()
	if _, err := b.engine.API.ImageRemove(t.Context(), imageID, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
}

// Run is coretest.Bench. A setting becomes a variable of the environment; the first
// that it shares a namespace with, its network; and compose's labels say what it
// is restarted after.
func (b *bench) Run(t *testing.T, s coretest.Spec) string {
	t.Helper()
	if id, err := b.Resolve(t.Context(), s.Reference); err != nil || id == "" {
		b.fetch(t, s.Reference)
	}
	config := &container.Config{Image: s.Reference, Labels: b.labels(s), Volumes: map[string]struct{}{}}
	for name, value := range s.Settings {
		config.Env = append(config.Env, name+"="+value)
	}
	host := &container.HostConfig{RestartPolicy: container.RestartPolicy{
		Name: container.RestartPolicyMode(s.RestartPolicy.Name), MaximumRetryCount: s.RestartPolicy.MaximumRetryCount,
	}}
	for _, name := range s.Shares {
		host.NetworkMode = container.NetworkMode("container:" + name)
		config.Env = append(config.Env, "ADDR=:81") // the other one has the usual port
	}
	for destination, volume := range s.Volumes {
		if volume == "" {
			config.Volumes[destination] = struct{}{}
			continue
		}
		host.Binds = append(host.Binds, volume+":"+destination)
	}
	id := b.engine.Container(s.Name, config, host, nil)
	b.engine.Start(id)
	return id
}

// labels are the container's own, and those by which compose would say that each is
// a service of one project.
func (b *bench) labels(s coretest.Spec) map[string]string {
	labels := map[string]string{"com.docker.compose.project": b.Name("project"), "com.docker.compose.service": s.Name}
	maps.Copy(labels, s.Labels)
	var after []string
	for _, name := range s.Restarts {
		after = append(after, name+":service_started:true")
	}
	labels["com.docker.compose.depends_on"] = strings.Join(after, ",")
	return labels
}

// fetch pulls a reference and tags it, as "docker pull" does.
func (b *bench) fetch(t *testing.T, text string) {
	t.Helper()
	ref := reference(text)
	digest, err := b.registry.Digest(ref.Repository[len(b.registry.Host)+1:], ref.Tag)
	if err != nil {
		t.Fatal(err)
	}
	id, err := b.Pull(t.Context(), core.Image{Reference: ref, Digest: digest}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Tag(t.Context(), id, text); err != nil {
		t.Fatal(err)
	}
}
