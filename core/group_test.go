package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// on is tethered: it depends on them, too, as everything does that an engine lists.
func on(names ...string) func(*core.Container) {
	return func(c *core.Container) { c.Tethers, c.DependsOn = names, append(c.DependsOn, names...) }
}

// again is to be restarted after them.
func again(names ...string) func(*core.Container) {
	return func(c *core.Container) { c.Restarts, c.DependsOn = names, append(c.DependsOn, names...) }
}

func service(c *core.Container) { c.Service = "shop/web" }

func parts(edits ...func(*core.Container)) func(*core.Container) {
	return func(c *core.Container) {
		for _, e := range edits {
			e(c)
		}
	}
}

var (
	unlabelled = without("refit.enable")
	current    = alsoKnownAs(app.Repository) // runs the newest image
)

// told is a plan as text: "head(member member after=name)" for each update, "name!code"
// for each that is held, nothing for the others. Members that get a new image have a "+",
// those that are only restarted a "~".
func told(p core.Plan) string {
	var words []string
	for _, s := range p.Steps {
		switch s.Action {
		case core.Update:
			var inner []string
			for _, m := range s.Members {
				word := m.Container.Name
				if m.To.ID != m.Container.Image.ID {
					word += "+"
				}
				if m.Part == core.Restarts {
					word += "~"
				}
				inner = append(inner, word)
			}
			for _, id := range s.After {
				inner = append(inner, "after="+strings.TrimPrefix(id, "id-"))
			}
			word := s.Container.Name
			if len(inner) > 0 {
				word += "(" + strings.Join(inner, " ") + ")"
			}
			words = append(words, word)
		case core.Hold:
			words = append(words, s.Container.Name+"!"+string(s.Reason.Code))
		case core.Keep, core.Notify, core.Follow:
		}
	}
	return strings.Join(words, " ")
}

// grouping is a row of the tables below.
type grouping struct {
	containers []core.Container
	world      func(*core.World) // nil for an ordinary one
	want       string            // see told
}

func together(t *testing.T, rows map[string]grouping) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(row.containers...)
			if row.world != nil {
				row.world(&w)
			}
			if got := told(answer(w, core.Answer{Digest: newDigest})); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// TestWhatHangsOnAContainerMovesWithIt has a row for each rule of who follows, and with which image.
func TestWhatHangsOnAContainerMovesWithIt(t *testing.T) {
	t.Parallel()
	together(t, map[string]grouping{
		"what hangs on it moves with it, and gets its own new image": {
			all(container("vpn"), container("child", on("vpn"))), nil, "vpn(child+)",
		},
		"without a label, too, with its image as it is": {
			all(container("vpn"), container("child", on("vpn"), unlabelled)), nil, "vpn(child)",
		},
		"three levels deep": {
			all(container("a", on("b"), unlabelled), container("b", on("c"), unlabelled), container("c", on("d"), unlabelled), container("d")), nil, "d(c b a)",
		},
		"a child alone leaves what it hangs on alone": {
			all(container("vpn", current), container("child", on("vpn"))), nil, "child",
		},
		"two that share a child are one group": {
			all(container("a"), container("b"), container("child", on("a", "b"), unlabelled)), nil, "a(b+ child)",
		},
		"two with a child each are two": {
			all(container("a"), container("b"), container("x", on("a"), unlabelled), container("y", on("b"), unlabelled)), nil, "a(x) b(y)",
		},
		"a child that is not due follows": {
			all(container("vpn"), container("child", on("vpn"))), func(w *core.World) { w.Due = map[string]bool{"vpn": true} }, "vpn(child)",
		},
		"a child that asks for start-first and cannot have it follows": {
			all(container("vpn"), container("child", on("vpn"), label("refit.strategy", "start-first"), label("refit.hooks", "backup"))),
			hook(core.HookAnswer{Stages: []core.Stage{core.PreRecreate}}), "vpn(child)",
		},
		"a child that is not named follows": {
			all(container("vpn"), container("child", on("vpn"))), func(w *core.World) { w.Only = []string{"vpn"} }, "vpn(child)",
		},
		"a child that only tells of new images follows": {
			all(container("vpn"), container("child", on("vpn"), label("refit.mode", "notify"))), nil, "vpn(child)",
		},
		"a child that is down follows": {
			all(container("vpn"), container("child", on("vpn"), state(core.Exited))), nil, "vpn(child)",
		},
		"a pinned child follows": {
			all(container("vpn"), container("child", on("vpn"), func(c *core.Container) { c.Image.Reference.Digest = oldDigest })), nil, "vpn(child)",
		},
		"a child whose image no registry knows follows": {
			all(container("vpn"), container("child", on("vpn"), func(c *core.Container) { c.RepoDigests = nil })), nil, "vpn(child)",
		},
		"a child whose reference does not parse follows": {
			all(container("vpn"), container("child", on("vpn"), obstacle)), nil, "vpn(child)",
		},
		"a child that is no Refit's business follows in a scope": {
			all(container("vpn", label("refit.scope", "blue")), container("child", on("vpn"), unlabelled)), scope("blue"), "vpn(child)",
		},
		"a child whose image is quarantined follows": {
			all(container("vpn"), container("child", on("vpn"))), vetoOf("child"), "vpn(child)",
		},
		"what depends on such a child waits for a better image": {
			all(container("vpn"), container("child", on("vpn")), container("web", needs("child"))), vetoOf("child"), "vpn(child) web!dependency-held",
		},
	})
}

// TestOneThatCannotFollowHoldsTheGroup has a row for each thing that is in the way.
func TestOneThatCannotFollowHoldsTheGroup(t *testing.T) {
	t.Parallel()
	together(t, map[string]grouping{
		"a child that cannot be copied holds the group": {
			all(container("vpn"), container("child", on("vpn"), tooOdd)), nil, "vpn!dependency-held child!unsupported",
		},
		"so does one at the third level": {
			all(container("vpn"), container("mid", on("vpn"), unlabelled), container("low", on("mid"), unlabelled, tooOdd)), nil, "vpn!dependency-held",
		},
		"and what depends on the group is held with it": {
			all(container("vpn"), container("child", on("vpn"), label("refit.enable", "false")), container("web", needs("vpn"))), nil, "vpn!dependency-held web!dependency-held",
		},
		"a child that a label declines for holds the group": {
			all(container("vpn"), container("child", on("vpn"), label("refit.enable", "false"))), nil, "vpn!dependency-held",
		},
		"also with --all": {
			all(container("vpn"), container("child", on("vpn"), label("refit.enable", "false"))), func(w *core.World) { w.Settings.All = true }, "vpn!dependency-held",
		},
		"a child with a bad label holds the group": {
			all(container("vpn"), container("child", on("vpn"), unlabelled, label("refit.enabled", "false"))), nil, "vpn!dependency-held child!bad-label",
		},
		"a child of another scope holds the group": {
			all(container("vpn"), container("child", on("vpn"), label("refit.scope", "blue"))), nil, "vpn!dependency-held",
		},
		"a child that is enabled for no scope holds a group of a scope": {
			all(container("vpn", label("refit.scope", "blue")), container("child", on("vpn"))), scope("blue"), "vpn!dependency-held",
		},
		"a child whose hook is missing holds the group": {
			all(container("vpn"), container("child", on("vpn"), label("refit.hooks", "backup"))), nil, "vpn!dependency-held child!hook-missing",
		},
		"a child in a replacement holds the group": {
			all(container("vpn"), container("child", on("vpn")), container("child"+core.NewSuffix, on("vpn"), func(c *core.Container) {
				c.Mark = &core.Mark{Attempt: "a", Owner: "o", Predecessor: "id-child"}
			})), nil, "vpn!dependency-held child!in-replacement child.refit-new!in-replacement",
		},
		"a child that is dead holds the group": {
			all(container("vpn"), container("child", on("vpn"), state(core.Dead))), nil, "vpn!dependency-held",
		},
		"a child that runs on one that is down holds the group": {
			all(container("vpn"), container("mid", on("vpn"), unlabelled, state(core.Exited)), container("low", on("mid"), unlabelled)), nil, "vpn!dependency-held",
		},
		"one that runs on one that is down is held": {
			all(container("vpn", unlabelled, state(core.Exited)), container("child", on("vpn"))), nil, "child!unsupported",
		},
		"a child that is Refit holds the group": {
			all(container("vpn"), container("child", on("vpn"))), func(w *core.World) { w.Settings.Self = "id-child" }, "vpn!dependency-held child!dependency-held",
		},
		"a child that depends on itself holds the group": {
			all(container("vpn"), container("child", on("vpn"), needs("x", "vpn")), container("x", needs("child"), unlabelled)), nil, "vpn!dependency-held child!dependency-cycle",
		},
	})
}

// TestComposeHasItRestarted has a row for each rule of who is only restarted.
func TestComposeHasItRestarted(t *testing.T) {
	t.Parallel()
	together(t, map[string]grouping{
		"compose has it restarted": {
			all(container("db"), container("web", again("db"), current)), nil, "db(web~)",
		},
		"without a label, too": {
			all(container("db"), container("web", again("db"), unlabelled)), nil, "db(web~)",
		},
		"with what hangs on it": {
			all(container("db"), container("web", again("db"), current), container("side", on("web"), unlabelled)), nil, "db(web~ side~)",
		},
		"but not what is down": {
			all(container("db"), container("web", again("db"), state(core.Exited))), nil, "db",
		},
		"nor what a label declines for": {
			all(container("db"), container("web", again("db"), label("refit.enable", "false"))), nil, "db",
		},
		"nor what would be gone afterwards": {
			all(container("db"), container("web", again("db"), current, tooOdd)), nil, "db web!unsupported",
		},
		"nor what something hangs on that would be gone": {
			all(container("db"), container("web", again("db"), current), container("side", on("web"), unlabelled, tooOdd)), nil, "db",
		},
		"with a new image of its own it only comes after": {
			all(container("db"), container("web", again("db"))), nil, "db web(after=db)",
		},
		"what moves in a group has others restarted": {
			all(container("vpn"), container("db", on("vpn"), unlabelled), container("web", again("db"), current)), nil, "vpn(db web~)",
		},
		"what is only restarted has nobody restarted": {
			all(container("db"), container("api", again("db"), current), container("web", again("api"), current)), nil, "db(api~)",
		},
		"after two it is restarted once, after the later one": {
			all(container("cache"), container("db"), container("web", again("cache", "db"), current)), nil, "cache db(web~ after=cache)",
		},
		"a restart keeps nothing apart": {
			all(container("db"), container("cache", needs("db")), container("web", again("db"), needs("cache", "db"), current)), nil, "db(web~) cache(after=db)",
		},
		"a child with a new image whose parent is restarted joins": {
			all(container("db"), container("web", again("db"), current), container("side", on("web"))), nil, "db(web~ side+)",
		},
	})
}

func all(containers ...core.Container) []core.Container { return containers }

// vetoOf has a hook refuse the new image for one container.
func vetoOf(name string) func(*core.World) {
	return func(w *core.World) {
		vetoed(w)
		w.Lessons[0].Container = name
	}
}

// TestGroupsWaitForOneAnother has a row for each rule of the order.
func TestGroupsWaitForOneAnother(t *testing.T) {
	t.Parallel()
	together(t, map[string]grouping{
		"who depends on a member waits": {
			all(container("vpn"), container("child", on("vpn"), unlabelled), container("a", needs("child"))), nil, "vpn(child) a(after=child)",
		},
		"the group waits for what a member depends on": {
			all(container("vpn"), container("child", on("vpn"), needs("z", "vpn"), unlabelled), container("z")), nil, "z vpn(child after=z)",
		},
		"a circle that only the group makes is held": {
			all(container("vpn"), container("child", on("vpn"), needs("web", "vpn"), unlabelled), container("web", needs("vpn"))), nil, "vpn!dependency-cycle web!dependency-cycle",
		},
		"unless nothing is to be done in it": {
			all(container("vpn"), container("child", on("vpn"), needs("web", "vpn"), unlabelled), container("web", needs("vpn"), current)), nil, "vpn(child)",
		},
		"a service goes one by one": {
			all(container("web-1", service), container("web-2", service), container("web-3", service), container("z")), nil, "web-1 web-2(after=web-1) web-3(after=web-2) z",
		},
		"in the order in which they need one another": {
			all(container("web-1", service, needs("web-2")), container("web-2", service)), nil, "web-2 web-1(after=web-2)",
		},
		"a service that is restarted is so at once": {
			all(container("db"), container("web-1", service, again("db"), current), container("web-2", service, again("db"), current)), nil, "db(web-1~ web-2~)",
		},
	})
}

func TestAMemberKnowsWhomItNeeds(t *testing.T) {
	t.Parallel()
	w := world(container("vpn"), container("mid", on("vpn"), unlabelled), container("low", parts(on("vpn", "mid"), needs("vpn", "mid", "z")), unlabelled),
		container("web", again("mid"), current), container("z", current))
	var got []string
	for _, m := range step(t, answer(w, core.Answer{Digest: newDigest}), "vpn").Members {
		got = append(got, fmt.Sprint(m.Container.Name, m.Needs))
	}
	if diff := cmp.Diff([]string{"mid[id-vpn]", "low[id-mid id-vpn]", "web[id-mid]"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSentences holds what people read where containers have to do with one another.
func TestSentences(t *testing.T) {
	t.Parallel()
	w := world(
		container("vpn"), container("child", on("vpn"), unlabelled), container("grand", on("child")), container("mute", on("vpn"), label("refit.mode", "notify")),
		container("web", again("child"), current), container("side", on("web"), unlabelled), container("off", again("child"), label("refit.enable", "false")),
		container("odd", again("child"), current), container("odd-side", on("odd"), unlabelled, tooOdd),
		container("one"), container("two"), container("both", on("one", "two"), unlabelled),
		container("old"), container("swarm", on("old"), unlabelled, tooOdd), container("on-old", needs("old")),
		container("ring"), container("pearl", on("ring"), needs("gem", "ring"), unlabelled), container("gem", needs("ring")),
	)
	got := map[string]string{}
	for _, s := range answer(w, core.Answer{Digest: newDigest}).Steps {
		got[s.Container.Name] = string(s.Action) + " " + s.Reason.String()
	}
	want := map[string]string{
		"vpn":      "update new-image: app:1 is now 000000000000",
		"child":    "follow follows: it is replaced together with vpn, on which it hangs",
		"grand":    "follow follows: app:1 is now 000000000000; it is replaced together with vpn: it hangs on child",
		"mute":     "follow follows: it is replaced together with vpn, on which it hangs; its image stays: notify-only: app:1 is now 000000000000, and its mode is notify",
		"web":      "follow follows: it is restarted after child, as compose asks (depends_on, restart: true)",
		"side":     "follow follows: it is restarted together with web, on which it hangs",
		"off":      "keep not-enabled: refit.enable is false; it is not restarted after child",
		"odd":      "keep up-to-date: it runs the newest image; it is not restarted after child: odd-side would be, too: it is a swarm task",
		"odd-side": "keep not-enabled: it has no label refit.enable=true",
		"one":      "update new-image: app:1 is now 000000000000",
		"two":      "follow follows: app:1 is now 000000000000; it is replaced together with one: there is something that hangs on both",
		"both":     "follow follows: it is replaced together with one, on which it hangs",
		"old":      "hold dependency-held: swarm hangs on it, and cannot be replaced together with it: it is a swarm task",
		"swarm":    "keep not-enabled: it has no label refit.enable=true",
		"on-old":   "hold dependency-held: old is held (dependency-held)",
		"ring":     "hold dependency-cycle: it depends on itself: ring with pearl → gem → ring with pearl",
		"pearl":    "keep not-enabled: it has no label refit.enable=true",
		"gem":      "hold dependency-cycle: it depends on itself: gem → ring with pearl → gem",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAWayBackTakesTheGroupAlong(t *testing.T) {
	t.Parallel()
	before := core.Image{Reference: app, Digest: oldDigest, ID: "sha256:older"}
	w := world(container("child", on("vpn"), unlabelled), container("vpn"), container("web", again("vpn")), container("other"))
	w.Only = []string{"vpn"}
	plan := core.PlanBack(w, before)
	if got := told(plan); got != "vpn(child web~)" {
		t.Errorf("got %s, want vpn(child web~)", got)
	}
	if len(plan.Steps) != 3 || plan.Steps[0].Container.Name != "vpn" || !plan.Steps[0].Back {
		t.Errorf("%d steps, the first %+v; want vpn first, then the two that follow, and nobody else", len(plan.Steps), plan.Steps[0])
	}
	w.Containers[0].Labels["refit.enable"] = "false"
	if got := told(core.PlanBack(w, before)); got != "vpn!dependency-held" {
		t.Errorf("with a child that declines: got %s, want vpn held", got)
	}
}

func TestTheHooksOfThoseThatMayFollowAreAskedFor(t *testing.T) {
	t.Parallel()
	w := world(container("vpn"), container("child", on("vpn"), unlabelled, label("refit.hooks", "backup")),
		container("other", unlabelled, label("refit.hooks", "smoke")))
	if got := w.HookNames(); !slices.Equal(got, []string{"backup"}) {
		t.Errorf("asked for %v, want backup only", got)
	}
	w.Hooks = map[string]core.HookAnswer{"backup": {}}
	if got := told(answer(w, core.Answer{Digest: newDigest})); got != "vpn(child)" {
		t.Errorf("got %s, want vpn(child)", got)
	}
}
