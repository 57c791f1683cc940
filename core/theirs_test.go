package core_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

const tower = "com.centurylinklabs.watchtower."

// values are what a policy has, by the name of our label.
func values(p core.Policy, names ...string) map[string]string {
	found := map[string]string{}
	for _, l := range core.Labels() {
		for _, name := range names {
			if l.Name == "refit."+name {
				found[name] = l.Get(p) + ", " + p.From[name]
			}
		}
	}
	return found
}

func TestWatchtowersLabelsAreReadWhereOursAreNotThere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		labels map[string]string // a name that begins with a dot is Watchtower's
		change func(*core.Settings)
		want   map[string]string
	}{
		"enable counts where the operator looks at it": {
			labels: map[string]string{".enable": "true"}, change: func(s *core.Settings) { s.LabelEnable = true },
			want: map[string]string{"enable": "true, label " + tower + "enable"},
		},
		"and nowhere else": {labels: map[string]string{".enable": "true"}, want: map[string]string{"enable": "false, "}},
		"its no counts everywhere": {
			labels: map[string]string{".enable": "F"}, change: func(s *core.Settings) { s.All = true },
			want: map[string]string{"enable": "false, label " + tower + "enable"},
		},
		"ours wins": {
			labels: map[string]string{".enable": "false", "refit.enable": "true", ".stop-signal": "SIGHUP", "refit.stop-signal": "SIGINT"},
			want:   map[string]string{"enable": "true, label", "stop-signal": "SIGINT, label"},
		},
		"monitor-only is the mode that tells": {
			labels: map[string]string{".monitor-only": "true"}, want: map[string]string{"mode": "notify, label " + tower + "monitor-only"},
		},
		"its false does not count against the flag": {
			labels: map[string]string{".monitor-only": "false", ".no-pull": "false"}, change: defaultsByFlag,
			want: map[string]string{"mode": "notify, flag", "pull": "false, flag"},
		},
		"unless labels take precedence": {
			labels: map[string]string{".monitor-only": "false", ".no-pull": "false"},
			change: func(s *core.Settings) { defaultsByFlag(s); s.LabelPrecedence = true },
			want:   map[string]string{"mode": "update, label " + tower + "monitor-only", "pull": "true, label " + tower + "no-pull"},
		},
		"no-pull is the opposite of ours": {
			labels: map[string]string{".no-pull": "1"}, want: map[string]string{"pull": "false, label " + tower + "no-pull"},
		},
		"names may have the engine's slash": {
			labels: map[string]string{".depends-on": "/db, /cache"}, want: map[string]string{"depends-on": "db,cache, label " + tower + "depends-on"},
		},
		"a scope": {
			labels: map[string]string{".scope": "blue"}, want: map[string]string{"scope": "blue, label " + tower + "scope"},
		},
		"the scope that is none": {
			labels: map[string]string{".scope": "none"}, want: map[string]string{"scope": ", label " + tower + "scope"},
		},
		"an empty label says nothing": {
			labels: map[string]string{".scope": "", ".enable": "", ".stop-signal": "", ".depends-on": ""},
			change: func(s *core.Settings) { s.All = true },
			want:   map[string]string{"scope": ", ", "enable": "true, flag", "stop-signal": ", ", "depends-on": ", "},
		},
		"who is named is left alone, whatever labels say": {
			labels: map[string]string{"refit.enable": "true"}, change: func(s *core.Settings) { s.Disabled = []string{"web"} },
			want: map[string]string{"enable": "false, flag --disable-containers"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			if test.change != nil {
				test.change(&s)
			}
			p, bad, ok := s.PolicyOf(core.Container{Name: "web", Labels: oldLabels(test.labels)})
			if !ok {
				t.Fatalf("refused: %s", bad)
			}
			var names []string
			for name := range test.want {
				names = append(names, name)
			}
			if diff := cmp.Diff(test.want, values(p, names...)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

func defaultsByFlag(s *core.Settings) {
	s.Defaults.Mode, s.Defaults.Pull = core.ModeNotify, false
	s.Defaults.From = map[string]string{"mode": "flag", "pull": "flag"}
}

func oldLabels(labels map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range labels {
		if rest, theirs := strings.CutPrefix(name, "."); theirs {
			name = tower + rest
		}
		out[name] = value
	}
	return out
}

func TestABadLabelOfWatchtowersHoldsWhatRefitLooksAfter(t *testing.T) {
	t.Parallel()
	all := settings()
	all.All = true
	for label, want := range map[string]string{
		"enable":       `="maybe" is neither true nor false`,
		"monitor-only": `="maybe" is neither true nor false`,
		"stop-signal":  `="maybe" is not a signal`,
	} {
		c := core.Container{Name: "web", Labels: map[string]string{tower + label: "maybe"}}
		_, bad, ok := all.PolicyOf(c)
		if ok || bad.Code != core.BadLabel || !strings.HasPrefix(bad.Text, tower+label+want) {
			t.Errorf("got %t %s\nwant bad-label: %s", ok, bad, tower+label+want)
		}
		if _, bad, ok := settings().PolicyOf(c); !ok {
			t.Errorf("a container that nobody has asked Refit to look after is held: %s", bad)
		}
	}
}

func TestWatchtowersLabelsOfTheImageAreIgnoredUnlessTrusted(t *testing.T) {
	t.Parallel()
	labels := map[string]string{tower + "stop-signal": "SIGHUP"}
	c := core.Container{Name: "web", Labels: labels, ImageLabels: labels}
	s := settings()
	if p, _, _ := s.PolicyOf(c); p.StopSignal != "" {
		t.Errorf("the image chose the signal %s", p.StopSignal)
	}
	s.TrustImageLabels = true
	if p, _, _ := s.PolicyOf(c); p.StopSignal != "SIGHUP" || p.From["stop-signal"] != "image label "+tower+"stop-signal" {
		t.Errorf("a trusted image's label does not count: %q from %q", p.StopSignal, p.From["stop-signal"])
	}
}

func TestWhoIsLeftAloneHearsWhyInTheWordsOfTheLabel(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*core.Container, *core.Settings){
		"it has no label refit.enable=true": func(*core.Container, *core.Settings) {},
		"it has no label refit.enable=true, and " + tower + "enable=true counts with --label-enable only": func(c *core.Container, _ *core.Settings) {
			c.Labels = map[string]string{tower + "enable": "True"}
		},
		tower + "enable is false": func(c *core.Container, s *core.Settings) {
			c.Labels, s.All = map[string]string{tower + "enable": "false"}, true
		},
		"--disable-containers names it": func(_ *core.Container, s *core.Settings) { s.All, s.Disabled = true, []string{"web"} },
	} {
		c, s := core.Container{ID: "1", Name: "web", State: core.Running}, settings()
		change(&c, &s)
		plan := core.MakePlan(core.World{Containers: []core.Container{c}, Settings: s}, nil)
		if got := plan.Steps[0].Reason; got.Code != core.NotEnabled || got.Text != want {
			t.Errorf("got %s, want not-enabled: %s", got, want)
		}
	}
}

func TestARenamedContainerIsNotTakenForTheOneThatIsExcluded(t *testing.T) {
	t.Parallel()
	s := settings()
	s.All, s.Disabled = true, []string{"web"}
	known := s.Policies()
	for name, want := range map[string]bool{"web": false, "web2": true} {
		if p, _, _ := known.Of(core.Container{ID: "1", Name: name}); p.Enabled != want {
			t.Errorf("%s is enabled: %t, want %t", name, p.Enabled, want)
		}
	}
}

func TestIdleLabelsAreThoseThatDidSomethingThere(t *testing.T) {
	t.Parallel()
	c := core.Container{Labels: map[string]string{
		tower + "lifecycle.pre-check": "a", "com.centurylinklabs.zodiac.original-image": "b", watchtower.Marker: "true", tower + "enable": "true",
	}}
	idle := func(s core.Settings) string {
		var names []string
		for _, w := range s.Idle(c) {
			names = append(names, w.Label)
		}
		return strings.Join(names, " ")
	}
	if got, want := idle(settings()), "com.centurylinklabs.zodiac.original-image"; got != want {
		t.Errorf("without lifecycle hooks: %s, want %s", got, want)
	}
	if got, want := idle(movedIn()), tower+"lifecycle.pre-check com.centurylinklabs.zodiac.original-image"; got != want {
		t.Errorf("with lifecycle hooks: %s, want %s", got, want)
	}
}

func TestEveryMappedLabelIsALabelOfOurs(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, l := range core.Labels() {
		known[l.Name] = true
	}
	for _, w := range watchtower.Labels() {
		if w.Fate == watchtower.Mapped && !known[w.Ours] && !strings.HasPrefix(w.Ours, "refit.hook.command.") {
			t.Errorf("%s becomes %s, which is no label", w.Label, w.Ours)
		}
	}
}
