package core_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

const lifecycle = "com.centurylinklabs.watchtower.lifecycle."

// movedIn are the settings of an operator who obeys Watchtower's lifecycle labels.
func movedIn() core.Settings {
	s := settings()
	s.Lifecycle = true
	return s
}

func TestWatchtowersLifecycleLabelsBecomeTheCommandHook(t *testing.T) {
	t.Parallel()
	type config = map[string]map[string]string
	for name, test := range map[string]struct {
		labels map[string]string // a name that begins with a dot is Watchtower's
		change func(*core.Settings)
		hooks  []string
		config config
	}{
		"no label of theirs": {labels: map[string]string{"refit.enable": "true"}},
		"pre-update": {
			labels: map[string]string{".pre-update": "/dump.sh"},
			hooks:  []string{"command"},
			config: config{"command": {"pre-update": "/dump.sh"}},
		},
		"post-update gates nothing": {
			labels: map[string]string{".post-update": "/warm.sh"},
			hooks:  []string{"command"},
			config: config{"command": {"post-update": "/warm.sh", "post-update-gate": "false"}},
		},
		"timeouts are minutes": {
			labels: map[string]string{
				".pre-update": "a", ".pre-update-timeout": "90", ".post-update": "b", ".post-update-timeout": "0",
			},
			hooks: []string{"command"},
			config: config{"command": {
				"pre-update": "a", "pre-update-timeout": "90m", "post-update": "b", "post-update-timeout": "0m", "post-update-gate": "false",
			}},
		},
		"a timeout without its command":                 {labels: map[string]string{".pre-update-timeout": "90"}},
		"even a bad one":                                {labels: map[string]string{".pre-update-timeout": "soon"}},
		"an empty command is none":                      {labels: map[string]string{".pre-update": ""}},
		"pre-check and post-check are not carried out":  {labels: map[string]string{".pre-check": "a", ".post-check": "b"}},
		"the operator does not want them":               {labels: map[string]string{".pre-update": "a"}, change: func(s *core.Settings) { s.Lifecycle = false }},
		"the container chooses its hooks itself":        {labels: map[string]string{".pre-update": "a", "refit.hooks": "backup"}, hooks: []string{"backup"}},
		"and be it none":                                {labels: map[string]string{".pre-update": "a", "refit.hooks": ""}},
		"a container that chooses may be wrong in them": {labels: map[string]string{".pre-update": "a", ".pre-update-timeout": "soon", "refit.hooks": "backup"}, hooks: []string{"backup"}},
		"what begins with a bracket is still a line for the shell": {
			labels: map[string]string{".pre-update": "[ -e /busy ] && exit 75"},
			hooks:  []string{"command"},
			config: config{"command": {"pre-update": " [ -e /busy ] && exit 75"}},
		},
		"the operator's own hooks come first": {
			labels: map[string]string{".pre-update": "a"},
			change: func(s *core.Settings) { s.Defaults.Hooks = []string{"backup"} },
			hooks:  []string{"backup", "command"},
			config: config{"command": {"pre-update": "a"}},
		},
		"the operator has that hook already": {
			labels: map[string]string{".pre-update": "a"},
			change: func(s *core.Settings) { s.Defaults.Hooks = []string{"command", "backup"} },
			hooks:  []string{"command", "backup"},
			config: config{"command": {"pre-update": "a"}},
		},
		"a setting of ours is stronger": {
			labels: map[string]string{".pre-update": "a", "refit.hook.command.pre-update": "b", "refit.hook.command.user": "root"},
			hooks:  []string{"command"},
			config: config{"command": {"pre-update": "b", "user": "root"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := movedIn()
			if test.change != nil {
				test.change(&s)
			}
			p, bad, ok := s.PolicyOf(core.Container{Labels: theirs(test.labels)})
			if !ok {
				t.Fatalf("refused: %s", bad)
			}
			if diff := cmp.Diff(test.hooks, p.Hooks); diff != "" {
				t.Errorf("hooks (-want +got):\n%s", diff)
			}
			if test.config == nil {
				test.config = config{}
			}
			if diff := cmp.Diff(test.config, p.HookConfig); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

// theirs writes Watchtower's labels out.
func theirs(labels map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range labels {
		if name[0] == '.' {
			name = lifecycle + name[1:]
		}
		out[name] = value
	}
	return out
}

func TestAPolicyTellsWhatCameFromWatchtower(t *testing.T) {
	t.Parallel()
	s := movedIn()
	p, _, _ := s.PolicyOf(core.Container{Labels: theirs(map[string]string{
		".post-update": "a", ".post-update-timeout": "2", "refit.hook.command.post-update-gate": "true",
	})})
	want := map[string]string{
		"hooks": "label " + lifecycle + "post-update", "hook.command.post-update": "label " + lifecycle + "post-update",
		"hook.command.post-update-timeout": "label " + lifecycle + "post-update-timeout", "hook.command.post-update-gate": "label",
	}
	if diff := cmp.Diff(want, p.From); diff != "" {
		t.Errorf("from (-want +got):\n%s", diff)
	}
	if len(s.Defaults.Hooks) > 0 {
		t.Errorf("the operator's own settings have changed: %v", s.Defaults.Hooks)
	}
}

func TestABadLifecycleTimeoutHoldsTheContainer(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "soon", "-1", "1m", "1441", "99999999999999999999"} {
		_, bad, ok := movedIn().PolicyOf(core.Container{Labels: theirs(map[string]string{
			".pre-update": "a", ".pre-update-timeout": value, "refit.enable": "true",
		})})
		want := lifecycle + `pre-update-timeout="` + value + `" is not a number of minutes from 0 (no limit) to 1440`
		if ok || bad.Code != core.BadLabel || bad.Text != want {
			t.Errorf("got %t %s\nwant bad-label: %s", ok, bad, want)
		}
	}
	// The first fault is the one that is told.
	_, bad, _ := movedIn().PolicyOf(core.Container{Labels: theirs(map[string]string{
		".pre-update": "a", ".pre-update-timeout": "soon", "refit.enable": "yes",
	})})
	if want := `refit.enable="yes" is neither true nor false`; bad.Text != want {
		t.Errorf("got %s, want %s", bad, want)
	}
}

func TestLifecycleLabelsOfTheImageAreIgnoredUnlessTrusted(t *testing.T) {
	t.Parallel()
	image := theirs(map[string]string{".pre-update": "a", ".pre-update-timeout": "5"})
	inherited := core.Container{Labels: image, ImageLabels: image}
	if p, _, ok := movedIn().PolicyOf(inherited); !ok || len(p.Hooks) > 0 {
		t.Errorf("the image chose a hook: ok %t, %v", ok, p.Hooks)
	}
	trusting := movedIn()
	trusting.TrustImageLabels = true
	if p, _, _ := trusting.PolicyOf(inherited); p.HookConfig["command"]["pre-update-timeout"] != "5m" {
		t.Errorf("a trusted image's labels do not count: %v", p.HookConfig)
	}
	overridden := core.Container{Labels: theirs(map[string]string{".pre-update": "b", ".pre-update-timeout": "5"}), ImageLabels: image}
	p, _, _ := movedIn().PolicyOf(overridden)
	want := map[string]map[string]string{"command": {"pre-update": "b"}}
	if diff := cmp.Diff(want, p.HookConfig); diff != "" {
		t.Errorf("the container's own labels (-want +got):\n%s", diff)
	}
}
