package docker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// freeSubnet returns a subnet that is probably nobody's, and an address in it.
func freeSubnet() (subnet, address string) {
	a, b := rand.IntN(100)+100, rand.IntN(256)
	return fmt.Sprintf("10.%d.%d.0/24", a, b), fmt.Sprintf("10.%d.%d.77", a, b)
}

func isTaken(err error) bool {
	var taken interface{ NameTaken() bool }
	return errors.As(err, &taken) && taken.NameTaken()
}

func TestStopSendsTheSignalAndTheContainerStaysDown(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web","-signals","/tmp/signals"]`)
	for name, version := range map[string]string{"where stop takes a signal or not": "", "where stop takes no signal": "1.41"} {
		c := connect(t, e, func(o *docker.Options) { o.APIVersion = version })
		for policy, signal := range map[string]string{"always": "SIGUSR1", "unless-stopped": "SIGTERM", "no": ""} {
			t.Run(name+", policy "+policy, func(t *testing.T) {
				id := e.Container(e.Name(policy+version), &container.Config{Image: image},
					&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(policy)}}, nil)
				e.Start(id)
				waitForLog(t, c, id)
				if err := c.SetRestartPolicy(t.Context(), id, core.RestartPolicy{}); err != nil {
					t.Fatal(err)
				}
				if err := c.Stop(t.Context(), id, signal, 20*time.Second); err != nil {
					t.Fatal(err)
				}
				s, err := c.Look(t.Context(), id)
				if err != nil || s.State != core.Exited || s.RestartPolicy.Name != "no" {
					t.Errorf("it is %+v (%v), want exited, policy no", s, err)
				}
				if signal == "" {
					signal = "SIGTERM"
				}
				if got := strings.Fields(e.ReadFile(id, "/tmp/signals")); !cmp.Equal(got, []string{signal}) {
					t.Errorf("it received %v, want %s alone", got, signal)
				}
				if err := c.Stop(t.Context(), id, signal, time.Second); err != nil {
					t.Errorf("stop it again: %v", err)
				}
			})
		}
	}
}

// Without the policy set to no before, the engine starts it again after a signal
// of its own. Stop has to end that one too.
func TestStopEndsAContainerThatItsPolicyStartsAgain(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e, func(o *docker.Options) { o.APIVersion = "1.41" })
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: image},
		&container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "always"}}, nil)
	e.Start(id)
	waitForLog(t, c, id)
	if err := c.Stop(t.Context(), id, "SIGUSR1", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Look(t.Context(), id); err != nil || s.State != core.Exited {
		t.Errorf("it is %s (%v), want exited", s.State, err)
	}
}

func TestStopKillsWhenTheGraceIsOver(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e, func(o *docker.Options) { o.APIVersion = "1.41" })
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web","-stop-delay","1h"]`)
	id := e.Container(e.Name("web"), &container.Config{Image: image}, nil, nil)
	e.Start(id)
	waitForLog(t, c, id)
	began := time.Now()
	if err := c.Stop(t.Context(), id, "SIGUSR1", 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
	if s, err := c.Look(t.Context(), id); err != nil || s.ExitCode != 137 {
		t.Errorf("it is %+v (%v), want killed", s, err)
	}
}

// waitForLog waits until the container has written something: its program runs
// and listens for signals.
func waitForLog(t *testing.T, c *docker.Client, id string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		lines, err := c.Logs(t.Context(), id, 1)
		if err == nil && len(lines) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has written nothing: %v", id, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestWhatIsGoneIsNoError(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	nobody := strings.Repeat("0123456789abcdef", 4)
	if err := c.Stop(t.Context(), nobody, "SIGQUIT", time.Second); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := c.Remove(t.Context(), nobody, true); err != nil {
		t.Errorf("remove: %v", err)
	}
	for _, name := range []string{nobody, "", e.Name("nobody")} {
		if s, err := c.Look(t.Context(), name); err != nil || s.Exists() {
			t.Errorf("look for %q: %+v (%v)", name, s, err)
		}
	}
	if removed, err := c.RemoveImage(t.Context(), "sha256:"+nobody); err != nil || removed {
		t.Errorf("remove an image: %v (%v)", removed, err)
	}
	if err := c.Untag(t.Context(), e.Name("none")+":1"); err != nil {
		t.Errorf("untag: %v", err)
	}
}

func TestLookWantsTheWholeNameOrId(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	imageID := e.Image(image, `ENTRYPOINT ["/fixture"]`, "HEALTHCHECK --interval=2s --timeout=1s --retries=5 --start-period=7s CMD x")
	name := e.Name("web")
	id := e.Container(name, &container.Config{Image: image}, nil, nil)
	want := core.Status{
		ID: id, Name: name, ImageID: imageID, State: core.Created, RestartPolicy: core.RestartPolicy{Name: "no"},
		StopSignal: "SIGTERM", StopTimeout: 10 * time.Second,
		Health: core.Health{Status: "starting", Limit: 22 * time.Second},
	}
	for _, nameOrID := range []string{name, id} {
		got, err := c.Look(t.Context(), nameOrID)
		if got.RestartPolicy.Name == "" {
			got.RestartPolicy.Name = "no" // older engines say nothing
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", nameOrID, err, diff)
		}
	}
	for _, part := range []string{id[:12], id[:63], name[:len(name)-1]} {
		if got, err := c.Look(t.Context(), part); err != nil || got.Exists() {
			t.Errorf("%s: %+v (%v), want none", part, got, err)
		}
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`)
	one := e.Container(e.Name("one"), &container.Config{Image: image}, nil, nil)
	e.Container(e.Name("two"), &container.Config{Image: image}, nil, nil)
	if err := c.Rename(t.Context(), one, e.Name("one")); err != nil {
		t.Errorf("to the name that it has: %v", err)
	}
	if err := c.Rename(t.Context(), one, e.Name("two")); !isTaken(err) {
		t.Errorf("to a name that is taken: %v", err)
	}
	if err := c.Rename(t.Context(), one, e.Name("one")+core.OldSuffix); err != nil {
		t.Error(err)
	}
	if got := e.Inspect(one).Name; got != "/"+e.Name("one")+core.OldSuffix {
		t.Errorf("its name is %s", got)
	}
}

func TestWatchTellsThatItStandsAndThenWhatHappens(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("web") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	name, first := e.Name("web"), true
	var id string
	err := c.Watch(ctx, func(got core.Event) {
		switch {
		case first:
			first = false
			if got != (core.Event{}) {
				t.Errorf("the first event is %+v, want none", got)
			}
			id = e.Container(name, &container.Config{Image: image}, nil, nil)
		case got.Name == name:
			if got != (core.Event{Action: "create", ID: id, Name: name}) {
				t.Errorf("it told %+v", got)
			}
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v, want because it was asked to", err)
	}
}

func TestLogsAreTheLastLinesOfBothStreams(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image := e.Name("usage") + ":1"
	e.Image(image, `ENTRYPOINT ["/fixture"]`) // without a part it prints its usage to stderr
	for name, tty := range map[string]bool{"terminal": true, "streams": false} {
		id := e.Container(e.Name(name), &container.Config{Image: image, Tty: tty}, nil, nil)
		e.Start(id)
		e.Wait(id, "exited", func(c container.InspectResponse) bool { return c.State.Status == "exited" })
		all, err := c.Logs(t.Context(), id, 20)
		if err != nil || len(all) < 3 || !strings.HasPrefix(all[0], "usage: fixture web") {
			t.Fatalf("%s: %q (%v)", name, all, err)
		}
		last, err := c.Logs(t.Context(), id, 2)
		if diff := cmp.Diff(all[len(all)-2:], last); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestTheCensusTellsWhatIsMounted(t *testing.T) {
	t.Parallel()
	e := dockertest.New(t)
	c := connect(t, e)
	image, folder := e.Name("db")+":1", t.TempDir()
	e.Image(image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "VOLUME /anonymous")
	id := e.Container(e.Name("db"), &container.Config{Image: image}, &container.HostConfig{
		Binds: []string{e.Name("data") + ":/data:ro", folder + ":/etc/db"},
	}, nil)
	all, err := c.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(c core.Container) bool { return c.ID == id })
	if i < 0 || len(all[i].Mounts) != 3 {
		t.Fatalf("the census is %+v, with the three mounts of %s", all, id)
	}
	got := all[i].Mounts
	for _, m := range got[:2] {
		if m.Source == "" || m.Destination == "/anonymous" && m.Name == "" {
			t.Errorf("a volume is %+v, without its name or its place on the host", m)
		}
	}
	want := []core.Mount{
		{Type: "volume", Name: got[0].Name, Source: got[0].Source, Destination: "/anonymous"},
		{Type: "volume", Name: e.Name("data"), Source: got[1].Source, Destination: "/data", ReadOnly: true},
		{Type: "bind", Source: folder, Destination: "/etc/db"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}
