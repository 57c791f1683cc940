package core_test

import (
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

// TestStartFirst has a row for each reason not to run two containers beside one
// another. The reason is a part of the sentence; "" stands for an update.
func TestStartFirst(t *testing.T) {
	t.Parallel()
	mount := func(m core.Mount) func(*core.Container) {
		return func(c *core.Container) { c.Mounts = append(c.Mounts, m) }
	}
	port := func(c *core.Container) {
		c.Exclusive = []string{"it publishes the host's port 8080", "it has a fixed address"}
	}
	cold := func(w *core.World) {
		w.Hooks = map[string]core.HookAnswer{"backup": {Stages: []core.Stage{core.PreRecreate}}}
	}
	warm := func(w *core.World) {
		w.Hooks = map[string]core.HookAnswer{"backup": {Stages: []core.Stage{core.PreUpdate}}}
	}
	data := core.Mount{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data"}
	for name, test := range map[string]struct {
		edits  []func(*core.Container)
		others []core.Container
		world  func(*core.World)
		reason string
	}{
		"nothing in the way":                   {},
		"the first reason of the engine":       {edits: edits(port), reason: "start-first: it publishes the host's port 8080"},
		"paused":                               {edits: edits(state(core.Paused)), reason: "start-first: it is paused"},
		"a volume":                             {edits: edits(mount(data)), reason: "start-first: old and new would write to /data at once (data); refit.start-first-shared=true allows it"},
		"a folder of the host":                 {edits: edits(mount(core.Mount{Type: "bind", Source: "/srv", Destination: "/data"})), reason: "/data at once (/srv)"},
		"a volume that is only read":           {edits: edits(mount(core.Mount{Type: "volume", Name: "data", Destination: "/data", ReadOnly: true}))},
		"memory":                               {edits: edits(mount(core.Mount{Type: "tmpfs", Destination: "/tmp"}))},
		"a volume that a label allows":         {edits: edits(mount(data), label("refit.start-first-shared", "true"))},
		"a volume that the operator allows":    {edits: edits(mount(data)), world: func(w *core.World) { w.Settings.Defaults.StartFirstShared = true }},
		"a hook that wants it stopped":         {edits: edits(label("refit.hooks", "backup")), world: cold, reason: "start-first: hook backup needs the old container stopped"},
		"a hook that does not":                 {edits: edits(label("refit.hooks", "backup")), world: warm},
		"something that hangs on it":           {others: all(container("child", on("web"), unlabelled)), reason: "start-first: child hangs on it, and must be stopped with it"},
		"something that is restarted after it": {others: all(container("proxy", again("web"), unlabelled)), reason: "start-first: proxy is to be restarted after it, as compose asks"},
		"unless that declines":                 {others: all(container("proxy", again("web"), label("refit.enable", "false")))},
		"or is down":                           {others: all(container("proxy", again("web"), state(core.Exited)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := container("web", append(test.edits, label("refit.strategy", "start-first"))...)
			w := world(append(test.others, c)...)
			if test.world != nil {
				test.world(&w)
			}
			plan := answer(w, core.Answer{Digest: newDigest})
			s := step(t, plan, "web")
			switch {
			case test.reason == "" && (s.Action != core.Update || s.Policy.Strategy != core.StartFirst):
				t.Errorf("got %s, %s (%s), want an update that starts first", s.Action, s.Reason, s.Policy.Strategy)
			case test.reason != "" && (s.Action != core.Hold || s.Reason.Code != core.Unsupported || !strings.Contains(s.Reason.Text, test.reason)):
				t.Errorf("got %s, %s\nwant it held because %s", s.Action, s.Reason, test.reason)
			}
		})
	}
}

func edits(list ...func(*core.Container)) []func(*core.Container) { return list }

func step(t *testing.T, p core.Plan, name string) core.Step {
	t.Helper()
	for _, s := range p.Steps {
		if s.Container.Name == name {
			return s
		}
	}
	t.Fatalf("no step for %s", name)
	return core.Step{}
}

func TestWhatIsDownNeedNotStartFirst(t *testing.T) {
	t.Parallel()
	w := world(container("web", state(core.Exited), label("refit.strategy", "start-first"), func(c *core.Container) { c.Exclusive = []string{"it has a fixed address"} }))
	includeStopped(&w)
	s := step(t, answer(w, core.Answer{Digest: newDigest}), "web")
	if s.Action != core.Update || s.Policy.Strategy != core.StopFirst {
		t.Errorf("got %s, %s (%s), want an update that stops first", s.Action, s.Reason, s.Policy.Strategy)
	}
}
