package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/watchtower"
)

// tower is a Watchtower as people run it.
func tower(args []string, env map[string]string) move {
	c := core.Container{
		ID: strings.Repeat("a", 64), Name: "watchtower", State: core.Running,
		Image:  core.Image{Reference: core.Reference{Text: "containrrr/watchtower:1.7.1", Repository: "docker.io/containrrr/watchtower"}},
		Mounts: []core.Mount{{Type: "bind", Source: "/var/run/docker.sock", Destination: "/var/run/docker.sock"}},
	}
	if env == nil {
		env = map[string]string{}
	}
	return move{tower: c, asked: docker.Asked{Args: args, Env: env}, restart: "always", image: "refit:latest", name: "refit"}
}

// pasted runs a printed line as a shell and docker would: the arguments and the
// environment that Refit gets. Of a file with secrets it knows the values.
func pasted(t *testing.T, text string, secrets map[string]string) (args []string, env map[string]string) {
	t.Helper()
	words := shellWords(t, text)
	env = map[string]string{}
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case word == "--env":
			name, value, _ := strings.Cut(words[i+1], "=")
			env[name] = value
			i++
		case word == "--env-file":
			for name, value := range secrets {
				env[name] = value
			}
			i++
		case word == "docker", word == "run", word == "--detach":
		case strings.HasPrefix(word, "--"):
			i++
		default: // the image
			return words[i+1:], env
		}
	}
	t.Fatalf("there is no image in %q", words)
	return nil, nil
}

var shellPart = regexp.MustCompile(`'(?:[^']|'\\'')*'|[^\s'\\]+|\s+|\\\n|\\'`)

// shellWords are those of the command that starts Refit.
func shellWords(t *testing.T, text string) []string {
	t.Helper()
	_, text, _ = strings.Cut(text, "\ndocker run ")
	text, _, found := strings.Cut(text, "\n\n")
	if !found {
		t.Fatal("there is no docker run")
	}
	var words []string
	word, open := "", false
	for _, part := range shellPart.FindAllString("docker run "+text, -1) {
		switch {
		case part == "\\\n" || strings.TrimSpace(part) == "":
			if open {
				words = append(words, word)
			}
			word, open = "", false
		default:
			word += strings.ReplaceAll(strings.Trim(part, "'"), `'\''`, "'")
			open = true
		}
	}
	if open {
		words = append(words, word)
	}
	return words
}

// means is what two command lines must have in common.
func means(c config) string {
	c.warnings, c.from, c.foreign, c.implied, c.notify.urls = nil, nil, nil, "", nil
	return fmt.Sprintf("%+v", plain(c))
}

// TestThePrintedLineDoesTheSame sets every word of Watchtower's that is mapped, as a flag
// and as a variable, and compares what Refit makes of it with what it makes of the
// line that refit migrate prints.
func TestThePrintedLineDoesTheSame(t *testing.T) {
	t.Parallel()
	n := 0
	for _, w := range watchtower.Words() {
		if w.Fate != watchtower.Mapped || w.Variable == "" {
			continue
		}
		var secrets map[string]string
		if w.Together { // some of them mean nothing without a URL
			secrets = map[string]string{"WATCHTOWER_NOTIFICATION_URL": goodValues["notification-url"], w.Variable: goodValue(w)}
		}
		compareLines(t, nil, map[string]string{w.Variable: goodValue(w)}, secrets)
		n++
		if w.Flag != "" {
			compareLines(t, []string{"--" + w.Flag + "=" + goodValue(w)}, nil, secrets)
			n++
		}
	}
	t.Logf("%d lines", n)
}

// compareLines compares what Watchtower was told with what is printed.
func compareLines(t *testing.T, args []string, more, secrets map[string]string) {
	t.Helper()
	env := map[string]string{}
	if url := secrets["WATCHTOWER_NOTIFICATION_URL"]; url != "" {
		env["WATCHTOWER_NOTIFICATION_URL"] = url
	}
	maps.Copy(env, more)
	m := tower(args, env)
	m.read()
	m.survey(nil)
	theirs, err := configure(args, env)
	if err != nil {
		t.Fatal(err)
	}
	// Of words that both have nothing tells whose they were. They were Watchtower's.
	theirs.settings.All = !theirs.settings.LabelEnable
	line := m.commandLine()
	ourArgs, ourEnv := pasted(t, line, secrets)
	ours, err := configure(ourArgs, ourEnv)
	if err != nil {
		t.Errorf("%q %q: the printed line is refused: %v\n%s", args, more, err, line)
		return
	}
	if diff := cmp.Diff(means(theirs), means(ours)); diff != "" {
		t.Errorf("%q %q (-Watchtower's words +the printed line):\n%s\n%s", args, more, diff, line)
	}
}

func TestMigratePrintsWhatCanBePasted(t *testing.T) {
	t.Parallel()
	m := tower([]string{
		"-c", "--schedule", "0 0 4 * * *", "--label-enable", "--http-api-update", "--remove-volumes", "--notification-gotify-token=precious",
		"--fork=precious", "web.*", "db",
	}, map[string]string{
		"WATCHTOWER_NOTIFICATION_URL": "slack://precious", "WATCHTOWER_TIMEOUT": "soon", "WATCHTOWER_FORK": "precious", "PATH": "/",
		"WATCHTOWER_NOTIFICATIONS_HOSTNAME": "it's $HOME", "HTTPS_PROXY": "http://precious", "WATCHTOWER_LIFECYCLE_HOOKS": "true", "REPO_PASS": "precious",
	})
	m.tower.Mounts = append(m.tower.Mounts,
		core.Mount{Type: "bind", Source: "/root/.docker/config.json", Destination: "/config.json", ReadOnly: true},
		core.Mount{Type: "volume", Name: "certs", Source: "/var/lib/docker/volumes/certs/_data", Destination: "/certs"})
	m.tower.Labels = map[string]string{"com.docker.compose.project": "updater\nrm -rf /"}
	m.asked.Networks = []string{"proxy"}
	others := []core.Container{container("web1"), container("web2"), container("db"), container("cache")}
	others[0].Labels = map[string]string{watchtower.LabelPrefix + "enable": "true", watchtower.LabelPrefix + "lifecycle.pre-check": "true"}
	others[1].Labels = map[string]string{watchtower.LabelPrefix + "stop-signal": "SIGHUP", "refit.enable": "true", "refit.stop-signal": "SIGINT"}
	others[2].Labels = map[string]string{watchtower.LabelPrefix + "enable": "false", watchtower.LabelPrefix + "odd\n$(reboot)": "x"}
	others[2].ImageLabels = map[string]string{watchtower.LabelPrefix + "enable": "false"}
	m.read()
	m.survey(others)
	line, file := m.commandLine(), m.composeFile()
	golden(t, filepath.Join("testdata", "migrate.txt"), line)
	golden(t, filepath.Join("testdata", "migrate.yaml"), file)
	for _, text := range []string{line, file} {
		if strings.Contains(text, "precious") {
			t.Errorf("it shows a secret:\n%s", text)
		}
		if regexp.MustCompile(`(?m)^(\$\(reboot\)|rm )`).MatchString(text) {
			t.Errorf("what others wrote steps out of its comment:\n%s", text)
		}
	}
}

func TestNamesThatFitNothingDoNotBecomeAllContainers(t *testing.T) {
	t.Parallel()
	m := tower([]string{"gone", "ghost.*"}, nil)
	m.read()
	m.survey([]core.Container{container("web")})
	args, env := pasted(t, m.commandLine(), nil)
	c, err := configure(args, env)
	if err != nil || c.settings.All || len(c.names) > 0 {
		t.Errorf("all is %t, names are %q: %v", c.settings.All, c.names, err)
	}
	if want := "0 of 1 containers would be looked after: none"; m.census[0] != want {
		t.Errorf("got %q, want %q", m.census[0], want)
	}
}

func TestANameThatIsACommandIsPrintedBehindTwoDashes(t *testing.T) {
	t.Parallel()
	m := tower([]string{"check"}, nil)
	m.read()
	m.survey([]core.Container{container("check")})
	args, env := pasted(t, m.commandLine(), nil)
	c, err := configure(args, env)
	if diff := cmp.Diff([]string{"check"}, c.names); diff != "" || c.command != "" || err != nil {
		t.Errorf("command %q, names (-want +got):\n%s%v", c.command, diff, err)
	}
}
