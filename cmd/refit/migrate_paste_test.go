package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
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
