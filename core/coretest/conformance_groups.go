package coretest

import (
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

func (c *conformance) pausing() {
	_, p := c.web(Good, nil)
	for range 2 {
		c.must(c.Pause(c.Context(), p.ID))
	}
	if s := c.look(p.ID); s.State != core.Paused || !s.StartedAt.Equal(p.StartedAt) {
		c.Fatalf("paused, it is %s, started at %s; before at %s", s.State, s.StartedAt, p.StartedAt)
	}
	c.must(c.Stop(c.Context(), p.ID, "SIGTERM", 10*time.Second))
	if s := c.look(p.ID); s.State != core.Exited {
		c.Fatalf("paused and stopped, it is %s", s.State)
	}
	if err := c.Pause(c.Context(), p.ID); err == nil {
		c.Error("one that does not run was paused")
	}
	c.must(c.Start(c.Context(), p.ID))
	if s := c.look(p.ID); s.State != core.Running || s.StartedAt.Equal(p.StartedAt) {
		c.Errorf("started again, it is %+v", s)
	}
}

// sharer is one container that shares a namespace of another one.
type sharer struct {
	image       core.Image
	target, own core.Status
	snapshot    core.Snapshot // of own
}

func (c *conformance) sharer() sharer {
	c.Helper()
	var s sharer
	s.image, s.target = c.web(Good, func(spec *Spec) { spec.Name = c.Name("vpn") })
	id := c.Bench.Run(c.T, Spec{Name: c.Name("web"), Reference: s.image.Reference.Text, Shares: []string{s.target.Name}})
	s.own = c.look(id)
	snapshot, err := c.Snapshot(c.Context(), id, core.Defaults{})
	c.must(err)
	s.snapshot = snapshot
	return s
}

// successors are those of the target and of the sharer: the second one points to the first.
func (c *conformance) successors(s sharer) (target, own string, d core.Draft) {
	c.Helper()
	target = c.successor(s.target, s.image.Reference.Text)
	d = draft(s.own, s.snapshot, s.image.Reference.Text)
	d.Replaced = map[string]string{s.target.ID: target}
	return target, c.create(d), d
}

func (c *conformance) pointing() {
	s := c.sharer()
	_, own, d := c.successors(s)
	differences, err := c.Differences(c.Context(), d, own)
	c.must(err)
	if len(differences) > 0 {
		c.Errorf("the successor differs: %q", differences)
	}
	for what, asked := range map[string]struct {
		replaced map[string]string
		id       string
	}{
		"the successor, asked to point to its predecessor's target": {nil, own},
		"the predecessor, asked to point to its target's successor": {d.Replaced, s.own.ID},
	} {
		d.Replaced = asked.replaced
		differences, err := c.Differences(c.Context(), d, asked.id)
		c.must(err)
		if len(differences) != 1 {
			c.Errorf("%s, differs in %q, want in one line", what, differences)
		}
	}
}

func (c *conformance) joining() {
	s := c.sharer()
	target, own, _ := c.successors(s)
	c.doesNotStart(own, "before its target runs")
	c.must(c.Start(c.Context(), target))
	c.must(c.Start(c.Context(), own))
	for _, id := range []string{target, own, s.target.ID, s.own.ID} {
		if s := c.look(id); s.State != core.Running {
			c.Errorf("it is %+v, want all four to run", s)
		}
	}
	c.must(c.Stop(c.Context(), s.own.ID, "SIGTERM", 10*time.Second))
	c.must(c.Stop(c.Context(), s.target.ID, "SIGTERM", 10*time.Second))
	c.must(c.Remove(c.Context(), s.target.ID, true))
	c.doesNotStart(s.own.ID, "after its target is gone")
	if now := c.look(own); now.State != core.Running {
		c.Errorf("without its predecessor, the successor is %s", now.State)
	}
}

func (c *conformance) doesNotStart(id, when string) {
	c.Helper()
	if err := c.Start(c.Context(), id); err == nil {
		c.Errorf("%s, it started", when)
	}
	if s := c.look(id); !s.Exists() || s.State.Up() {
		c.Errorf("%s, it is %+v", when, s)
	}
}

func (c *conformance) hanging() {
	s := c.sharer()
	after := c.Bench.Run(c.T, Spec{
		Name: c.Name("after"), Reference: s.image.Reference.Text, Restarts: []string{s.target.Name},
	})
	c.hang(map[string]core.Container{
		s.target.ID: {},
		s.own.ID:    {Tethers: []string{s.target.Name}, DependsOn: []string{s.target.Name}},
		after:       {Restarts: []string{s.target.Name}, DependsOn: []string{s.target.Name}},
	})
	_, own, _ := c.successors(s)
	target := s.target.Name + core.NewSuffix
	c.hang(map[string]core.Container{own: {Tethers: []string{target}, DependsOn: []string{target}}})
}

// hang asserts what the census says of those that they hang on.
func (c *conformance) hang(wanted map[string]core.Container) {
	c.Helper()
	all, err := c.Containers(c.Context())
	c.must(err)
	for id, want := range wanted {
		i := slices.IndexFunc(all, func(o core.Container) bool { return o.ID == id })
		if i < 0 {
			c.Fatalf("no container %s in the census", id)
		}
		got := all[i]
		if !slices.Equal(got.Tethers, want.Tethers) || !slices.Equal(got.DependsOn, want.DependsOn) || !slices.Equal(got.Restarts, want.Restarts) {
			c.Errorf("%s hangs on %q, depends on %q, restarts after %q; want %q, %q, %q",
				got.Name, got.Tethers, got.DependsOn, got.Restarts, want.Tethers, want.DependsOn, want.Restarts)
		}
	}
}
