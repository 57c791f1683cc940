package coretest

import (
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// inCensus is the container of that id; there is false if there is none.
func (c *conformance) inCensus(id string) (found core.Container, there bool) {
	c.Helper()
	all, err := c.Containers(c.Context())
	c.must(err)
	i := slices.IndexFunc(all, func(o core.Container) bool { return o.ID == id })
	if i < 0 {
		return core.Container{}, false
	}
	return all[i], true
}

// seen asserts something of a container in the census, twice: an engine may remember
// what it was told.
func (c *conformance) seen(id, what string, wanted func(core.Container) bool) {
	c.Helper()
	for range 2 {
		if now, there := c.inCensus(id); !there || !wanted(now) {
			c.Errorf("%s: in the census it is %+v", what, now)
		}
	}
}

func is(s core.State) func(core.Container) bool {
	return func(now core.Container) bool { return now.State == s }
}

func (c *conformance) changing() {
	_, p := c.web(Good, func(s *Spec) { s.RestartPolicy = core.RestartPolicy{Name: "always"} })
	c.seen(p.ID, "at first", is(core.Running))
	c.must(c.Pause(c.Context(), p.ID))
	c.seen(p.ID, "paused", is(core.Paused))
	c.must(c.SetRestartPolicy(c.Context(), p.ID, core.RestartPolicy{Name: "no"}))
	c.seen(p.ID, "with another restart policy", is(core.Paused))
	if now := c.look(p.ID); now.RestartPolicy.Name != "no" {
		c.Errorf("its restart policy is %v", now.RestartPolicy)
	}
	c.must(c.Stop(c.Context(), p.ID, "", 10*time.Second))
	c.seen(p.ID, "stopped", is(core.Exited))
	c.must(c.Start(c.Context(), p.ID))
	c.seen(p.ID, "started", is(core.Running))
	c.must(c.Rename(c.Context(), p.ID, p.Name+"-renamed"))
	c.seen(p.ID, "renamed", func(now core.Container) bool { return now.Name == p.Name+"-renamed" })
}

func (c *conformance) changingImages() {
	image, p := c.web(Good, nil)
	c.seen(p.ID, "at first", is(core.Running))
	newer := c.pull(c.Publish(c.T, "app", Healthy))
	c.seen(p.ID, "its tag moved", func(now core.Container) bool {
		return now.Image.ID == p.ImageID && now.Image.Reference == image.Reference && !now.ImageGone
	})
	c.must(c.Stop(c.Context(), p.ID, "", 10*time.Second))
	c.Lose(c.T, p.ImageID)
	c.seen(p.ID, "its image removed", func(now core.Container) bool { return now.ImageGone && len(now.RepoDigests) == 0 })
	again, err := c.Pull(c.Context(), image, nil)
	c.must(err)
	c.seen(p.ID, "its image pulled anew", func(now core.Container) bool {
		return again == p.ImageID && !now.ImageGone && len(now.RepoDigests) == 1 && now.RepoDigests[0].Digest == image.Digest
	})
	c.must(c.Remove(c.Context(), p.ID, true))
	anew := c.Bench.Run(c.T, Spec{Name: p.Name, Reference: image.Reference.Text})
	c.seen(anew, "made anew under its name", func(now core.Container) bool { return now.Name == p.Name && now.Image.ID == newer })
	if now, there := c.inCensus(p.ID); there {
		c.Errorf("removed, it is %+v", now)
	}
}
