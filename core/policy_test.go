package core_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// settings are the operator's defaults, with a schedule check that knows one bad one.
func settings() core.Settings {
	return core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: func(text string) error {
		if text == "bad" {
			return errors.New("has 1 field: a schedule has five or six")
		}
		return nil
	}}
}

func TestPolicyOfLabels(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		labels map[string]string
		want   func(*core.Policy)
	}{
		"no label leaves the defaults":      {nil, func(*core.Policy) {}},
		"enable=true":                       {map[string]string{"refit.enable": "true"}, func(p *core.Policy) { p.Enabled = true }},
		"enable=TRUE":                       {map[string]string{"refit.enable": "TRUE"}, func(p *core.Policy) { p.Enabled = true }},
		"mode":                              {map[string]string{"refit.mode": "notify"}, func(p *core.Policy) { p.Mode = core.ModeNotify }},
		"schedule":                          {map[string]string{"refit.schedule": "0 4 * * *"}, func(p *core.Policy) { p.Schedule = "0 4 * * *" }},
		"stop signal by name":               {map[string]string{"refit.stop-signal": "quit"}, func(p *core.Policy) { p.StopSignal = "SIGQUIT" }},
		"stop signal by number":             {map[string]string{"refit.stop-signal": "3"}, func(p *core.Policy) { p.StopSignal = "SIGQUIT" }},
		"stop signal in real time":          {map[string]string{"refit.stop-signal": "SIGRTMIN+3"}, func(p *core.Policy) { p.StopSignal = "SIGRTMIN+3" }},
		"stop timeout":                      {map[string]string{"refit.stop-timeout": "90s"}, func(p *core.Policy) { p.StopTimeout = 90 * time.Second }},
		"stop timeout in plain seconds":     {map[string]string{"refit.stop-timeout": "90"}, func(p *core.Policy) { p.StopTimeout = 90 * time.Second }},
		"strategy":                          {map[string]string{"refit.strategy": "start-first"}, func(p *core.Policy) { p.Strategy = core.StartFirst }},
		"gate-stable may be nothing":        {map[string]string{"refit.gate-stable": "0"}, func(p *core.Policy) { p.GateStable = 0 }},
		"gate-timeout":                      {map[string]string{"refit.gate-timeout": "2m"}, func(p *core.Policy) { p.GateTimeout = 2 * time.Minute }},
		"cleanup":                           {map[string]string{"refit.cleanup": "true"}, func(p *core.Policy) { p.Cleanup = true }},
		"pull=false":                        {map[string]string{"refit.pull": "false"}, func(p *core.Policy) { p.Pull = false }},
		"depends-on, with blanks":           {map[string]string{"refit.depends-on": "db, cache,"}, func(p *core.Policy) { p.DependsOn = []string{"db", "cache"} }},
		"scope":                             {map[string]string{"refit.scope": "blue"}, func(p *core.Policy) { p.Scope = "blue" }},
		"hooks":                             {map[string]string{"refit.hooks": "backup,smoke"}, func(p *core.Policy) { p.Hooks = []string{"backup", "smoke"} }},
		"a hook's setting":                  {map[string]string{"refit.hook.backup.keep": "3"}, func(p *core.Policy) { p.HookConfig["backup"] = map[string]string{"keep": "3"} }},
		"a hook's setting may have dots":    {map[string]string{"refit.hook.backup.a.b": "3"}, func(p *core.Policy) { p.HookConfig["backup"] = map[string]string{"a.b": "3"} }},
		"notify":                            {map[string]string{"refit.notify": "ops"}, func(p *core.Policy) { p.Notify = []string{"ops"} }},
		"labels of others are none of ours": {map[string]string{"refitted": "x", "com.example.refit.enable": "x"}, func(*core.Policy) {}},
		"the mark of a replacement is not policy":  {map[string]string{core.MarkLabel: "anything"}, func(*core.Policy) {}},
		"several labels, each into its own place":  {map[string]string{"refit.enable": "true", "refit.mode": "notify"}, func(p *core.Policy) { p.Enabled, p.Mode = true, core.ModeNotify }},
		"the same label twice cannot be: the last": {map[string]string{"refit.cleanup": "false"}, func(*core.Policy) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := core.DefaultPolicy()
			want.HookConfig = map[string]map[string]string{}
			test.want(&want)
			got, bad, ok := settings().PolicyOf(core.Container{Labels: test.labels})
			if !ok {
				t.Fatalf("refused: %s", bad)
			}
			got.From = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadLabelsAreNamedWithTheNearestKnownOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		label, value string
		want         string
	}{
		"unknown":                    {"refit.frobnicate", "1", "refit.frobnicate is not a label of Refit"},
		"misspelt":                   {"refit.enabled", "true", "refit.enabled is not a label of Refit: did you mean refit.enable?"},
		"misspelt with underscore":   {"refit.stop_signal", "HUP", "refit.stop_signal is not a label of Refit: did you mean refit.stop-signal?"},
		"neither true nor false":     {"refit.enable", "yes", `refit.enable="yes" is neither true nor false`},
		"a mode that is near":        {"refit.mode", "notfy", `refit.mode="notfy" is not known: did you mean notify?`},
		"a mode that is not":         {"refit.mode", "destroy", `refit.mode="destroy" is not known: use update or notify`},
		"a schedule":                 {"refit.schedule", "bad", `refit.schedule="bad" has 1 field: a schedule has five or six`},
		"a signal that is near":      {"refit.stop-signal", "SIGTRM", `refit.stop-signal="SIGTRM" is not a signal: did you mean SIGTERM?`},
		"a signal that is not":       {"refit.stop-signal", "banana", `refit.stop-signal="banana" is not a signal: use a name such as SIGTERM or SIGQUIT`},
		"signal 0":                   {"refit.stop-signal", "0", `refit.stop-signal="0" is not a signal number from 1 to 31`},
		"a number with a prefix":     {"refit.stop-signal", "SIG9", `refit.stop-signal="SIG9" is not a signal: use a name such as SIGTERM or SIGQUIT`},
		"no duration":                {"refit.stop-timeout", "soon", `refit.stop-timeout="soon" is not a duration: use 90s, 5m, 1h30m or plain seconds`},
		"a negative duration":        {"refit.stop-timeout", "-5s", `refit.stop-timeout="-5s" is a negative duration`},
		"a duration out of range":    {"refit.gate-stable", "2h", `refit.gate-stable="2h" is not between 0s and 1h0m0s`},
		"no container name":          {"refit.depends-on", "db,../etc", `refit.depends-on="db,../etc" holds "../etc", which is not a container name`},
		"no hook name":               {"refit.hooks", "/bin/sh", `refit.hooks="/bin/sh" holds "/bin/sh", which is not a hook name`},
		"no scope":                   {"refit.scope", "", `refit.scope="" is not a name of letters, digits, dots, dashes and underscores`},
		"a hook setting without key": {"refit.hook.backup", "x", "refit.hook.backup does not have the form refit.hook.<name>.<key>"},
		"a value that floods":        {"refit.mode", strings.Repeat("x", 500), `refit.mode="` + strings.Repeat("x", 80) + `…" is not known: use update or notify`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, bad, ok := settings().PolicyOf(core.Container{Labels: map[string]string{test.label: test.value, "refit.cleanup": "true"}})
			if ok || bad.Code != core.BadLabel || bad.Text != test.want {
				t.Errorf("got %t %s\nwant bad-label: %s", ok, bad, test.want)
			}
		})
	}
}

func TestLabelsOfTheImageAreIgnoredUnlessTrusted(t *testing.T) {
	t.Parallel()
	image := map[string]string{"refit.enable": "true", "refit.nonsense": "x"}
	inherited := core.Container{Labels: image, ImageLabels: image}
	if p, _, ok := settings().PolicyOf(inherited); !ok || p.Enabled {
		t.Errorf("the image enabled its container: ok %t, %+v", ok, p)
	}
	trusting := settings()
	trusting.TrustImageLabels = true
	if _, bad, ok := trusting.PolicyOf(inherited); ok {
		t.Errorf("a trusted image's bad label was not seen: %s", bad)
	}
	overridden := core.Container{Labels: map[string]string{"refit.enable": "true"}, ImageLabels: map[string]string{"refit.enable": "false"}}
	if p, _, _ := settings().PolicyOf(overridden); !p.Enabled || p.From["enable"] != "label" {
		t.Errorf("the container's own label does not count: %+v", p)
	}
}

func TestAllEnablesWhatDoesNotSayNo(t *testing.T) {
	t.Parallel()
	all := settings()
	all.All = true
	for value, want := range map[string]bool{"": true, "true": true, "false": false} {
		c := core.Container{Labels: map[string]string{}}
		if value != "" {
			c.Labels["refit.enable"] = value
		}
		if p, _, _ := all.PolicyOf(c); p.Enabled != want {
			t.Errorf("refit.enable=%q with --all: %t, want %t", value, p.Enabled, want)
		}
	}
}

func TestPoliciesDoNotShareWhatTheyHold(t *testing.T) {
	t.Parallel()
	s := settings()
	one, _, _ := s.PolicyOf(core.Container{Labels: map[string]string{"refit.hook.a.b": "1", "refit.cleanup": "true"}})
	two, _, _ := s.PolicyOf(core.Container{})
	if len(two.HookConfig) > 0 || len(two.From) > 0 || len(one.From) == 0 {
		t.Errorf("the second container's policy has the first one's: %+v", two)
	}
}

func FuzzPolicyOf(f *testing.F) {
	for _, l := range core.Labels() {
		f.Add(l.Name, "true")
		f.Add(l.Name, "90s")
	}
	f.Add("refit.hook.backup.keep", "3")
	f.Add("refit.stop-signal", "SIGRTMIN+99999999999999999999")
	f.Fuzz(func(t *testing.T, label, value string) {
		p, bad, ok := settings().PolicyOf(core.Container{Labels: map[string]string{label: value}})
		if ok == (bad.Code != "") {
			t.Errorf("ok is %t with reason %q", ok, bad)
		}
		if len(bad.Text) > 600 {
			t.Errorf("a reason of %d bytes", len(bad.Text))
		}
		if p.StopTimeout < 0 || p.GateStable < 0 || p.GateTimeout < 0 {
			t.Errorf("a negative time in %+v", p)
		}
	})
}
