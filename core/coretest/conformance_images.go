package coretest

import (
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

func (c *conformance) tags() {
	image, p := c.web(Good, nil)
	other := c.pull(c.Publish(c.T, "app", Healthy))
	c.resolves(image.Reference.Text, other)
	kept := strings.ToLower(c.Name("kept")) + ":a"
	c.must(c.Tag(c.Context(), p.ImageID, kept))
	c.resolves(kept, p.ImageID)
	repository, _, _ := strings.Cut(kept, ":")
	tags, err := c.TagsOf(c.Context(), repository)
	c.must(err)
	if len(tags) != 1 || tags[kept] != p.ImageID {
		c.Errorf("tags of %s: %v", repository, tags)
	}
	for range 2 {
		c.must(c.Untag(c.Context(), kept))
	}
	c.resolves(kept, "")
	c.must(c.Tag(c.Context(), p.ImageID, image.Reference.Text))
	c.resolves(image.Reference.Text, p.ImageID)
}

func (c *conformance) resolves(reference, want string) {
	c.Helper()
	id, err := c.Resolve(c.Context(), reference)
	c.must(err)
	if id != want {
		c.Errorf("%s is %q, want %q", reference, id, want)
	}
}

func (c *conformance) pulling() {
	image, p := c.web(Good, nil)
	newer := c.Publish(c.T, "app", Healthy)
	id, err := c.Pull(c.Context(), newer, nil)
	c.must(err)
	c.resolves(image.Reference.Text, p.ImageID)
	if id == "" || id == p.ImageID {
		c.Errorf("pulled image %q, the old one is %q", id, p.ImageID)
	}
	newer.Digest = "sha256:" + strings.Repeat("0", 64)
	if _, err := c.Pull(c.Context(), newer, nil); err == nil {
		c.Error("a digest that is not there was pulled")
	}
	removed, err := c.RemoveImage(c.Context(), id)
	if !removed || err != nil {
		c.Errorf("remove the pulled image: %t, %v", removed, err)
	}
}

func (c *conformance) removingImages() {
	_, p := c.web(Good, nil)
	c.removes(p.ImageID, false, "an image in use")
	newer := c.Publish(c.T, "app", Healthy)
	id := c.pull(newer)
	c.removes(id, false, "a tagged image")
	c.must(c.Tag(c.Context(), p.ImageID, newer.Reference.Text))
	c.removes(id, true, "an image without tag and container")
	c.removes(id, false, "an image that is gone")
}

func (c *conformance) removes(id string, want bool, what string) {
	c.Helper()
	removed, err := c.RemoveImage(c.Context(), id)
	if removed != want || err != nil {
		c.Errorf("remove %s: %t, %v; want %t", what, removed, err, want)
	}
}

func (c *conformance) census() {
	image, p := c.web(Good, func(s *Spec) { s.Labels = map[string]string{"refit.enable": "true"} })
	c.successor(p, image.Reference.Text)
	all, err := c.Containers(c.Context())
	c.must(err)
	find := func(name string) core.Container {
		i := slices.IndexFunc(all, func(o core.Container) bool { return o.Name == name })
		if i < 0 {
			c.Fatalf("no container %s in the census", name)
		}
		return all[i]
	}
	c.listed(image, p, find(p.Name))
	if s := find(p.Name + core.NewSuffix); s.Mark == nil || s.Mark.Owner != "conformance0" || s.State != core.Created {
		c.Errorf("the successor in the census: %+v", s)
	}
}

// listed asserts what the census says of a running container.
func (c *conformance) listed(image core.Image, p core.Status, web core.Container) {
	c.Helper()
	if web.ID != p.ID || web.State != core.Running || web.Image.ID != p.ImageID || web.Mark != nil || web.Labels["refit.enable"] != "true" {
		c.Errorf("in the census: %+v", web)
	}
	if web.Image.Reference != image.Reference {
		c.Errorf("reference %+v, want %+v", web.Image.Reference, image.Reference)
	}
	digest := core.Reference{Repository: image.Reference.Repository, Digest: image.Digest}
	if !slices.ContainsFunc(web.RepoDigests, func(r core.Reference) bool {
		return r.Repository == digest.Repository && r.Digest == digest.Digest
	}) {
		c.Errorf("digests %+v, want %+v among them", web.RepoDigests, digest)
	}
	if len(web.Obstacles) > 0 {
		c.Errorf("obstacles: %v", web.Obstacles)
	}
}

func (c *conformance) volumes() {
	image, p := c.web(Good, func(s *Spec) { s.Volumes = map[string]string{"/data": ""} })
	snapshot, err := c.Snapshot(c.Context(), p.ID, core.Defaults{})
	c.must(err)
	id := c.successor(p, image.Reference.Text)
	same := func(when string) {
		c.Helper()
		differences, err := c.Differences(c.Context(), core.Draft{From: snapshot}, p.ID)
		c.must(err)
		if len(differences) > 0 {
			c.Errorf("%s: %q", when, differences)
		}
	}
	differences, err := c.Differences(c.Context(), core.Draft{From: snapshot}, id)
	c.must(err)
	if len(differences) > 0 {
		c.Errorf("the successor has not its predecessor's volume: %q", differences)
	}
	c.must(c.Stop(c.Context(), p.ID, "", 10*time.Second))
	c.must(c.Remove(c.Context(), id, true))
	same("after the successor was removed with its volumes")
	c.must(c.Start(c.Context(), p.ID))
	if s := c.look(p.ID); !s.State.Up() {
		c.Errorf("the predecessor is %s: its volume went with the successor", s.State)
	}
}

func (c *conformance) losing() {
	image, p := c.web(Good, func(s *Spec) { s.Settings = map[string]string{"COLOUR": "blue"} })
	known, err := c.Defaults(c.Context(), p.ImageID)
	c.must(err)
	if !known.Known() || !slices.ContainsFunc(known.RepoDigests, func(r core.Reference) bool {
		return r.Repository == image.Reference.Repository && r.Digest == image.Digest
	}) {
		c.Errorf("defaults %s of %v", known.Config, known.RepoDigests)
	}
	newer := c.Publish(c.T, "app", Healthy)
	c.must(c.Stop(c.Context(), p.ID, "", 10*time.Second))
	c.Lose(c.T, p.ImageID)
	none, err := c.Defaults(c.Context(), p.ImageID)
	c.must(err)
	if none.Known() {
		c.Errorf("the image is gone, and its defaults are %s", none.Config)
	}
	if _, err := c.Snapshot(c.Context(), p.ID, core.Defaults{}); err == nil {
		c.Error("a snapshot without defaults")
	}
	snapshot, err := c.Snapshot(c.Context(), p.ID, known)
	c.must(err)
	c.pull(newer)
	id := c.create(draft(p, snapshot, image.Reference.Text))
	for what, id := range map[string]string{"successor": id, "predecessor itself": p.ID} {
		differences, err := c.Differences(c.Context(), core.Draft{From: snapshot}, id)
		c.must(err)
		if len(differences) > 0 {
			c.Errorf("the %s differs: %q", what, differences)
		}
	}
	c.must(c.Start(c.Context(), id))
	c.becomes(id, "healthy by the new image's check", func(s core.Status) bool { return s.Health.Status == "healthy" })
	c.must(c.Start(c.Context(), p.ID)) // it needs no image to run
}

func (c *conformance) previewing() {
	_, p := c.web(Good, func(s *Spec) { s.Settings = map[string]string{"SECRET": "hunter2"} })
	for kind, want := range map[Kind]bool{Good: false, Healthy: true} {
		id := c.pull(c.Publish(c.T, "app", kind))
		next, err := c.Defaults(c.Context(), id)
		c.must(err)
		changes, err := c.Preview(c.Context(), p.ID, core.Defaults{}, next)
		c.must(err)
		checked := false
		for _, change := range changes {
			checked = checked || change.Setting == "HEALTHCHECK"
			if change.Name == "SECRET" || change.From == nil && change.To == nil {
				c.Errorf("to an image that is %s: %+v", kind, change)
			}
		}
		if checked != want {
			c.Errorf("to an image that is %s the healthcheck changes: %t", kind, checked)
		}
	}
	was, err := c.Defaults(c.Context(), p.ImageID)
	c.must(err)
	c.must(c.Stop(c.Context(), p.ID, "", 10*time.Second))
	c.Lose(c.T, p.ImageID)
	if _, err := c.Preview(c.Context(), p.ID, core.Defaults{}, was); err == nil {
		c.Error("a preview, and nobody knows what the old image said")
	}
	if changes, err := c.Preview(c.Context(), p.ID, was, was); err != nil || len(changes) > 0 {
		c.Errorf("to the same image: %+v, %v", changes, err)
	}
}
