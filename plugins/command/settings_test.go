package command

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

func TestHook(t *testing.T) { hookstest.Run(t, New()) }

func TestWrongSettingsAreRefusedBeforeAnythingIsStopped(t *testing.T) {
	t.Parallel()
	const bracket = `begins with a bracket, and is not a JSON array of texts, such as ["/app", "dump"]; if it is meant for the shell, put a blank before it`
	for name, test := range map[string]struct{ key, value, want string }{
		"a timeout that is none":        {"timeout", "soon", "timeout is not a duration: use 90s, 5m, 1h30m or plain seconds"},
		"of the later stage, too":       {"post-update-timeout", "25h", "post-update-timeout is not between 0s and 24h0m0s"},
		"a negative timeout":            {"pre-update-timeout", "-5s", "pre-update-timeout is not between 0s and 24h0m0s"},
		"a gate that is neither":        {"post-update-gate", "maybe", "post-update-gate is neither true nor false"},
		"an array that is none":         {"post-update", `["/app"`, "post-update " + bracket},
		"a test of the shell":           {"pre-update", `[ -e /secret-marker ] && exit 75`, "pre-update " + bracket},
		"an array of other things":      {"pre-update", `["/app", 1]`, "pre-update " + bracket},
		"an empty array":                {"pre-update", `[]`, "pre-update is an array that names no program"},
		"an array without program":      {"pre-update", `["", "a"]`, "pre-update is an array that names no program"},
		"a null byte":                   {"pre-update", "a\x00b", "pre-update holds a null byte"},
		"a null byte in an array":       {"pre-update", `["a\u0000b"]`, "pre-update holds a null byte"},
		"a book":                        {"pre-update", strings.Repeat("x", maxCommand+1), "pre-update is longer than 64 KiB"},
		"half a path":                   {"workdir", "tmp", "workdir is not a whole path: it begins with a slash"},
		"a retry that is none":          {"retry-after", "later", "retry-after is not a duration: use 90s, 5m, 1h30m or plain seconds"},
		"a retry that is too soon":      {"retry-after", "5s", "retry-after is not between 1m0s and 168h0m0s"},
		"a stage in which nothing runs": {"pre-recreate", "sync", "there is no pre-recreate command: the container has been stopped then; there are pre-update and post-update"},
		"the rollback":                  {"on-rollback", "sync", "there is no on-rollback command: neither of the two containers runs then; there are pre-update and post-update"},
		"the end":                       {"finished", "sync", "there is no finished command: it may be that none runs then; there are pre-update and post-update"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for from, u := range map[string]*hooks.Update{
				"label": {Labels: map[string]string{test.key: test.value}}, "operator": {Operator: map[string]string{test.key: test.value}},
			} {
				_, err := New().PreUpdate(t.Context(), u)
				if err == nil || err.Error() != test.want {
					t.Errorf("%s: got  %v\nwant %s", from, err, test.want)
				}
			}
		})
	}
}

func TestTimeoutsAndWhoSetsThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		operator, labels map[string]string
		pre, post        time.Duration
	}{
		"nobody":               {nil, nil, defaultTimeout, defaultTimeout},
		"a label for both":     {nil, map[string]string{"timeout": "90"}, 90 * time.Second, 90 * time.Second},
		"a label for one":      {nil, map[string]string{"timeout": "90", "post-update-timeout": "1h"}, 90 * time.Second, time.Hour},
		"no limit":             {nil, map[string]string{"timeout": "0m"}, 0, 0},
		"the operator for all": {map[string]string{"timeout": "1m"}, map[string]string{"pre-update-timeout": "1h"}, time.Minute, time.Minute},
		"the operator for one": {map[string]string{"pre-update-timeout": "1m"}, map[string]string{"timeout": "1h"}, time.Minute, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := read(&hooks.Update{Operator: test.operator, Labels: test.labels})
			if err != nil {
				t.Fatal(err)
			}
			got := []time.Duration{s.commands[preUpdate].timeout, s.commands[postUpdate].timeout}
			if diff := cmp.Diff([]time.Duration{test.pre, test.post}, got); diff != "" {
				t.Errorf("timeouts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	t.Parallel()
	for _, k := range New().Describe().Keys {
		if !k.Label || k.Help == "" || nowhere[k.Name] != "" {
			t.Errorf("key %+v", k)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"true", `["a"]`, "[", "  ", "[null]", `[["a"]]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse(text)
		if err == nil && len(c.argv) == 0 && strings.TrimSpace(text) != "" {
			t.Errorf("%q is nothing", text)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

func TestTheManualNamesEverySetting(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/hook-command.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range New().Describe().Keys {
		if !strings.Contains(string(manual), "`"+k.Name+"`") {
			t.Errorf("docs/hook-command.md says nothing of %s", k.Name)
		}
	}
}
