package coretest

import (
	"context"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/update"
)

// Bench is an engine under test, and the means to furnish it.
type Bench interface {
	update.Engine
	// Name makes a name that nothing else on the engine has.
	Name(name string) string
	// Publish puts a new image of that kind into a registry, under the tag "1"
	// of a repository that it makes of the name; again under the same name
	// moves the tag. The engine need not have the image.
	Publish(t *testing.T, name string, kind Kind) core.Image
	// Lose takes an image from the engine, with all its names, although a stopped
	// container was made from it.
	Lose(t *testing.T, imageID string)
	// Run pulls the spec's reference if the engine does not have it, makes the
	// container and starts it. The test's end removes it, if it is still there.
	Run(t *testing.T, s Spec) (id string)
}

// TestEngine is what every update.Engine must pass. Open makes a bench for one test.
func TestEngine(t *testing.T, open func(t *testing.T) Bench) {
	for name, test := range map[string]func(*conformance){
		"looking finds exact names and full ids only":              (*conformance).looking,
		"a successor has its predecessor's settings":               (*conformance).creating,
		"a name that is taken is refused as such":                  (*conformance).names,
		"starting, stopping and removing may be repeated":          (*conformance).repeating,
		"policy no keeps a stopped container down":                 (*conformance).parking,
		"a crash loop shows in the restart count":                  (*conformance).crashLoop,
		"a signal is told from an end of its own":                  (*conformance).signals,
		"an entrypoint that does not exist is an error of start":   (*conformance).noEntrypoint,
		"health goes from starting to its verdict":                 (*conformance).health,
		"tags move, and an untagged image in use stays":            (*conformance).tags,
		"a pull by digest moves no tag":                            (*conformance).pulling,
		"an image goes when it has no tag and no container":        (*conformance).removingImages,
		"the census has what a decision needs":                     (*conformance).census,
		"an anonymous volume goes over and is not removed with it": (*conformance).volumes,
		"a paused container can be stopped, and started again":     (*conformance).pausing,
		"a sharer's successor points to its target's successor":    (*conformance).pointing,
		"a sharer runs only while its target does":                 (*conformance).joining,
		"the census says who hangs on whom":                        (*conformance).hanging,
		"what an image said outlives the image":                    (*conformance).losing,
		"a preview shows what images say, and no user's setting":   (*conformance).previewing,
		"a container that changed is listed as it is now":          (*conformance).changing,
		"an image that changed is listed as it is now":             (*conformance).changingImages,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&conformance{T: t, Bench: open(t)})
		})
	}
}

// conformance is one test of the suite.
type conformance struct {
	*testing.T
	Bench
}

// Name is the bench's: testing.T has one too.
func (c *conformance) Name(name string) string { return c.Bench.Name(name) }

func (c *conformance) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *conformance) look(nameOrID string) core.Status {
	c.Helper()
	s, err := c.Look(c.Context(), nameOrID)
	c.must(err)
	return s
}

// becomes waits until the container is as wanted.
func (c *conformance) becomes(id, what string, wanted func(core.Status) bool) core.Status {
	c.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		s := c.look(id)
		if wanted(s) {
			return s
		}
		if time.Now().After(deadline) {
			c.Fatalf("it never became %s: %+v", what, s)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// web runs a container of a new image of that kind.
func (c *conformance) web(kind Kind, edit func(*Spec)) (core.Image, core.Status) {
	c.Helper()
	repository := "app"
	if kind != Good {
		repository = string(kind)
	}
	image := c.Publish(c.T, repository, kind)
	spec := Spec{Name: c.Name("web"), Reference: image.Reference.Text}
	if edit != nil {
		edit(&spec)
	}
	id := c.Bench.Run(c.T, spec)
	return image, c.look(id)
}

func (c *conformance) successor(p core.Status, reference string) string {
	c.Helper()
	snapshot, err := c.Snapshot(c.Context(), p.ID, core.Defaults{})
	c.must(err)
	return c.create(draft(p, snapshot, reference))
}

// create makes a successor, which goes with the test.
func (c *conformance) create(d core.Draft) string {
	c.Helper()
	id, err := c.Create(c.Context(), d)
	c.must(err)
	c.Cleanup(func() {
		ctx := context.WithoutCancel(c.Context())
		_ = c.SetRestartPolicy(ctx, id, core.RestartPolicy{Name: "no"})
		_ = c.Stop(ctx, id, "SIGKILL", time.Second)
		if err := c.Remove(ctx, id, true); err != nil {
			c.Errorf("clean up: %v", err)
		}
	})
	return id
}

func draft(p core.Status, s core.Snapshot, reference string) core.Draft {
	return core.Draft{
		Name: p.Name + core.NewSuffix, From: s, Reference: reference,
		Mark: core.Mark{Attempt: "0123456789abcdef", Owner: "conformance0", Predecessor: p.ID, Reference: reference},
	}
}

func (c *conformance) looking() {
	_, s := c.web(Good, nil)
	if byName := c.look(s.Name); byName.ID != s.ID {
		c.Errorf("by name: %q, want %q", byName.ID, s.ID)
	}
	if s.State != core.Running || s.StartedAt.IsZero() || s.ImageID == "" {
		c.Errorf("a running container looks like %+v", s)
	}
	for _, wrong := range []string{s.ID[:len(s.ID)-1], s.Name[:len(s.Name)-1], c.Name("nobody")} {
		if found := c.look(wrong); found.Exists() {
			c.Errorf("%q found %q", wrong, found.Name)
		}
	}
}

func (c *conformance) creating() {
	image, p := c.web(Good, func(s *Spec) {
		s.Settings = map[string]string{"COLOUR": "blue"}
		s.RestartPolicy = core.RestartPolicy{Name: "always"}
	})
	snapshot, err := c.Snapshot(c.Context(), p.ID, core.Defaults{})
	c.must(err)
	id := c.successor(p, image.Reference.Text)
	s := c.look(id)
	if s.State != core.Created || s.Name != p.Name+core.NewSuffix || s.RestartPolicy != p.RestartPolicy || s.ImageID != p.ImageID {
		c.Errorf("successor %+v of %+v", s, p)
	}
	if s.Mark == nil || s.Mark.Predecessor != p.ID {
		c.Errorf("mark %+v", s.Mark)
	}
	for what, id := range map[string]string{"successor": id, "predecessor itself": p.ID} {
		differences, err := c.Differences(c.Context(), core.Draft{From: snapshot}, id)
		c.must(err)
		if len(differences) > 0 {
			c.Errorf("the %s differs: %q", what, differences)
		}
	}
	c.must(c.SetRestartPolicy(c.Context(), id, core.RestartPolicy{Name: "no"}))
	differences, err := c.Differences(c.Context(), core.Draft{From: snapshot}, id)
	c.must(err)
	if len(differences) == 0 {
		c.Error("a changed restart policy is no difference")
	}
	if now := c.look(p.ID); !now.StartedAt.Equal(p.StartedAt) || now.State != core.Running {
		c.Errorf("the predecessor noticed: %+v", now)
	}
}

func (c *conformance) names() {
	image, p := c.web(Good, nil)
	id := c.successor(p, image.Reference.Text)
	snapshot, err := c.Snapshot(c.Context(), p.ID, core.Defaults{})
	c.must(err)
	if _, err := c.Create(c.Context(), draft(p, snapshot, image.Reference.Text)); !taken(err) {
		c.Errorf("create under a name that is taken: %v", err)
	}
	if err := c.Rename(c.Context(), id, p.Name); !taken(err) {
		c.Errorf("rename to a name that is taken: %v", err)
	}
	c.must(c.Rename(c.Context(), p.ID, p.Name))
	c.must(c.Rename(c.Context(), p.ID, p.Name+core.OldSuffix))
	c.must(c.Rename(c.Context(), id, p.Name))
	if now := c.look(p.Name); now.ID != id {
		c.Errorf("the name is %s's, want %s's", now.ID, id)
	}
}

func taken(err error) bool {
	t, ok := err.(interface{ NameTaken() bool })
	return ok && t.NameTaken()
}

func (c *conformance) repeating() {
	image, p := c.web(Good, nil)
	id := c.successor(p, image.Reference.Text)
	for range 2 {
		c.must(c.Start(c.Context(), id))
	}
	if s := c.look(id); s.State != core.Running {
		c.Fatalf("started, it is %s", s.State)
	}
	for range 2 {
		c.must(c.Stop(c.Context(), id, "SIGTERM", 10*time.Second))
	}
	if s := c.look(id); s.State != core.Exited {
		c.Fatalf("stopped, it is %s", s.State)
	}
	for range 2 {
		c.must(c.Remove(c.Context(), id, true))
	}
	c.must(c.Stop(c.Context(), id, "", 0))
	if s := c.look(id); s.Exists() {
		c.Errorf("removed, it is %+v", s)
	}
}

func (c *conformance) parking() {
	_, p := c.web(Good, func(s *Spec) { s.RestartPolicy = core.RestartPolicy{Name: "always"} })
	c.must(c.SetRestartPolicy(c.Context(), p.ID, core.RestartPolicy{Name: "no"}))
	c.must(c.Stop(c.Context(), p.ID, "SIGINT", 10*time.Second))
	if s := c.look(p.ID); s.State != core.Exited || s.RestartPolicy.Name != "no" {
		c.Errorf("stopped, it is %+v", s)
	}
	c.must(c.SetRestartPolicy(c.Context(), p.ID, core.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}))
	c.must(c.Start(c.Context(), p.ID))
	s := c.look(p.ID)
	if want := (core.RestartPolicy{Name: "on-failure", MaximumRetryCount: 3}); s.RestartPolicy != want {
		c.Errorf("restart policy %v, want %v", s.RestartPolicy, want)
	}
	if s.State != core.Running || s.StartedAt.Equal(p.StartedAt) {
		c.Errorf("started again, it is %+v; first started at %s", s, p.StartedAt)
	}
}

func (c *conformance) crashLoop() {
	_, p := c.web(CrashLater, func(s *Spec) { s.RestartPolicy = core.RestartPolicy{Name: "always"} })
	s := c.becomes(p.ID, "restarted twice", func(s core.Status) bool { return s.RestartCount >= 2 })
	if s.StartedAt.Equal(p.StartedAt) {
		c.Error("it was restarted, and has the same StartedAt")
	}
	_, once := c.web(Crash, func(s *Spec) { s.Name = c.Name("once") })
	s = c.becomes(once.ID, "exited", func(s core.Status) bool { return s.State == core.Exited })
	if s.ExitCode != 1 {
		c.Errorf("exit code %d, want 1", s.ExitCode)
	}
}

func (c *conformance) signals() {
	_, p := c.web(Good, nil)
	c.signalled(p, false, "a container that runs")
	c.must(c.Stop(c.Context(), p.ID, "SIGTERM", 10*time.Second))
	c.signalled(p, true, "a container that was stopped")
	_, crashed := c.web(Crash, func(s *Spec) { s.Name = c.Name("crashed") })
	c.becomes(crashed.ID, "exited", func(s core.Status) bool { return s.State == core.Exited })
	c.signalled(crashed, false, "a container that crashed")
}

func (c *conformance) signalled(s core.Status, want bool, what string) {
	c.Helper()
	got, err := c.Signalled(c.Context(), s.ID, s.StartedAt)
	c.must(err)
	if got != want {
		c.Errorf("%s was signalled: %t, want %t", what, got, want)
	}
}

func (c *conformance) noEntrypoint() {
	image, p := c.web(Good, nil)
	broken := c.Publish(c.T, "app", NoStart)
	c.pull(broken)
	id := c.successor(p, image.Reference.Text)
	if err := c.Start(c.Context(), id); err == nil {
		c.Error("it started")
	}
	if s := c.look(id); s.State.Up() || !s.Exists() {
		c.Errorf("it is %+v", s)
	}
}

// pull fetches an image and points its tag to it.
func (c *conformance) pull(image core.Image) (id string) {
	c.Helper()
	id, err := c.Pull(c.Context(), image, nil)
	c.must(err)
	c.must(c.Tag(c.Context(), id, image.Reference.Text))
	return id
}

func (c *conformance) health() {
	for kind, verdict := range map[Kind]string{Healthy: "healthy", Unhealthy: "unhealthy"} {
		_, p := c.web(kind, func(s *Spec) { s.Name = c.Name(string(kind)) })
		if p.Health.Status != "starting" || p.Health.Limit <= 0 {
			c.Errorf("%s begins with %+v", kind, p.Health)
		}
		s := c.becomes(p.ID, verdict, func(s core.Status) bool { return s.Health.Status == verdict })
		if kind == Unhealthy && s.Health.Output == "" {
			c.Error("an unhealthy container's probe said nothing")
		}
	}
	if _, p := c.web(Good, nil); p.Health.Status != "" {
		c.Errorf("without healthcheck: %+v", p.Health)
	}
}
