package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/watchtower"
)

// moved is a Watchtower, read among some other containers.
func moved(args []string, env map[string]string, others ...string) *move {
	m := tower(args, env)
	var all []core.Container
	for _, name := range others {
		all = append(all, container(name))
	}
	m.read()
	m.survey(all)
	return &m
}

// says fails the test if a text has not all of the words, in whatever lines.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(strings.ReplaceAll(text, "\n#", "\n")), " ")
	for _, want := range words {
		if !strings.Contains(flat, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestAnArgumentThatFitsNoContainerIsNotShown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args  []string
		all   bool
		names []string
		want  string
	}{
		"the value of a fork's flag": {
			args: []string{"--cleanup", "--fork-token", "precious"}, all: true,
			want: "An argument behind --fork-token, which is not shown, fits no container and is taken for that flag's value.",
		},
		"the value of a fork's letter": {
			args: []string{"-cz", "precious"}, all: true,
			want: "An argument behind -z, which is not shown, fits no container and is taken for that flag's value.",
		},
		"such a value before a name": {
			args: []string{"--fork-token", "precious", "web"}, all: true, names: []string{"web"},
		},
		"a name that may be such a value": {
			args: []string{"--fork-switch", "web"}, all: true, names: []string{"web"},
			want: "web stands behind --fork-switch: it is taken for a container, and may be that flag's value.",
		},
		"a name that is gone": {
			args: []string{"precious"},
			want: "An argument, which is not shown, fits no container that is there now and is left out",
		},
		"the value and a name that is gone, which are the same word": {
			args: []string{"--fork-token", "precious", "precious"},
			want: "An argument, which is not shown, fits no container that is there now and is left out",
		},
		"a name behind a value that is joined": {
			args: []string{"--fork-token=precious", "precious"},
			want: "An argument, which is not shown, fits no container that is there now and is left out",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := moved(test.args, nil, "web", "db")
			line := m.commandLine()
			says(t, line, test.want)
			if text := line + m.composeFile(); strings.Contains(text, "precious") {
				t.Errorf("it shows what may be a secret:\n%s", text)
			}
			args, env := pasted(t, line, nil)
			c, err := configure(args, env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.names, c.names); diff != "" || c.settings.All != test.all {
				t.Errorf("all is %t, not %t; names (-want +got):\n%s", c.settings.All, test.all, diff)
			}
		})
	}
}

func TestComposeReadsAFileWithSecretsAsItIs(t *testing.T) {
	t.Parallel()
	const short = "    env_file: [refit.env]\n"
	const long = "    # This needs Docker Compose 2.30: an older one would change what is in the file.\n" +
		"    env_file:\n      - path: refit.env\n        format: raw\n"
	for name, test := range map[string]struct {
		value string
		want  string
	}{
		"a value like others": {value: "slack://precious@host/a?b=c,d", want: short},
		"a dollar":            {value: "pre$cious", want: long},
		"a sharp":             {value: "precious #1", want: long},
		"a quote":             {value: "pre'cious", want: long},
		"quotes around it":    {value: `"precious"`, want: long},
		"a backslash":         {value: `pre\cious`, want: long},
		"a space before it":   {value: " precious", want: long},
		"a space behind it":   {value: "precious ", want: long},
		"a space in it":       {value: "precious precious", want: short},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, m := range []*move{
				moved(nil, map[string]string{"WATCHTOWER_NOTIFICATION_URL": test.value}),
				moved(nil, map[string]string{"HTTPS_PROXY": test.value}),
				moved([]string{"--notification-url", test.value}, nil),
			} {
				line, file := m.commandLine(), m.composeFile()
				if !strings.Contains(file, test.want) {
					t.Errorf("it does not say\n%sbut\n%s", test.want, file)
				}
				if strings.Contains(line+file, "cious") {
					t.Errorf("it shows a secret:\n%s\n%s", line, file)
				}
			}
		})
	}
}

func TestWhereSecretsAreTypedOnlyTheFileIsMade(t *testing.T) {
	t.Parallel()
	m := moved([]string{
		"--notifications=gotify", "--notification-gotify-url=https://gotify.example", "--notification-gotify-token", "precious",
		"--notifications-level", "warn", "--notification-slack-icon-url=https://me:precious@icons.example/a",
	}, nil)
	line, file := m.commandLine(), m.composeFile()
	says(t, line, "(umask 077; : >>refit.env)", "docker exec refit refit notify test",
		"Write WATCHTOWER_NOTIFICATION_SLACK_ICON_URL, WATCHTOWER_NOTIFICATION_GOTIFY_TOKEN into refit.env yourself")
	says(t, file, "(umask 077; : >>refit.env)", `WATCHTOWER_NOTIFICATIONS_LEVEL: "warn"`)
	if strings.Contains(line+file, "precious") {
		t.Errorf("it shows a secret:\n%s", line)
	}
	args, env := pasted(t, line, map[string]string{"WATCHTOWER_NOTIFICATION_GOTIFY_TOKEN": "precious"})
	c, err := configure(args, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.notify.channels) != 1 || len(args) > 0 || !c.settings.All {
		t.Errorf("%d channels, arguments %q, all is %t", len(c.notify.channels), args, c.settings.All)
	}
}

func TestWhereNothingIsSecretNoFileIsNamed(t *testing.T) {
	t.Parallel()
	m := moved([]string{"--notifications-level", "warn"}, nil)
	if text := m.commandLine() + m.composeFile(); strings.Contains(text, "env-file") || strings.Contains(text, "refit.env") {
		t.Errorf("there is a file:\n%s", text)
	}
}

func TestLinesOfOneVariableAreJoined(t *testing.T) {
	t.Parallel()
	m := moved(nil, map[string]string{"WATCHTOWER_NOTIFICATION_URL": "slack://precious\ngeneric://precious\n"})
	says(t, m.commandLine(), `--format '{{range .Config.Env}}{{println (join (split . "\n") " ")}}{{end}}' watchtower`)
}

func TestAnIntervalBesideAScheduleIsDropped(t *testing.T) {
	t.Parallel()
	const told = "is left out: Watchtower refused an interval beside a schedule."
	for name, test := range map[string]struct {
		args []string
		env  map[string]string
		told string
	}{
		"Watchtower's default": {env: map[string]string{"WATCHTOWER_SCHEDULE": "0 0 4 * * *", "WATCHTOWER_POLL_INTERVAL": "86400"}},
		"the default, typed":   {args: []string{"--schedule", "0 0 4 * * *", "--interval", "86400"}},
		"another one": {
			env:  map[string]string{"WATCHTOWER_SCHEDULE": "0 0 4 * * *", "WATCHTOWER_POLL_INTERVAL": "300"},
			told: "WATCHTOWER_POLL_INTERVAL " + told,
		},
		"another one, typed": {
			args: []string{"-i", "300"}, env: map[string]string{"WATCHTOWER_SCHEDULE": "0 0 4 * * *"},
			told: "--interval " + told,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := moved(test.args, test.env).commandLine()
			args, env := pasted(t, line, nil)
			if _, err := configure(args, env); err != nil {
				t.Errorf("the printed line is refused: %v", err)
			}
			if strings.Contains(line, "REFIT_INTERVAL") || !strings.Contains(line, "REFIT_SCHEDULE='0 0 4 * * *'") && !strings.Contains(line, "'REFIT_SCHEDULE=0 0 4 * * *'") {
				t.Errorf("it is not the schedule that is printed:\n%s", line)
			}
			says(t, line, test.told)
			if test.told == "" && strings.Contains(line, "interval") {
				t.Errorf("it speaks of an interval that nobody has asked for:\n%s", line)
			}
		})
	}
}

// watchtowers are some on one engine.
func watchtowers(names ...string) []core.Container {
	var all []core.Container
	for _, name := range names {
		c := tower(nil, nil).tower
		c.ID, c.Name = name+"-id", name
		all = append(all, c)
	}
	return append(all, container("web"))
}

func TestEachOfSeveralWatchtowersHasItsOwnFile(t *testing.T) {
	t.Parallel()
	two := watchtowers("blue", "green")
	s := &session{program: &program{config: config{format: formatCommand}}}
	for i, want := range []string{"blue", "green"} {
		m := s.moveOf(two[i], two)
		m.asked = docker.Asked{Env: map[string]string{"WATCHTOWER_NOTIFICATION_URL": "slack://precious"}}
		m.read()
		m.survey(nil)
		says(t, m.commandLine(), ">refit-"+want+".env)", "--name refit-"+want, "--env-file refit-"+want+".env")
		says(t, m.composeFile(), "env_file: [refit-"+want+".env]")
	}
	if m := s.moveOf(two[0], two[:1]); m.name != "refit" {
		t.Errorf("the only one becomes %s", m.name)
	}
}

func TestAComposeFileIsOfOneWatchtower(t *testing.T) {
	t.Parallel()
	two := watchtowers("blue", "green")
	s := &session{program: &program{config: config{format: formatCompose}}}
	_, err := s.towers(two)
	var refused refusal
	if !errors.As(err, &refused) || refused.problem != "there are 2 Watchtowers on this engine, and a compose file is of one" ||
		refused.hint != "refit migrate --format compose NAME reads one of them: blue, green" {
		t.Errorf("got %+v", err)
	}
	s.names = []string{"green"}
	if found, err := s.towers(two); err != nil || len(found) != 1 || found[0].Name != "green" {
		t.Errorf("got %v, %v", found, err)
	}
	s.names, s.format = nil, formatCommand
	if found, err := s.towers(two); err != nil || len(found) != 2 {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestWhatIsMountedInThePlaceOfTheMemoryIsLeftOut(t *testing.T) {
	t.Parallel()
	m := tower(nil, nil)
	m.tower.Mounts = append(m.tower.Mounts,
		core.Mount{Type: "volume", Name: "theirs", Destination: "/data"},
		core.Mount{Type: "volume", Name: "certs", Destination: "/certs"},
		core.Mount{Type: "volume", Name: "certs", Destination: "/certs-again"},
		core.Mount{Type: "tmpfs", Destination: "/tmp"})
	m.read()
	m.survey(nil)
	line, file := m.commandLine(), m.composeFile()
	for _, text := range []string{line, file} {
		if n := strings.Count(text, ":/data"); n != 1 || strings.Contains(text, "theirs") {
			t.Errorf("%d volumes are at /data:\n%s", n, text)
		}
		says(t, text, "What is mounted at /data is left out: Refit keeps its memory there.", "What is mounted at /tmp is left out: it is a tmpfs.")
	}
	if n := strings.Count(file, "  \"certs\":\n"); n != 1 {
		t.Errorf("the file says %d times what certs is:\n%s", n, file)
	}
}

func TestWhoWatchtowerRanAsAndWhatItKnewIsTakenAlong(t *testing.T) {
	t.Parallel()
	m := tower(nil, nil)
	m.asked.Context = docker.Context{
		User: "1000:1000", Groups: []string{"998", "docker"}, Hostname: "nas", Hosts: []string{"registry.lan:10.0.0.2"},
		DNS: []string{"10.0.0.1", "10.0.0.3"}, Security: []string{"no-new-privileges", "label=user:a b"},
	}
	m.asked.Others = []string{"--privileged", "--memory"}
	m.tower.Labels = map[string]string{
		"traefik.enable": "precious", "com.docker.compose.project": "updater", watchtower.Marker: "true", "from.image": "yes",
	}
	m.tower.ImageLabels = map[string]string{"from.image": "yes"}
	m.read()
	m.survey(nil)
	line, file := m.commandLine(), m.composeFile()
	for _, want := range []string{
		"--user 1000:1000", "--group-add 998", "--hostname nas", "--add-host registry.lan:10.0.0.2", "--dns 10.0.0.1", "--dns 10.0.0.3",
		"--security-opt no-new-privileges", "--security-opt 'label=user:a b'",
	} {
		if !strings.Contains(line, "    "+want+" \\\n") {
			t.Errorf("it does not say %q:\n%s", want, line)
		}
	}
	for _, want := range []string{
		`user: "1000:1000"`, `group_add: ["998"]`, `hostname: "nas"`, `extra_hosts: ["registry.lan:10.0.0.2"]`, `dns: ["10.0.0.1","10.0.0.3"]`,
		`security_opt: ["no-new-privileges","label=user:a b"]`,
	} {
		if !strings.Contains(file, "    "+want+"\n") {
			t.Errorf("it does not say %q:\n%s", want, file)
		}
	}
	for _, text := range []string{line, file} {
		says(t, text, "The group docker is left out: Refit's image knows groups by their numbers only.",
			"Other settings of Watchtower's container are left out: --privileged, --memory, the label traefik.enable.")
		if strings.Contains(text, "precious") {
			t.Errorf("it shows what is in a label:\n%s", text)
		}
	}
	if args, _ := pasted(t, line, nil); len(args) > 0 {
		t.Errorf("arguments %q", args)
	}
}

func TestAUserWithoutANumberIsLeftOut(t *testing.T) {
	t.Parallel()
	m := tower(nil, nil)
	m.asked.User = "nobody"
	m.read()
	m.survey(nil)
	line := m.commandLine()
	says(t, line, "The user nobody is left out: Refit's image knows users by their numbers only.")
	if strings.Contains(line+m.composeFile(), "user nobody \\") {
		t.Errorf("it is there:\n%s", line)
	}
}
