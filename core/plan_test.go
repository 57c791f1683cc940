package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

const (
	oldDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
	newDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000002"
)

var app = core.Reference{Text: "app:1", Repository: "docker.io/library/app", Tag: "1"}

// container is an enabled, running container of app:1.
func container(name string, edit ...func(*core.Container)) core.Container {
	c := core.Container{
		ID: "id-" + name, Name: name, State: core.Running,
		Labels:      map[string]string{"refit.enable": "true"},
		Image:       core.Image{Reference: app, ID: "sha256:old"},
		RepoDigests: []core.Reference{{Repository: app.Repository, Digest: oldDigest}},
	}
	for _, e := range edit {
		e(&c)
	}
	return c
}

func label(name, value string) func(*core.Container) {
	return func(c *core.Container) { c.Labels[name] = value }
}

func needs(names ...string) func(*core.Container) {
	return func(c *core.Container) { c.DependsOn = names }
}

func world(containers ...core.Container) core.World {
	return core.World{Containers: containers, Settings: settings()}
}

// answer gives every query the same answer.
func answer(w core.World, a core.Answer) core.Plan {
	answers := map[core.Query]core.Answer{}
	for _, q := range w.Queries() {
		answers[q] = a
	}
	return core.MakePlan(w, answers)
}

// What a registry says of when to come again goes into the plan, and on to those that
// wait for its containers.
func TestAHoldThatEndsIsPlannedWithItsEnd(t *testing.T) {
	t.Parallel()
	over := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	other := func(c *core.Container) {
		c.Image.Reference = core.Reference{Text: "db:1", Repository: "other.example/db", Tag: "1"}
		c.RepoDigests = []core.Reference{{Repository: "other.example/db", Digest: oldDigest}}
	}
	w := world(container("db", other), container("web", needs("db")), container("worker", needs("web")), container("alone"))
	answers := map[core.Query]core.Answer{}
	for _, q := range w.Queries() {
		answers[q] = core.Answer{Digest: newDigest}
		if q.Reference.Text == "db:1" {
			answers[q] = core.Answer{Fault: core.Reason{Code: core.RateLimited, Text: "not now"}, RetryAt: over}
		}
	}
	got := map[string]time.Time{}
	for _, s := range core.MakePlan(w, answers).Steps {
		got[s.Container.Name] = s.RetryAt
	}
	if diff := cmp.Diff(map[string]time.Time{"db": over, "web": over, "worker": over, "alone": {}}, got); diff != "" {
		t.Errorf("when the steps are over (-want +got):\n%s", diff)
	}
}

// TestOneContainer has a row for each rule of the planner that needs one
// container only.
func TestOneContainer(t *testing.T) {
	t.Parallel()
	newer := core.Answer{Digest: newDigest}
	for name, test := range map[string]struct {
		container core.Container
		world     func(*core.World)
		answer    core.Answer
		action    core.Action
		code      core.Code
	}{
		"a new digest is an update":                   {container("web"), nil, newer, core.Update, core.NewImage},
		"the same digest is none":                     {container("web"), nil, core.Answer{Digest: oldDigest}, core.Keep, core.UpToDate},
		"an older digest of the same image is none":   {container("web", alsoKnownAs(app.Repository)), nil, newer, core.Keep, core.UpToDate},
		"the digest in another repository counts not": {container("web", alsoKnownAs("docker.io/library/other")), nil, newer, core.Update, core.NewImage},
		"an image that is gone and unknown holds":     {container("web", imageGone), nil, newer, core.Hold, core.Unsupported},
		"gone and remembered it moves":                {container("web", imageGone), remembered(``), newer, core.Update, core.NewImage},
		"its digests are remembered, too":             {container("web", imageGone), remembered(``), core.Answer{Digest: oldDigest}, core.Keep, core.UpToDate},
		"and so is which labels are the image's":      {container("web", imageGone), remembered(`"refit.enable":"true"`), newer, core.Keep, core.NotEnabled},
		"mode notify only tells":                      {container("web", label("refit.mode", "notify")), nil, newer, core.Notify, core.NotifyOnly},
		"without enable it is left alone":             {container("web", without("refit.enable")), nil, newer, core.Keep, core.NotEnabled},
		"with enable=false too":                       {container("web", label("refit.enable", "false")), nil, newer, core.Keep, core.NotEnabled},
		"--all makes enable unnecessary":              {container("web", without("refit.enable")), func(w *core.World) { w.Settings.All = true }, newer, core.Update, core.NewImage},
		"enable=false is obeyed with --all":           {container("web", label("refit.enable", "false")), func(w *core.World) { w.Settings.All = true }, newer, core.Keep, core.NotEnabled},
		"a bad label holds":                           {container("web", label("refit.mood", "x")), nil, newer, core.Hold, core.BadLabel},
		"a bad label holds also without enable":       {container("web", without("refit.enable"), label("refit.enabled", "true")), nil, newer, core.Hold, core.BadLabel},
		"a bad label under enable=false is let be":    {container("web", label("refit.enable", "false"), label("refit.mood", "x")), nil, newer, core.Keep, core.NotEnabled},
		"a scope is another Refit's":                  {container("web", label("refit.scope", "blue")), nil, newer, core.Keep, core.OtherScope},
		"no scope is another Refit's":                 {container("web"), scope("blue"), newer, core.Keep, core.OtherScope},
		"a different scope is another Refit's":        {container("web", label("refit.scope", "red")), scope("blue"), newer, core.Keep, core.OtherScope},
		"the same scope is ours":                      {container("web", label("refit.scope", "blue")), scope("blue"), newer, core.Update, core.NewImage},
		"a name that the command does not name":       {container("web"), func(w *core.World) { w.Only = []string{"db"} }, newer, core.Keep, core.NotNamed},
		"a name that it does":                         {container("web"), func(w *core.World) { w.Only = []string{"db", "web"} }, newer, core.Update, core.NewImage},
		"not due":                                     {container("web"), func(w *core.World) { w.Due = map[string]bool{"db": true} }, newer, core.Keep, core.NotDue},
		"due":                                         {container("web"), func(w *core.World) { w.Due = map[string]bool{"web": true} }, newer, core.Update, core.NewImage},
		"nobody is due":                               {container("web"), func(w *core.World) { w.Due = map[string]bool{} }, newer, core.Keep, core.NotDue},
		"stopped is left alone":                       {container("web", state(core.Exited)), nil, newer, core.Keep, core.NotRunning},
		"stopped is included when asked":              {container("web", state(core.Exited)), includeStopped, newer, core.Update, core.NewImage},
		"created is included when asked":              {container("web", state(core.Created)), includeStopped, newer, core.Update, core.NewImage},
		"dead never is":                               {container("web", state(core.Dead)), includeStopped, newer, core.Keep, core.NotRunning},
		"restarting counts as running":                {container("web", state(core.Restarting)), nil, newer, core.Update, core.NewImage},
		"paused counts as running":                    {container("web", state(core.Paused)), nil, newer, core.Update, core.NewImage},
		"a digest in the reference pins it":           {container("web", func(c *core.Container) { c.Image.Reference.Digest = oldDigest }), nil, newer, core.Keep, core.PinnedImage},
		"an image without digest is local":            {container("web", func(c *core.Container) { c.RepoDigests = nil }), nil, newer, core.Keep, core.LocalImage},
		"pull=false compares local ids: another":      {container("web", label("refit.pull", "false")), nil, core.Answer{ImageID: "sha256:new"}, core.Update, core.NewImage},
		"pull=false compares local ids: the same":     {container("web", label("refit.pull", "false")), nil, core.Answer{ImageID: "sha256:old"}, core.Keep, core.UpToDate},
		"pull=false needs no digest":                  {container("web", label("refit.pull", "false"), func(c *core.Container) { c.RepoDigests = nil }), nil, core.Answer{ImageID: "sha256:new"}, core.Update, core.NewImage},
		"a hook that nobody asked about is missing":   {container("web", label("refit.hooks", "backup")), nil, newer, core.Hold, core.HookMissing},
		"a hook with a fault holds, with its reason":  {container("web", label("refit.hooks", "backup")), hook(core.HookAnswer{Fault: core.Reason{Code: core.HookUnusable, Text: "no"}}), newer, core.Hold, core.HookUnusable},
		"a hook is no obstacle":                       {container("web", label("refit.hooks", "backup")), hook(core.HookAnswer{}), newer, core.Update, core.NewImage},
		"a setting that the hook lets labels make":    {container("web", label("refit.hooks", "backup"), label("refit.hook.backup.keep", "3")), hook(keys), newer, core.Update, core.NewImage},
		"a setting that is the operator's":            {container("web", label("refit.hooks", "backup"), label("refit.hook.backup.dir", "/")), hook(keys), newer, core.Hold, core.BadLabel},
		"a setting that the hook does not know":       {container("web", label("refit.hooks", "backup"), label("refit.hook.backup.kepp", "3")), hook(keys), newer, core.Hold, core.BadLabel},
		"a setting of a family":                       {container("web", label("refit.hooks", "backup"), label("refit.hook.backup.url.a", "3")), hook(core.HookAnswer{LabelKeys: []string{"url.*"}}), newer, core.Update, core.NewImage},
		"a family without a name":                     {container("web", label("refit.hooks", "backup"), label("refit.hook.backup.url.", "3")), hook(core.HookAnswer{LabelKeys: []string{"url.*"}}), newer, core.Hold, core.BadLabel},
		"a setting of a hook that is not listed":      {container("web", label("refit.hook.backup.keep", "3")), hook(keys), newer, core.Hold, core.BadLabel},
		"a veto holds, with its reason":               {container("web"), vetoed, newer, core.Hold, core.HookVetoed},
		"an obstacle holds, with its reason":          {container("web", obstacle), nil, newer, core.Hold, core.BadReference},
		"Refit leaves itself alone":                   {container("web"), func(w *core.World) { w.Settings.Self, w.Settings.SelfBar = "id-web", "why" }, newer, core.Hold, core.Unsupported},
		"Refit that can send a helper is updated":     {container("web"), func(w *core.World) { w.Settings.Self = "id-web" }, newer, core.Update, core.NewImage},
		"Refit that is told to leave itself alone":    {container("web", label("refit.enable", "false")), func(w *core.World) { w.Settings.Self, w.Settings.All = "id-web", true }, newer, core.Keep, core.NotEnabled},
		"Refit itself does not run beside itself":     {container("web", label("refit.strategy", "start-first")), func(w *core.World) { w.Settings.Self = "id-web" }, newer, core.Hold, core.Unsupported},
		"a fault of the registry is the reason":       {container("web"), nil, core.Answer{Fault: core.Reason{Code: core.Unauthorized, Text: "no"}}, core.Hold, core.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(test.container)
			if test.world != nil {
				test.world(&w)
			}
			step := answer(w, test.answer).Steps[0]
			if step.Action != test.action || step.Reason.Code != test.code || step.Reason.Text == "" {
				t.Errorf("got %s, %s\nwant %s, %s with a sentence", step.Action, step.Reason, test.action, test.code)
			}
			if moves := step.To != (core.Image{}); moves != (test.action == core.Update || test.action == core.Notify) && test.code != core.HookVetoed {
				t.Errorf("%s has target %+v", step.Action, step.To)
			}
		})
	}
}

var keys = core.HookAnswer{Keys: []string{"keep", "dir"}, LabelKeys: []string{"keep"}}

func hook(a core.HookAnswer) func(*core.World) {
	return func(w *core.World) { w.Hooks = map[string]core.HookAnswer{"backup": a} }
}

func vetoed(w *core.World) {
	w.Lessons = []core.Lesson{{
		Image: core.Image{Reference: app, Digest: newDigest}, Container: "web",
		Reason: core.Reason{Code: core.HookVetoed, Text: "hook approve refuses this image: not yet"},
	}}
}

func alsoKnownAs(repository string) func(*core.Container) {
	return func(c *core.Container) {
		c.RepoDigests = append(c.RepoDigests, core.Reference{Repository: repository, Digest: newDigest})
	}
}

func without(label string) func(*core.Container) {
	return func(c *core.Container) { delete(c.Labels, label) }
}

func state(s core.State) func(*core.Container) {
	return func(c *core.Container) { c.State = s }
}

func scope(name string) func(*core.World) {
	return func(w *core.World) { w.Settings.Scope = name }
}

func includeStopped(w *core.World) { w.Settings.IncludeStopped = true }

func imageGone(c *core.Container) { c.ImageGone, c.RepoDigests = true, nil }

// remembered is what images of app:1 say, with labels.
func remembered(labels string) func(*core.World) {
	return func(w *core.World) {
		w.Defaults = map[string]core.Defaults{"sha256:old": {
			Config:      []byte(`{"Labels":{` + labels + `}}`),
			RepoDigests: []core.Reference{{Repository: app.Repository, Digest: oldDigest}},
		}}
	}
}

func obstacle(c *core.Container) {
	c.Obstacles = []core.Reason{{Code: core.BadReference, Text: "its reference does not parse"}}
}

func TestAQueryIsAskedOnce(t *testing.T) {
	t.Parallel()
	arm := func(c *core.Container) { c.Image.Platform.Architecture = "arm64" }
	local := label("refit.pull", "false")
	w := world(container("a"), container("b"), container("c", arm), container("d", arm), container("e", local),
		container("f", without("refit.enable")), container("g", label("refit.mood", "x")))
	if got := len(w.Queries()); got != 3 {
		t.Errorf("%d queries %+v, want one each for the platform, the other platform, and the local tag", got, w.Queries())
	}
}

func TestWhatNobodyAskedAboutIsHeld(t *testing.T) {
	t.Parallel()
	if s := core.MakePlan(world(container("web")), nil).Steps[0]; s.Action != core.Hold {
		t.Errorf("without an answer: %s (%s)", s.Action, s.Reason)
	}
}

func TestWhatIsInAReplacementIsLeftAlone(t *testing.T) {
	t.Parallel()
	mark := func(of string) func(*core.Container) {
		return func(c *core.Container) { c.Mark = &core.Mark{Attempt: "a", Owner: "o", Predecessor: "id-" + of} }
	}
	for name, containers := range map[string][]core.Container{
		"created":   {container("web"), container("web"+core.NewSuffix, mark("web"))},
		"parked":    {container("web"+core.OldSuffix, state(core.Exited)), container("web", mark("web"+core.OldSuffix))},
		"abandoned": {container("web"+core.NewSuffix, mark("gone"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, s := range answer(world(containers...), core.Answer{Digest: newDigest}).Steps {
				if s.Action == core.Update {
					t.Errorf("%s is to be updated", s.Container.Name)
				}
			}
		})
	}
	done := container("web", mark("long-gone"))
	if got := actions(answer(world(done), core.Answer{Digest: newDigest})); got["web"] != "update new-image" {
		t.Errorf("a container that an earlier update made: %v, want an update", got)
	}
}

// actions are "action code" by container name.
func actions(p core.Plan) map[string]string {
	m := map[string]string{}
	for _, s := range p.Steps {
		m[s.Container.Name] = string(s.Action) + " " + string(s.Reason.Code)
	}
	return m
}

func order(p core.Plan) string {
	var names []string
	for _, s := range p.Steps {
		names = append(names, s.Container.Name)
	}
	return strings.Join(names, " ")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		containers []core.Container
		want       string
	}{
		"by name":                         {[]core.Container{container("c"), container("a"), container("b")}, "a b c"},
		"what is needed comes first":      {[]core.Container{container("a", needs("z")), container("z")}, "z a"},
		"three deep":                      {[]core.Container{container("a", needs("b")), container("b", needs("c")), container("c")}, "c b a"},
		"a diamond":                       {[]core.Container{container("a", needs("b", "c")), container("b", needs("d")), container("c", needs("d")), container("d")}, "d b c a"},
		"by label":                        {[]core.Container{container("a", label("refit.depends-on", "zz")), container("zz")}, "zz a"},
		"what is not there is no matter":  {[]core.Container{container("a", needs("ghost")), container("b")}, "a b"},
		"itself is no matter":             {[]core.Container{container("a", needs("a"))}, "a"},
		"through one that is not enabled": {[]core.Container{container("a", needs("m")), container("m", without("refit.enable"), needs("z")), container("z")}, "z m a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := order(answer(world(test.containers...), core.Answer{Digest: newDigest})); got != test.want {
				t.Errorf("order %q, want %q", got, test.want)
			}
		})
	}
}

func TestACycleIsHeldAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	w := world(container("a", needs("b")), container("b", needs("c")), container("c", needs("a")),
		container("d", needs("a")), container("e"))
	plan := answer(w, core.Answer{Digest: newDigest})
	want := map[string]string{
		"a": "hold dependency-cycle", "b": "hold dependency-cycle", "c": "hold dependency-cycle",
		"d": "hold dependency-held", "e": "update new-image",
	}
	if diff := cmp.Diff(want, actions(plan)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	for _, s := range plan.Steps {
		if s.Reason.Code == core.DependencyCycle && !strings.Contains(s.Reason.Text, " → ") {
			t.Errorf("reason %q does not show the cycle", s.Reason.Text)
		}
	}
}

func TestDependantsWaitForWhatIsUpdatedAndAreHeldWithWhatIsHeld(t *testing.T) {
	t.Parallel()
	w := world(container("db"), container("web", needs("db")),
		container("bad", label("refit.mood", "x")), container("on-bad", needs("bad")), container("on-on-bad", needs("on-bad")),
		container("off", without("refit.enable")), container("on-off", needs("off")))
	plan := answer(w, core.Answer{Digest: newDigest})
	want := map[string]string{
		"db": "update new-image", "web": "update new-image", "bad": "hold bad-label",
		"on-bad": "hold dependency-held", "on-on-bad": "hold dependency-held",
		"off": "keep not-enabled", "on-off": "update new-image",
	}
	if diff := cmp.Diff(want, actions(plan)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	for _, s := range plan.Steps {
		var after []string
		if s.Container.Name == "web" {
			after = []string{"id-db"}
		}
		if diff := cmp.Diff(after, s.After); diff != "" {
			t.Errorf("%s waits for (-want +got):\n%s", s.Container.Name, diff)
		}
	}
}
