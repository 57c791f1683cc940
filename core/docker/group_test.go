package docker_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// kin is one container of a group: a predecessor, and the successor that is to stand
// in its place.
type kin struct {
	name, predecessor, successor string
	snapshot                     core.Snapshot
}

// group are containers of which each needs those before it, and what an update does
// to them, line by line.
type group struct {
	*testing.T
	*docker.Client
	engine *dockertest.Engine
	image  string
	all    []*kin
}

func newGroup(t *testing.T) *group {
	e := dockertest.New(t)
	g := &group{T: t, Client: connect(t, e), engine: e, image: e.Name("web") + ":1"}
	g.make("1")
	return g
}

func (g *group) make(version string) {
	g.Helper()
	g.engine.Image(g.image, `ENTRYPOINT ["/fixture"]`, `CMD ["web"]`, "ENV VERSION="+version, "VOLUME /data")
}

// add starts one more container, on a port of its own.
func (g *group) add(part string, host *container.HostConfig) *kin {
	g.Helper()
	name := g.engine.Name(part)
	config := &container.Config{Image: g.image, Env: []string{fmt.Sprintf("ADDR=:%d", 80+len(g.all))}}
	k := &kin{name: name, predecessor: g.engine.Container(name, config, host, nil)}
	g.engine.Start(k.predecessor)
	g.all = append(g.all, k)
	return k
}

func (g *group) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// succeed makes all successors, from another image, and compares them.
func (g *group) succeed() {
	g.Helper()
	g.make("2")
	replaced := map[string]string{}
	for _, k := range g.all {
		snapshot, err := g.Snapshot(g.Context(), k.predecessor, core.Defaults{})
		g.must(err)
		k.snapshot = snapshot
		d := core.Draft{
			Name: k.name + core.NewSuffix, From: snapshot, Reference: g.image, Replaced: replaced,
			Mark: core.Mark{Attempt: "0123456789abcdef", Owner: "0123456789ab", Predecessor: k.predecessor},
		}
		k.successor, err = g.Create(g.Context(), d)
		g.must(err)
		replaced[k.predecessor] = k.successor
		g.same(d, k.successor)
	}
}

func (g *group) same(d core.Draft, id string) {
	g.Helper()
	lines, err := g.Differences(g.Context(), d, id)
	g.must(err)
	for _, line := range lines {
		g.Errorf("%s: %s", d.Name, line)
	}
}

// forward puts the successors in the places of their predecessors.
func (g *group) forward() {
	g.Helper()
	g.swap(predecessor, core.OldSuffix, successor)
	g.start(successor)
}

// back gives the predecessors their places again.
func (g *group) back() {
	g.Helper()
	g.swap(successor, core.NewSuffix, predecessor)
	g.start(predecessor)
}

// swap stops those that leave, puts them aside, and gives their names to the others.
func (g *group) swap(leave func(*kin) string, suffix string, come func(*kin) string) {
	g.Helper()
	for _, k := range slices.Backward(g.all) {
		g.must(g.Stop(g.Context(), leave(k), "", 0))
	}
	for _, k := range g.all {
		g.must(g.Rename(g.Context(), leave(k), k.name+suffix))
	}
	for _, k := range g.all {
		g.must(g.Rename(g.Context(), come(k), k.name))
	}
}

func (g *group) start(of func(*kin) string) {
	g.Helper()
	for _, k := range g.all {
		g.must(g.Start(g.Context(), of(k)))
	}
}

// remove removes some of them, the last first.
func (g *group) remove(of func(*kin) string) {
	g.Helper()
	for _, k := range slices.Backward(g.all) {
		g.must(g.Remove(g.Context(), of(k), true))
	}
}

func predecessor(k *kin) string { return k.predecessor }
func successor(k *kin) string   { return k.successor }

// work asserts that those run that are meant, and answer that version.
func (g *group) work(of func(*kin) string, version string, heard []string) {
	g.Helper()
	for n, k := range g.all {
		if s := g.engine.Inspect(of(k)); !s.State.Running || s.Name != "/"+k.name {
			g.Fatalf("%s: %+v", s.Name, s.State)
		}
		g.hears(k.name, fmt.Sprintf("http://127.0.0.1:%d/", 80+n), version)
	}
	for _, url := range heard {
		g.hears(g.all[len(g.all)-1].name, url, version)
	}
}

func (g *group) restart() {
	g.Helper()
	for _, k := range g.all {
		g.must(g.engine.API.ContainerRestart(g.Context(), k.name, container.StopOptions{}))
	}
}

// hears waits until a program in the container gets that version for an answer.
func (g *group) hears(name, url, version string) {
	g.Helper()
	said := ""
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if said = g.exec(name, "probe", "-url", url); strings.TrimSpace(said) == "version "+version {
			return
		}
	}
	g.Fatalf("%s asks %s and hears %q, want version %s", name, url, said, version)
}

// exec runs the fixture in a container and returns what it wrote.
func (g *group) exec(name string, args ...string) string {
	g.Helper()
	made, err := g.engine.API.ContainerExecCreate(g.Context(), name, container.ExecOptions{
		Cmd: append([]string{dockertest.Fixture}, args...), Tty: true, AttachStdout: true, AttachStderr: true,
	})
	g.must(err)
	attached, err := g.engine.API.ContainerExecAttach(g.Context(), made.ID, container.ExecAttachOptions{Tty: true})
	if err != nil {
		return err.Error()
	}
	defer attached.Close()
	said, err := io.ReadAll(attached.Reader)
	g.must(err)
	return string(said)
}

// Whatever ties one container to another, both can be replaced together, and the
// way back is open until the predecessors are removed. At its end each can be
// restarted, and programs can be run in it.
func TestAGroupIsReplacedAndBroughtBack(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		ties  func(g *group, first string) // adds what hangs on the first
		heard []string                     // what the last one asks
	}{
		"namespaces, three levels deep": {func(g *group, first string) {
			b := g.add("b", &container.HostConfig{IpcMode: "shareable", NetworkMode: container.NetworkMode("container:" + first)})
			g.add("c", &container.HostConfig{
				IpcMode: container.IpcMode("container:" + b.predecessor), PidMode: container.PidMode("container:" + first),
				NetworkMode: container.NetworkMode("container:" + first),
			})
		}, []string{"http://127.0.0.1:80/", "http://127.0.0.1:81/"}},
		"volumes": {func(g *group, first string) {
			g.add("short", &container.HostConfig{VolumesFrom: []string{core.Short(first)}})
			g.add("name", &container.HostConfig{VolumesFrom: []string{g.all[0].name + ":ro"}})
		}, nil},
		"links": {func(g *group, first string) {
			b := g.add("b", &container.HostConfig{Links: []string{first + ":one"}})
			g.add("c", &container.HostConfig{Links: []string{g.all[0].name + ":one", b.name + ":two"}})
		}, []string{"http://one/", "http://two:81/"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t)
			row.ties(g, g.add("a", nil).predecessor)
			g.succeed()
			g.forward()
			g.work(successor, "2", row.heard)
			g.back()
			g.work(predecessor, "1", row.heard)
			g.restart()
			g.work(predecessor, "1", row.heard)
			g.forward()
			g.remove(predecessor)
			g.restart()
			g.work(successor, "2", row.heard)
			g.nothingIsGone()
		})
	}
}

// nothingIsGone asserts that all could be replaced once more.
func (g *group) nothingIsGone() {
	g.Helper()
	all, err := g.Containers(g.Context())
	g.must(err)
	for _, k := range g.all {
		i := slices.IndexFunc(all, func(c core.Container) bool { return c.ID == k.successor })
		if i < 0 {
			g.Fatalf("%s is not in the census", k.name)
		}
		for _, why := range all[i].Obstacles {
			g.Errorf("%s: %s", k.name, why)
		}
	}
}

// An engine that starts reads again what a link was created with, which is a name:
// one that the target of a parked container does not have at that moment. Its link
// then leads to the target's successor, for good. The comparison sees it, and one
// that is made again from the snapshot has the link that it had.
func TestAnEngineThatRestartsTurnsTheLinksOfParkedContainers(t *testing.T) {
	t.Parallel()
	p := dockertest.NewPrivate(t, false)
	g := &group{T: t, Client: connect(t, p.Engine), engine: p.Engine, image: p.Name("web") + ":1"}
	g.make("1")
	g.add("db", nil)
	web := g.add("web", &container.HostConfig{Links: []string{p.Name("db") + ":alias"}})
	g.succeed()
	g.forward()
	p.Restart()
	g.swap(successor, core.NewSuffix, predecessor)
	lines, err := g.Differences(t.Context(), core.Draft{From: web.snapshot}, web.predecessor)
	if g.must(err); len(lines) != 1 || !strings.HasPrefix(lines[0], "HostConfig.Links") {
		t.Errorf("differences: %q, want one of the links", lines)
	}
	g.must(g.Start(t.Context(), g.all[0].predecessor))
	if err := g.Start(t.Context(), web.predecessor); err == nil {
		t.Error("it started: what is done about its links is not needed any more")
	}
	g.must(g.Remove(t.Context(), web.predecessor, false))
	d := core.Draft{Name: web.name, From: web.snapshot, Reference: g.image}
	web.predecessor, err = g.Create(t.Context(), d)
	g.must(err)
	g.same(d, web.predecessor)
	g.must(g.Start(t.Context(), web.predecessor))
	g.hears(web.name, "http://alias/", "1")
}
