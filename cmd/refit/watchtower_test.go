package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

// goodValues are good values of Watchtower's words that are no switches.
var goodValues = map[string]string{
	"host": "tcp://127.0.0.1:2375", "api-version": "1.41", "interval": "300", "schedule": "0 0 4 * * *", "disable-containers": "a,b",
	"scope": "blue", "stop-timeout": "30s", "log-level": "panic", "log-format": "LogFmt",
	"notifications": "shoutrrr", "notification-url": "generic+http://127.0.0.1/a?b=c,d", "notifications-level": "error", "notifications-hostname": "nas",
}

// goodValue is a good value of any word.
func goodValue(w watchtower.Word) string {
	switch value, there := goodValues[w.Flag]; {
	case there:
		return value
	case w.Value == "":
		return "true"
	}
	return "1"
}

var movedLines = map[string]settling{
	"letters, one by one": {
		args: []string{"-c", "-i", "30", "-e", "-m", "-R", "-S", "-d"},
		got: func(c config) any {
			s := c.settings
			return []any{s.Defaults.Cleanup, c.interval, s.LabelEnable, s.Defaults.Mode, c.runOnce, s.IncludeStopped, c.debug, s.All}
		},
		want: []any{true, 30 * time.Second, true, core.ModeNotify, true, true, true, false},
	},
	"letters behind one dash": {
		args: []string{"-cRi30", "-t=90s", "web"},
		got: func(c config) any {
			return []any{c.settings.Defaults.Cleanup, c.runOnce, c.interval, c.settings.Defaults.StopTimeout, c.names}
		},
		want: []any{true, true, 30 * time.Second, 90 * time.Second, []string{"web"}},
	},
	"a letter that takes the next word": {
		args: []string{"-cs", "0 0 4 * * *"},
		got:  func(c config) any { return []any{c.settings.Defaults.Cleanup, c.settings.Defaults.Schedule} },
		want: []any{true, "0 0 4 * * *"},
	},
	"five fields in Watchtower's variable begin with the second": {
		env:  map[string]string{"WATCHTOWER_SCHEDULE": "0 30 4 * *"},
		got:  func(c config) any { return c.settings.Defaults.Schedule },
		want: "0 30 4 * * *",
	},
	"and behind Watchtower's letter": {
		args: []string{"-s", "0 0 4 * *"},
		got:  func(c config) any { return c.settings.Defaults.Schedule },
		want: "0 0 4 * * *",
	},
	"five fields behind a flag of ours begin with the minute": {
		args: []string{"--schedule", "0 4 * * *"},
		got:  func(c config) any { return []any{c.settings.Defaults.Schedule, len(c.warnings)} },
		want: []any{"0 4 * * *", 0},
	},
	"which is told where Watchtower's words are beside it": {
		args: []string{"--schedule", "0 4 * * *"}, env: map[string]string{"WATCHTOWER_CLEANUP": "true"},
		got: func(c config) any { return []any{c.settings.Defaults.Schedule, c.warnings[0]} },
		want: []any{"0 4 * * *", "--schedule has five fields, which are minute, hour, day, month and day of the week here; " +
			"Watchtower read second, minute, hour, day and month: then add a * at the end"},
	},
	"Watchtower's default interval beside a schedule": {
		env:  map[string]string{"WATCHTOWER_SCHEDULE": "@daily", "WATCHTOWER_POLL_INTERVAL": "86400"},
		got:  func(c config) any { return c.settings.Defaults.Schedule },
		want: "@daily",
	},
	"names by commas, by the letter, and as the engine spells them": {
		args: []string{"--disable-containers", "a,b"}, env: map[string]string{"WATCHTOWER_DISABLE_CONTAINERS": "c"},
		got:  func(c config) any { return c.settings.Disabled },
		want: []string{"a", "b"},
	},
	"the letter of the same": {
		args: []string{"-x", "a,/b", "-x", "c"},
		got:  func(c config) any { return c.settings.Disabled },
		want: []string{"a", "b", "c"},
	},
	"the same in a variable, by spaces": {
		env:  map[string]string{"WATCHTOWER_DISABLE_CONTAINERS": "a b, c"},
		got:  func(c config) any { return c.settings.Disabled },
		want: []string{"a", "b", "c"},
	},
	"a flag of theirs beats any variable, and a flag of ours that": {
		args: []string{"-i", "30", "--monitor-only", "--mode", "update"}, env: map[string]string{"REFIT_INTERVAL": "2h", "WATCHTOWER_POLL_INTERVAL": "3"},
		got:  func(c config) any { return []any{c.interval, c.settings.Defaults.Mode} },
		want: []any{30 * time.Second, core.ModeUpdate},
	},
	"one that is switched off says nothing, but whose it is": {
		args: []string{"--monitor-only=false", "--no-restart=false"},
		got:  func(c config) any { return []any{c.settings.Defaults.Mode, c.settings.All} },
		want: []any{core.ModeUpdate, true},
	},
	"values of theirs for flags that both have": {
		args: []string{"--log-level", "trace", "--log-format", "pretty"},
		got:  func(c config) any { return []any{c.level.String(), c.jsonLog, c.settings.All} },
		want: []any{"DEBUG", false, false},
	},
	"the scope that is none": {
		args: []string{"--scope", "none"},
		got:  func(c config) any { return c.settings.Scope },
		want: "",
	},
	"one at a time": {
		args: []string{"--rolling-restart", "--label-take-precedence", "--enable-lifecycle-hooks"},
		got:  func(c config) any { return []any{c.parallel, c.settings.LabelPrecedence, c.settings.Lifecycle} },
		want: []any{1, true, true},
	},
	"channels": {
		args: []string{"--notification-url", "generic+http://h/a,b", "-n", "shoutrrr", "--notification-url=generic+http://h/c", "--notifications-level", "warn"},
		got: func(c config) any {
			var urls []string
			for _, ch := range c.notify.channels {
				urls = append(urls, ch.URL+" "+string(ch.Level))
			}
			return urls
		},
		want: []string{"generic+http://h/a,b problems", "generic+http://h/c problems"},
	},
	"their healthcheck is our command": {
		args: []string{"--health-check"},
		got:  func(c config) any { return c.command },
		want: "health",
	},
	"any of them implies all containers, and says so": {
		args: []string{"--rolling-restart", "-a", "1.41"},
		got:  func(c config) any { return []any{c.settings.All, c.apiVersion, c.warnings} },
		want: []any{true, "1.41", []string{"-a, --rolling-restart is set and WATCHTOWER_LABEL_ENABLE is not: --all is implied (say --all=false to decline)"}},
	},
	"a word of a fork implies them as well, and is told": {
		env: map[string]string{"WATCHTOWER_DISABLE_MEMORY_SWAPPINESS": "true"},
		got: func(c config) any { return []any{c.settings.All, c.warnings} },
		want: []any{true, []string{
			"WATCHTOWER_DISABLE_MEMORY_SWAPPINESS has no effect: it is no word of Watchtower 1.7.1",
			"WATCHTOWER_DISABLE_MEMORY_SWAPPINESS is set and WATCHTOWER_LABEL_ENABLE is not: --all is implied (say --all=false to decline)",
		}},
	},
	"a file with a secret is no such word": {
		env:  map[string]string{"WATCHTOWER_NOTIFICATION_URL_FILE": "/dev/null", "WATCHTOWER_LABEL_ENABLE": "true"},
		got:  func(c config) any { return []any{c.settings.All, c.warnings} },
		want: []any{false, []string(nil)},
	},
	"one that is empty is not set": {
		env:  map[string]string{"WATCHTOWER_WHATEVER": ""},
		got:  func(c config) any { return []any{c.settings.All, c.warnings} },
		want: []any{false, []string(nil)},
	},
	"what is not obeyed is told by the name that was typed": {
		args: []string{"--remove-volumes", "--label-enable"},
		got:  func(c config) any { return c.warnings },
		want: []string{"--remove-volumes has no effect. Data is never removed: the new container takes over the anonymous volumes of the old one."},
	},
}

func TestFlagsOfWatchtowersWorkAsTheyAreTyped(t *testing.T) {
	t.Parallel()
	comeTo(t, movedLines)
}

// TestEveryWordOfWatchtowersDoesWhatItsRowSays types each flag and sets each variable.
func TestEveryWordOfWatchtowersDoesWhatItsRowSays(t *testing.T) {
	t.Parallel()
	for _, w := range watchtower.Words() {
		for _, say := range []struct {
			name string
			args []string
			env  map[string]string
		}{
			{"--" + w.Flag, []string{"--" + w.Flag + "=" + goodValue(w)}, nil},
			{w.Variable, nil, map[string]string{w.Variable: goodValue(w)}},
		} {
			switch {
			case say.name == "", say.name == "--", say.name == "--help", say.name == "--health-check", w.Command != "", w.Label != "":
				continue
			}
			env := map[string]string{"WATCHTOWER_NOTIFICATION_URL": goodValues["notification-url"]}
			for name, value := range say.env {
				env[name] = value
			}
			c, err := configure(say.args, env)
			told := strings.Contains(strings.Join(c.warnings, "\n"), say.name+" has no effect. ")
			switch {
			case (err != nil) != (w.Fate == watchtower.Refused):
				t.Errorf("%s, which is %s: %v", say.name, w.Fate, err)
			case told != (w.Fate == watchtower.NoEffect):
				t.Errorf("%s, which is %s: told is %t: %q", say.name, w.Fate, told, c.warnings)
			}
			if _, there := findOption(w.Ours); w.Ours != "" && !there {
				t.Errorf("%s becomes --%s, which does not exist", say.name, w.Ours)
			}
		}
	}
}

func TestWhatCannotBeObeyedIsRefusedWithTheNextStep(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		want string
		hint string
	}{
		"the HTTP API, by a flag": {
			args: []string{"--http-api-update"}, want: "--http-api-update cannot be obeyed. Refit listens on no port.", hint: "docker exec refit refit update",
		},
		"the HTTP API, by a variable": {
			env:  map[string]string{"WATCHTOWER_HTTP_API_UPDATE": "true"},
			want: "WATCHTOWER_HTTP_API_UPDATE cannot be obeyed. Refit listens on no port.", hint: "docker exec refit refit update",
		},
		"removing without restarting": {args: []string{"--no-restart"}, want: "--no-restart cannot be obeyed. It removed the old container", hint: "--mode notify"},
		"output for programs":         {args: []string{"-P", "v1"}, want: "-P cannot be obeyed. What reads that output", hint: "refit history --format json"},
		"their command":               {args: []string{"notify-upgrade"}, want: "Watchtower's notify-upgrade is not here.", hint: "refit notify"},
		"a switch that is neither":    {args: []string{"--monitor-only=maybe"}, want: `--monitor-only "maybe" is neither true nor false`, hint: "docs/migrating.md"},
		"a flag without its value":    {args: []string{"-x"}, want: "-x needs a value", hint: "-x NAMES"},
		"letters with a slip":         {args: []string{"-cz"}, want: "unknown flag --cz", hint: "refit --help"},
		"a slip of a long flag":       {args: []string{"-shedule", "@daily"}, want: "unknown flag --shedule", hint: "did you mean --schedule?"},
		"a URL that is wrong":         {args: []string{"--notification-url", "slak://precious"}, want: "Watchtower's variables: ", hint: "docs/notifications.md"},
		"their schedule and interval": {args: []string{"-s", "@daily", "-i", "30"}, want: "both -s and -i are given", hint: "one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			nowhere := variables{"DOCKER_HOST": "tcp://127.0.0.1:1"}
			maps.Copy(nowhere, tt.env)
			code := run(context.Background(), tt.args, nowhere, &stdout, &stderr)
			problem, hint, _ := strings.Cut(strings.TrimSuffix(stderr.String(), "\n"), "\n")
			if code != exitWrong || stdout.Len() > 0 || strings.Contains(hint, "\n") || strings.Contains(stderr.String(), "precious") {
				t.Errorf("exit code %d, stdout %q, stderr:\n%s", code, stdout.String(), stderr.String())
			}
			if !strings.HasPrefix(problem, "refit: "+tt.want) || !strings.Contains(hint, tt.hint) {
				t.Errorf("got\n%s\nwant %q and a hint with %q", stderr.String(), tt.want, tt.hint)
			}
		})
	}
}

func TestLoginsAreFoundWhereWatchtowersUsersMountThem(t *testing.T) {
	t.Parallel()
	home, root := t.TempDir(), t.TempDir()
	want := func(when, folder string) {
		t.Helper()
		if got := oldLogins(home, root); got != folder {
			t.Errorf("%s: %q, want %q", when, got, folder)
		}
	}
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want("nothing is there", "")
	write(filepath.Join(root, "config.json"))
	want("only theirs is there", root)
	write(filepath.Join(home, ".docker", "config.json"))
	want("docker's own comes first", "")
}

func TestExplainSaysFromWhichWordOfWatchtowersAValueIs(t *testing.T) {
	t.Parallel()
	c, err := configure([]string{"-m"}, map[string]string{"WATCHTOWER_CLEANUP": "true", "REFIT_STOP_TIMEOUT": "30"})
	if err != nil {
		t.Fatal(err)
	}
	web := container("web")
	web.Labels = map[string]string{
		"com.centurylinklabs.watchtower.stop-signal": "SIGHUP", "com.centurylinklabs.watchtower.no-pull": "true", "refit.pull": "true",
	}
	p, _, _ := c.settings.PolicyOf(web)
	want := map[string]string{
		"refit.enable": "flag --all, implied by -m", "refit.mode": "flag -m", "refit.cleanup": "variable WATCHTOWER_CLEANUP",
		"refit.stop-timeout": "variable REFIT_STOP_TIMEOUT", "refit.stop-signal": "label com.centurylinklabs.watchtower.stop-signal",
		"refit.pull": "label", "refit.strategy": "default",
	}
	got := map[string]string{}
	for _, l := range core.Labels() {
		if _, asked := want[l.Name]; asked {
			got[l.Name] = c.origin(p, l)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}
