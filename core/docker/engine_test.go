package docker_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// connect returns this package's client for an engine.
func connect(t *testing.T, e *dockertest.Engine, edits ...func(*docker.Options)) *docker.Client {
	t.Helper()
	o := docker.Options{Host: e.Host}
	for _, edit := range edits {
		edit(&o)
	}
	c, err := docker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// succeed makes a successor of a container from the image that reference names
// now, and fails the test if it is not a faithful one.
func succeed(t *testing.T, c *docker.Client, id, name, reference string) string {
	t.Helper()
	s, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	successor, err := c.Create(t.Context(), core.Draft{
		Name: name, From: s, Reference: reference,
		Mark: core.Mark{Attempt: "0123456789abcdef", Owner: "0123456789ab", Predecessor: id},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, c, s, successor)
	return successor
}

// same fails the test if the container's settings are not the snapshot's.
func same(t *testing.T, c *docker.Client, s core.Snapshot, id string) {
	t.Helper()
	lines, err := c.Differences(t.Context(), core.Draft{From: s}, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		t.Errorf("difference: %s", line)
	}
}

func TestTwoNetworksWithAliasAndStaticIPSurvive(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	front, back := e.Name("front"), e.Name("back")
	subnet, address := freeSubnet()
	e.Network(front, subnet)
	e.Network(back, "")
	id := e.Container(e.Name("web"), &container.Config{Image: image}, &container.HostConfig{NetworkMode: container.NetworkMode(front)},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{front: {
			Aliases: []string{"site"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address},
		}}})
	err := e.API.NetworkConnect(t.Context(), back, id, &network.EndpointSettings{Aliases: []string{"inner"}})
	if err != nil {
		t.Fatal(err)
	}
	e.Start(id)
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "ENV VERSION=2")

	successor := succeed(t, c, id, e.Name("web")+core.NewSuffix, image)
	if err := c.Stop(t.Context(), id, "", 0); err != nil {
		t.Fatal(err)
	}
	e.Start(successor)
	networks := e.Inspect(successor).NetworkSettings.Networks
	if got := networks[front].IPAddress; got != address {
		t.Errorf("its address is %s, want %s", got, address)
	}
	for name, alias := range map[string]string{front: "site", back: "inner"} {
		got := networks[name].Aliases
		if !slices.Contains(got, alias) || slices.Contains(got, core.Short(id)) {
			t.Errorf("its aliases in %s are %v, want %s and none of its predecessor's id", name, got, alias)
		}
	}
}

func TestAnonymousVolumesKeepTheirData(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("db") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web","-write","/data/file=precious"]`, "VOLUME /data")
	id := e.Container(e.Name("db"), &container.Config{Image: image, Volumes: map[string]struct{}{"/more": {}}}, nil, nil)
	e.Start(id)
	e.Wait(id, "running", func(c container.InspectResponse) bool { return c.State.Running })
	waitForFile(t, e, id, "/data/file")
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web","-write","/data/file=new"]`, "VOLUME /data", "VOLUME /fresh")

	successor := succeed(t, c, id, e.Name("db")+core.NewSuffix, image)
	again := succeed(t, c, successor, e.Name("db")+"-again", image)
	if err := c.Stop(t.Context(), id, "", 0); err != nil {
		t.Fatal(err)
	}
	e.Start(successor)
	e.Wait(successor, "running", func(c container.InspectResponse) bool { return c.State.Running })
	if got := e.ReadFile(successor, "/data/file"); got != "precious" {
		t.Errorf("the file says %q, want what the predecessor wrote", got)
	}
	want, got := volumes(e.Inspect(id)), volumes(e.Inspect(successor))
	if _, fresh := got["/fresh"]; !fresh {
		t.Error("the volume that the new image asks for is not there")
	}
	delete(got, "/fresh")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the volumes differ (-predecessor +successor):\n%s", diff)
	}
	// What was made for the successors only goes with them, what was there stays.
	for _, gone := range []string{again, successor} {
		if err := c.Stop(t.Context(), gone, "", 0); err != nil {
			t.Fatal(err)
		}
		if err := c.Remove(t.Context(), gone, true); err != nil {
			t.Fatal(err)
		}
	}
	e.Start(id)
	if got := e.ReadFile(id, "/data/file"); got != "precious" {
		t.Errorf("the predecessor's file says %q after its successor went", got)
	}
}

func volumes(c container.InspectResponse) map[string]string {
	names := map[string]string{}
	for _, m := range c.Mounts {
		names[m.Destination] = m.Name
	}
	return names
}

func waitForFile(t *testing.T, e *dockertest.Engine, id, name string) {
	t.Helper()
	e.Wait(id, "done writing", func(container.InspectResponse) bool {
		_, err := e.API.ContainerStatPath(t.Context(), id, name)
		return err == nil
	})
}

// rich is a container with a value in as many fields as an engine takes on any machine.
func rich(image string) (*container.Config, *container.HostConfig) {
	grace := 3
	config := &container.Config{
		Image: image, Env: []string{"OWN=1", "BOTH=mine", "EMPTY="}, Labels: map[string]string{"own": "1", "refit.enable": "true"},
		User: "1000:1000", WorkingDir: "/tmp", StopSignal: "SIGQUIT", StopTimeout: &grace, Hostname: "host", Domainname: "example.test",
		OpenStdin: true, Cmd: []string{"web", "-addr", ":8080"},
	}
	host := &container.HostConfig{
		RestartPolicy: container.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3},
		Resources:     container.Resources{Memory: 64 << 20, CPUShares: 512, NanoCPUs: 5e8},
		CapDrop:       []string{"NET_RAW"}, ExtraHosts: []string{"other:10.1.2.3"}, DNS: []string{"10.9.9.9"}, Init: new(bool),
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m"}},
		Tmpfs:     map[string]string{"/scratch": "size=1m"}, ReadonlyRootfs: true, ShmSize: 32 << 20,
		Sysctls: map[string]string{"net.core.somaxconn": "64"}, SecurityOpt: []string{"no-new-privileges"},
	}
	return config, host
}

func TestAnUntouchedContainerAndAFaithfulCopyDifferInNothing(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("rich") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "ENV BOTH=image", "ENV OLD=1", "LABEL theirs=old", "EXPOSE 80",
		"VOLUME /data", "WORKDIR /data/", "HEALTHCHECK --interval=5s CMD /fixture probe")
	config, host := rich(image)
	id := e.Container(e.Name("rich"), config, host, nil)
	before, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	e.Start(id)
	same(t, c, before, id)
	running, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, c, running, id)
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web","-unhealthy"]`, "ENV BOTH=newer", "ENV NEW=1", "LABEL theirs=new", "EXPOSE 81",
		"VOLUME /var", "USER 1000:1000", "HEALTHCHECK --interval=9s --retries=2 CMD /fixture probe")
	successor := succeed(t, c, id, e.Name("rich")+core.NewSuffix, image)

	got := e.Inspect(successor)
	for _, want := range []string{"OWN=1", "BOTH=mine", "NEW=1"} {
		if !slices.Contains(got.Config.Env, want) {
			t.Errorf("its environment is %v, want %s in it", got.Config.Env, want)
		}
	}
	if slices.Contains(got.Config.Env, "OLD=1") || got.Config.Labels["theirs"] != "new" || got.Config.Healthcheck.Retries != 2 {
		t.Errorf("the old image's defaults are in it: %+v", got.Config)
	}
	if m := core.ParseMark(got.Config.Labels[core.MarkLabel]); m == nil || m.Predecessor != id {
		t.Errorf("its mark is %+v", m)
	}
	if err := c.Stop(t.Context(), id, "", 0); err != nil {
		t.Fatal(err)
	}
	same(t, c, running, id) // also when it does not run any more
	e.Start(successor)
	same(t, c, running, successor)
}

func TestWhatSomebodyChangedIsADifference(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("tampered") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "ENV FROM_IMAGE=1")
	config, host := rich(image)
	id := e.Container(e.Name("tampered"), config, host, nil)
	before, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.API.ContainerUpdate(t.Context(), id, container.UpdateConfig{
		Resources: container.Resources{CPUShares: 99}, RestartPolicy: container.RestartPolicy{Name: "always"},
	}); err != nil {
		t.Fatal(err)
	}
	extra := e.Name("extra")
	e.Network(extra, "")
	if err := e.API.NetworkConnect(t.Context(), extra, id, nil); err != nil {
		t.Fatal(err)
	}
	got, err := c.Differences(t.Context(), core.Draft{From: before}, id)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"HostConfig.CpuShares: 99, was 512",
		"HostConfig.RestartPolicy.MaximumRetryCount: 0, was 3",
		`HostConfig.RestartPolicy.Name: "always", was "on-failure"`,
		"Networks[" + extra + "] is new",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	config.Env = []string{"OWN=secret", "BOTH=mine"}
	other := e.Container(e.Name("other"), config, host, nil)
	got, err = c.Differences(t.Context(), core.Draft{From: before}, other)
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"Config.Env[EMPTY] is missing", "Config.Env[OWN] differs"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCreateLeavesNothingWhereItFails(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	first, second := e.Name("first"), e.Name("second")
	e.Network(first, "")
	e.Network(second, "")
	id := e.Container(e.Name("web"), &container.Config{Image: image}, &container.HostConfig{NetworkMode: container.NetworkMode(first)}, nil)
	if err := e.API.NetworkConnect(t.Context(), second, id, nil); err != nil {
		t.Fatal(err)
	}
	s, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	d := core.Draft{Name: e.Name("web"), From: s, Reference: image, Mark: core.Mark{Attempt: "a", Owner: "b", Predecessor: id}}
	if _, err = c.Create(t.Context(), d); !isTaken(err) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := e.API.NetworkDisconnect(t.Context(), second, id, true); err != nil {
		t.Fatal(err)
	}
	if err := e.API.NetworkRemove(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	d.Name += core.NewSuffix
	if _, err := c.Create(t.Context(), d); err == nil {
		t.Error("created in a network that is gone")
	}
	if s, err := c.Look(t.Context(), d.Name); err != nil || s.Exists() {
		t.Errorf("it left %+v (%v)", s, err)
	}
}

// A field that neither this build nor its client library knows has to reach the
// engine as it came: the create call's body is looked at in body_test.go, and here
// that a snapshot keeps it.
func TestASnapshotKeepsWhatTheEngineSaid(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: image}, nil, nil)
	s, err := c.Snapshot(t.Context(), id, core.Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	_, raw, err := e.API.ContainerInspectWithRaw(t.Context(), id, false)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Container json.RawMessage }
	if err := json.Unmarshal(s, &got); err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(raw, &a) != nil || json.Unmarshal(got.Container, &b) != nil {
		t.Fatal("no JSON")
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("(-engine +snapshot):\n%s", diff)
	}
}
