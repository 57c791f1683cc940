package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// configure settles a command line without running the command.
func configure(args []string, env map[string]string) (config, error) {
	return configOf(context.Background(), args, env)
}

// settling is what becomes of a command line and an environment.
type settling struct {
	args []string
	env  map[string]string
	got  func(config) any
	want any
}

var configurations = map[string]settling{
	"the command line of a fleet's crontab works as written": {
		args: []string{"--schedule", "0 0 4 * * *", "--cleanup"},
		got: func(c config) any {
			return []any{c.settings.Defaults.Schedule, c.settings.Defaults.Cleanup, c.settings.Defaults.From, c.command}
		},
		want: []any{"0 0 4 * * *", true, map[string]string{"schedule": "flag", "cleanup": "flag"}, ""},
	},
	"an interval may be plain seconds": {
		args: []string{"--interval", "30"},
		got:  func(c config) any { return c.interval },
		want: 30 * time.Second,
	},
	"a value may be joined to its flag": {
		args: []string{"-interval=6h"},
		got:  func(c config) any { return c.interval },
		want: 6 * time.Hour,
	},
	"a flag of the root may stand before a command": {
		args: []string{"--host", "tcp://h:1", "check", "web"},
		got:  func(c config) any { return []any{c.command, c.host, c.names} },
		want: []any{"check", "tcp://h:1", []string{"web"}},
	},
	"a flag of the root may stand after a command and after its arguments": {
		args: []string{"check", "web", "-H", "tcp://h:1", "--exit-code"},
		got:  func(c config) any { return []any{c.command, c.host, c.exitCode, c.names} },
		want: []any{"check", "tcp://h:1", true, []string{"web"}},
	},
	"what follows two dashes is a container, even if called like a command": {
		args: []string{"--cleanup", "--", "check"},
		got:  func(c config) any { return []any{c.command, c.names} },
		want: []any{"", []string{"check"}},
	},
	"a command's word after a container is a container": {
		args: []string{"web", "check"},
		got:  func(c config) any { return []any{c.command, c.names} },
		want: []any{"", []string{"web", "check"}},
	},
	"of a flag that is given twice the last holds": {
		args: []string{"--interval", "1h", "--interval", "2h"},
		got:  func(c config) any { return c.interval },
		want: 2 * time.Hour,
	},
	"a value with commas is one value": {
		args: []string{"--schedule", "0,30 4 * * *"},
		got:  func(c config) any { return c.settings.Defaults.Schedule },
		want: "0,30 4 * * *",
	},
	"a flag for many values may be given more than once": {
		args: []string{"--insecure-registry", "a:5000", "--insecure-registry", "b"},
		got:  func(c config) any { return c.insecureRegistries },
		want: []string{"a:5000", "b"},
	},
	"a variable for many values is split": {
		env:  map[string]string{"REFIT_INSECURE_REGISTRY": "a:5000, b\nc"},
		got:  func(c config) any { return c.insecureRegistries },
		want: []string{"a:5000", "b", "c"},
	},
	"a variable of ours sets a flag": {
		env:  map[string]string{"REFIT_RUN_ONCE": "1", "REFIT_STOP_TIMEOUT": "45"},
		got:  func(c config) any { return []any{c.runOnce, c.settings.Defaults.StopTimeout} },
		want: []any{true, 45 * time.Second},
	},
	"a flag beats a variable": {
		args: []string{"--interval", "1h"},
		env:  map[string]string{"REFIT_INTERVAL": "2h", "WATCHTOWER_POLL_INTERVAL": "3"},
		got:  func(c config) any { return c.interval },
		want: time.Hour,
	},
	"a variable of ours beats Watchtower's": {
		env:  map[string]string{"REFIT_INTERVAL": "2h", "WATCHTOWER_POLL_INTERVAL": "3"},
		got:  func(c config) any { return c.interval },
		want: 2 * time.Hour,
	},
	"a value may come from a file, trimmed": {
		env:  map[string]string{"REFIT_INTERVAL_FILE": filepath.Join("testdata", "interval")},
		got:  func(c config) any { return c.interval },
		want: 90 * time.Second,
	},
	"an empty variable counts as not set": {
		env:  map[string]string{"REFIT_INTERVAL": "", "REFIT_SCHEDULE": ""},
		got:  func(c config) any { return c.interval },
		want: 24 * time.Hour,
	},
	"catching up is on until it is switched off": {
		args: []string{"--catch-up=false"},
		got:  func(c config) any { return []any{newConfig().catchUp, c.catchUp} },
		want: []any{true, false},
	},
	"no-pull is the opposite of the label": {
		args: []string{"--no-pull"},
		got:  func(c config) any { return []any{c.settings.Defaults.Pull, c.settings.Defaults.From} },
		want: []any{false, map[string]string{"pull": "flag"}},
	},
	"a scope is Refit's own and no default of the label": {
		args: []string{"--scope", "blue"},
		got:  func(c config) any { return []any{c.settings.Scope, c.settings.Defaults.Scope} },
		want: []any{"blue", ""},
	},
	"a command may have more than one word": {
		args: []string{"--debug", "hooks", "--format", "json", "list"},
		got:  func(c config) any { return []any{c.command, c.format, c.names} },
		want: []any{"hooks list", "json", []string(nil)},
	},
	"what follows a hook's name is the hook's": {
		args: []string{"hook", "backup", "extract", "--help", "--", "-x"},
		got:  func(c config) any { return []any{c.command, c.names} },
		want: []any{"hook", []string{"backup", "extract", "--help", "--", "-x"}},
	},
	"settings of hooks may hold commas, spaces and equals signs": {
		args: []string{"--data", "/d", "--hook-config", "http.url.approve=https://h/?a=b,c d", "--hook-config", "http.empty="},
		got:  func(c config) any { return c.hookConfig },
		want: map[string]map[string]string{
			"http":   {"url.approve": "https://h/?a=b,c d", "empty": ""},
			"backup": {"dir": "/d/backups"},
		},
	},
	"and stand in the lines of a file": {
		args: []string{"--backup-dir", "/b"},
		env:  map[string]string{"REFIT_HOOK_CONFIG_FILE": filepath.Join("testdata", "hook-config")},
		got:  func(c config) any { return c.hookConfig },
		want: map[string]map[string]string{
			"http":   {"secret": "a=b, c", "url.approve": "https://h/#top"},
			"backup": {"dir": "/b", "keep": "7"},
		},
	},
	"a folder for backups may be a setting of the hook": {
		env:  map[string]string{"REFIT_HOOK_CONFIG": "backup.dir=/b", "HOME": "/h"},
		got:  func(c config) any { return c.hookConfig },
		want: map[string]map[string]string{"backup": {"dir": "/b"}},
	},
	"hooks of all containers are a default of the label": {
		args: []string{"--hooks", "backup, smoke"},
		got:  func(c config) any { return []any{c.settings.Defaults.Hooks, c.settings.Defaults.From} },
		want: []any{[]string{"backup", "smoke"}, map[string]string{"hooks": "flag"}},
	},
	"Watchtower's lifecycle hooks have a switch": {
		env:  map[string]string{"WATCHTOWER_LIFECYCLE_HOOKS": "true", "WATCHTOWER_LABEL_ENABLE": "true"},
		got:  func(c config) any { return []any{c.settings.Lifecycle, c.warnings} },
		want: []any{true, []string(nil)},
	},
	"debug is a level": {
		args: []string{"--debug"},
		got:  func(c config) any { return c.level },
		want: slog.LevelDebug,
	},
	"the state is in the data folder that was named": {
		args: []string{"--data", "/d"},
		env:  map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"},
		got:  func(c config) any { return c.data },
		want: "/d",
	},
	"else in the state folder of the desktop": {
		env:  map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"},
		got:  func(c config) any { return c.data },
		want: "/x/refit",
	},
	"else in the home folder": {
		env:  map[string]string{"HOME": "/h"},
		got:  func(c config) any { return c.data },
		want: "/h/.local/state/refit",
	},
	"docker's variables are honoured": {
		env:  map[string]string{"DOCKER_HOST": "tcp://h:2375", "DOCKER_API_VERSION": "1.41", "DOCKER_CONFIG": "/c"},
		got:  func(c config) any { return []any{c.host, c.apiVersion, c.dockerConfig} },
		want: []any{"tcp://h:2375", "1.41", "/c"},
	},
	"a switch of Watchtower implies all containers": {
		env:  map[string]string{"WATCHTOWER_CLEANUP": "true"},
		got:  func(c config) any { return []any{c.settings.All, c.settings.Defaults.Cleanup, len(c.warnings)} },
		want: []any{true, true, 1},
	},
	"but not where Watchtower was told to look at labels": {
		env:  map[string]string{"WATCHTOWER_CLEANUP": "true", "WATCHTOWER_LABEL_ENABLE": "true"},
		got:  func(c config) any { return []any{c.settings.All, len(c.warnings)} },
		want: []any{false, 0},
	},
	"nor where the flag declines": {
		args: []string{"--all=false"},
		env:  map[string]string{"WATCHTOWER_CLEANUP": "true"},
		got:  func(c config) any { return c.settings.All },
		want: false,
	},
	"a variable of Watchtower without effect is told, if it says anything": {
		env:  map[string]string{"WATCHTOWER_LABEL_ENABLE": "1", "WATCHTOWER_REMOVE_VOLUMES": "true", "WATCHTOWER_NO_STARTUP_MESSAGE": "false"},
		got:  func(c config) any { return c.warnings },
		want: []string{"WATCHTOWER_REMOVE_VOLUMES has no effect. Data is never removed: the new container takes over the anonymous volumes of the old one."},
	},
	"monitor-only is the mode that tells": {
		env:  map[string]string{"WATCHTOWER_MONITOR_ONLY": "true"},
		got:  func(c config) any { return c.settings.Defaults.Mode },
		want: core.ModeNotify,
	},
	"levels and formats of Watchtower become the nearest of ours": {
		env:  map[string]string{"WATCHTOWER_LOG_LEVEL": "panic", "WATCHTOWER_LOG_FORMAT": "JSON"},
		got:  func(c config) any { return []any{c.level, c.jsonLog} },
		want: []any{slog.LevelError, true},
	},
}

func TestFlagsAndVariablesReachTheConfiguration(t *testing.T) {
	t.Parallel()
	comeTo(t, configurations)
}

// comeTo is a test for each row.
func comeTo(t *testing.T, rows map[string]settling) {
	t.Helper()
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := configure(tt.args, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, tt.got(c)); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWrongUsageIsRefusedInOneLineWithAHint(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		env  map[string]string
		want string // the line without "refit: "
		hint string // a part of the hint
	}{
		"an unknown flag":                {args: []string{"--shedule", "x"}, want: "unknown flag --shedule", hint: "did you mean --schedule?"},
		"an unknown flag like no other":  {args: []string{"--xyzzy"}, want: "unknown flag --xyzzy", hint: "refit --help"},
		"an unknown letter":              {args: []string{"-z"}, want: "unknown flag -z", hint: "refit --help"},
		"a flag behind a command":        {args: []string{"check", "web", "--exit-cod"}, want: "unknown flag --exit-cod", hint: "--exit-code?"},
		"a flag without its value":       {args: []string{"--schedule"}, want: "--schedule needs a value", hint: "--schedule CRON"},
		"a flag of two other commands":   {args: []string{"check", "--force"}, want: "--force belongs to refit update and refit recover", hint: "refit update --help"},
		"a setting without a value":      {args: []string{"--hook-config", "http.token"}, want: `--hook-config no. 1, which is not shown, does not have the form NAME.KEY=VALUE`, hint: "--hook-config"},
		"a setting without a hook":       {args: []string{"--hook-config", "a.b=c", "--hook-config", "token=precious"}, want: `--hook-config no. 2, which is not shown, does not have the form NAME.KEY=VALUE`, hint: "--hook-config"},
		"two folders for the backups":    {args: []string{"--backup-dir", "/a", "--hook-config", "backup.dir=/b"}, want: "both --backup-dir and --hook-config backup.dir are given", hint: "one of them"},
		"a variable that cannot be one":  {args: []string{"--plugin-env", "A=1"}, want: `--plugin-env "A=1" is not the name of a variable`, hint: "--plugin-env"},
		"hooks that have bad names":      {args: []string{"--hooks", "back up"}, want: `--hooks "back up" holds "back up", which is not a hook name`, hint: "--hooks"},
		"a slip of a command's 2nd word": {args: []string{"hooks", "lst"}, want: `hooks takes no arguments, and there is "lst"`, hint: "did you mean refit hooks list?"},
		"a second word like no other":    {args: []string{"hooks", "xyzzy"}, want: `hooks takes no arguments, and there is "xyzzy"`, hint: "refit hooks [flags]"},
		"a test of no hook":              {args: []string{"hooks", "test"}, want: "hooks test takes one hook, and there are 0", hint: "hooks test [flags] NAME"},
		"a stage that is none":           {args: []string{"hooks", "test", "x", "--stage", "pre-updat"}, want: `--stage "pre-updat" is not known: did you mean pre-update?`, hint: "--stage"},
		"a stage of another command":     {args: []string{"update", "--stage", "finished"}, want: "--stage belongs to refit hooks test", hint: "refit hooks test --help"},
		"a hook by hand":                 {args: []string{"hook", "backup"}, want: "backup is a hook: Refit starts it by itself when it replaces a container", hint: "refit.hooks=backup"},
		"a hook that is none":            {args: []string{"hook", "bakcup"}, want: `no hook called "bakcup" comes with Refit`, hint: "did you mean refit hook backup?"},
		"a flag before a hook":           {args: []string{"--debug", "hook", "backup"}, want: "--debug does not belong to refit hook", hint: "refit hook NAME"},
		"a hook without a name":          {args: []string{"hook"}, want: "hook takes at least one hook, and there are 0", hint: "refit hook NAME"},
		"a plugin folder that is none":   {args: []string{"hooks", "--plugin-dir", "/no/such"}, want: "read the plugin folder: stat /no/such: no such file or directory", hint: "name a folder"},
		"a flag of another command":      {args: []string{"update", "--format", "json"}, want: "--format belongs to refit check, refit history, refit hooks, refit hooks list, refit hooks backup, refit hooks backup list, refit notify, refit notify list, refit notify preview and refit migrate", hint: "refit check --help"},
		"a schedule and an interval":     {args: []string{"--schedule", "@daily", "--interval", "30"}, want: "both --schedule and --interval are given", hint: "one of them"},
		"the same, from the environment": {args: []string{"--interval", "30"}, env: map[string]string{"REFIT_SCHEDULE": "@daily"}, want: "both REFIT_SCHEDULE and --interval are given", hint: "one of them"},
		"an interval of nothing":         {args: []string{"--interval", "0"}, want: `--interval "0" is less than 1s`, hint: "--interval"},
		"an interval that is none":       {env: map[string]string{"REFIT_INTERVAL": "soon"}, want: `REFIT_INTERVAL "soon" is not a duration: use 90s, 5m, 1h30m or plain seconds`, hint: "--interval"},
		"a schedule that never comes":    {args: []string{"--schedule", "0 0 30 2 *"}, want: `--schedule "0 0 30 2 *" never comes: those months do not have that day`, hint: "--schedule"},
		"a mode that is none":            {args: []string{"--mode", "updat"}, want: `--mode "updat" is not known: did you mean update?`, hint: "--mode"},
		"a strategy that is none":        {args: []string{"--strategy", "start-firs"}, want: `--strategy "start-firs" is not known: did you mean start-first?`, hint: "--strategy"},
		"a level that is none":           {args: []string{"--log-level", "loud"}, want: `--log-level "loud" is not known: use debug, info, warn, error`, hint: "--log-level"},
		"a switch that is neither":       {args: []string{"--cleanup=perhaps"}, want: `--cleanup "perhaps" is neither true nor false`, hint: "--cleanup"},
		"a number that is none":          {args: []string{"--parallel", "0"}, want: `--parallel "0" is not a number from 1 to 1000`, hint: "--parallel"},
		"a registry with a path":         {args: []string{"--insecure-registry", "http://a/b"}, want: `--insecure-registry "http://a/b" is not a host or host:port`, hint: "--insecure-registry"},
		"a template of an unknown field": {args: []string{"check", "--format", "{{.Nane}}"}, want: `--format "{{.Nane}}" does not fit: format:1:2: executing "format" at <.Nane>: can't evaluate field Nane in type main.finding`, hint: "--format"},
		"a template that does not parse": {args: []string{"check", "--format", "{{"}, want: `--format "{{" is not a template: format:1: unclosed action`, hint: "--format"},
		"a format that is none":          {args: []string{"check", "--format", "yaml"}, want: `--format "yaml" is neither table nor json nor a template such as {{.Container}}`, hint: "--format"},
		"a value and a file":             {env: map[string]string{"REFIT_DATA": "/d", "REFIT_DATA_FILE": "/f"}, want: "both REFIT_DATA and REFIT_DATA_FILE are set", hint: "one of them"},
		"a file that is not there":       {env: map[string]string{"REFIT_DATA_FILE": "/no/such/file"}, want: "read the file of REFIT_DATA_FILE: open /no/such/file: no such file or directory", hint: "--data"},
		"a stray word behind version":    {args: []string{"version", "web"}, want: `version takes no arguments, and there is "web"`, hint: "refit version"},
		"explain without a container":    {args: []string{"explain"}, want: "explain takes one container, and there are 0", hint: "refit explain NAME"},
		"explain with two":               {args: []string{"explain", "a", "b"}, want: "explain takes one container, and there are 2", hint: "refit explain NAME"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(context.Background(), tt.args, tt.env, &stdout, &stderr)
			if code != exitWrong {
				t.Errorf("exit code %d, want %d", code, exitWrong)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout has %q, want nothing", stdout.String())
			}
			lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
			if len(lines) != 2 {
				t.Fatalf("stderr has %d lines, want a problem and a hint:\n%s", len(lines), stderr.String())
			}
			if diff := cmp.Diff("refit: "+tt.want, lines[0]); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(lines[1], "hint: ") || !strings.Contains(lines[1], tt.hint) {
				t.Errorf("hint is %q, want one with %q", lines[1], tt.hint)
			}
		})
	}
}

// TestTheDefaultsThatPeopleReadAreTheOnesThatHold sets every option to the text
// of its default: that must change nothing.
func TestTheDefaultsThatPeopleReadAreTheOnesThatHold(t *testing.T) {
	t.Parallel()
	worded := map[string]bool{ // a default that is not a value
		"tlscacert": true, "tlscert": true, "tlskey": true, "stop-signal": true, "stop-timeout": true, "gate-timeout": true, "data": true,
		"backup-dir": true, "notify-host": true, "api-version": true,
	}
	for _, o := range options {
		initial := o.initial
		switch {
		case worded[o.name]:
			continue
		case initial == "" && o.value == "":
			initial = "false"
		case initial == "":
			continue // not set at all
		}
		c := newConfig()
		if err := o.read(&c, initial); err != nil {
			t.Errorf("--%s refuses its default %q: %v", o.name, initial, err)
		}
		if got, want := fmt.Sprintf("%+v", plain(c)), fmt.Sprintf("%+v", plain(newConfig())); got != want {
			t.Errorf("--%s with its default %q makes\n%s\nwant\n%s", o.name, initial, got, want)
		}
	}
}

// plain drops what cannot be compared.
func plain(c config) config {
	c.settings.CheckSchedule = nil
	return c
}

func TestEveryFlagOfALabelIsThere(t *testing.T) {
	t.Parallel()
	for _, l := range core.Labels() {
		if _, there := findOption(l.Flag); l.Flag != "" && !there {
			t.Errorf("%s names the flag --%s, which does not exist", l.Name, l.Flag)
		}
	}
}

func TestNoTwoFlagsShareANameOrAVariable(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, o := range options {
		for _, name := range append(o.variables(), o.name, o.short) {
			if first, taken := seen[name]; taken && name != "" {
				t.Errorf("--%s and --%s both have %q", first, o.name, name)
			}
			seen[name] = o.name
		}
	}
}
