package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// The forms of what refit migrate prints.
const (
	formatCommand = "command"
	formatCompose = "compose"
)

// paper is what is printed: lines that can be pasted, and comments between them.
type paper struct{ strings.Builder }

// say writes a comment of several lines, all of one text. Whatever others wrote is one
// line of it, so that nothing can step out of the comment.
func (p *paper) say(text string) {
	p.WriteString(wrap(clean(text), 96, "# ") + "\n")
}

// item is a comment in a list.
func (p *paper) item(text string) {
	p.WriteString("# - " + strings.TrimPrefix(wrap(clean(text), 94, "#   "), "#   ") + "\n")
}

func (p *paper) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// list writes a heading and its items, where there are any.
func (p *paper) list(heading string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("")
	p.say(heading)
	for _, one := range items {
		p.item(one)
	}
}

func (m *move) head(p *paper) {
	p.say(fmt.Sprintf("Watchtower is the container %s (%s, %s). This is how Refit does the same. Nothing has been changed.",
		m.tower.Name, m.tower.Image.Reference.Text, m.tower.State))
	m.takeAlong(p)
	if m.tower.State.Up() {
		p.line("")
		p.say("Stop Watchtower, for two updaters get in each other's way. It stays there, for the way back.")
		if m.restart != "" && m.restart != "no" {
			p.line("docker update --restart no %s", m.tower.Name)
		}
		p.line("docker stop %s", m.tower.Name)
	}
	p.line("")
}

// tail is what people should know.
func (m *move) tail(p *paper) {
	var became []string
	for _, b := range m.became {
		became = append(became, b[0]+" is "+b[1])
	}
	p.list("What was said, and what it is here:", became)
	p.list("Containers, as they are now:", m.census)
	p.list("Labels of Watchtower's:", m.labels)
	p.list("What will be different:", append(m.differs,
		"The new container is made before the old one is touched, and must prove itself: else the old one runs again.",
		"Containers of one new image are updated one first, alone."))
	back := []string{
		"docker exec " + m.name + " refit check: what would happen to each container, and why",
		"docker logs " + m.name + ": what it looks after, when, and what of Watchtower's has no effect",
		"docker exec " + m.name + " refit explain NAME: where each setting of a container comes from",
	}
	if project := m.tower.Labels["com.docker.compose.project"]; project != "" {
		back = append(back, "compose made it, in the project "+project+": --format compose prints a service for its file")
	}
	if m.notifies {
		back = append(back, "docker exec "+m.name+" refit notify test: whether messages arrive")
	}
	again := "docker start " + m.tower.Name
	if m.tower.State.Up() && m.restart != "" && m.restart != "no" {
		again = "docker update --restart " + m.restart + " " + m.tower.Name + " && " + again
	}
	p.list("What to try:", append(back,
		"docker rm "+m.tower.Name+", when you are content",
		"the way back: docker rm -f "+m.name+" && "+again,
		"docs/security.md: how to run Refit with as little as possible"))
}

// commandLine is what people paste into a shell.
func (m *move) commandLine() string {
	var p paper
	m.head(&p)
	p.say("Start Refit.")
	words := []string{"docker run --detach --name " + m.name, "--restart unless-stopped --stop-timeout 60"}
	for _, v := range m.volumes() {
		words = append(words, "--volume "+shellWord(v))
	}
	for i, network := range m.asked.Networks {
		if i == 0 {
			words = append(words, "--network "+shellWord(network))
			continue
		}
		m.differs = append(m.differs, "It was in several networks: docker network connect "+network+" "+m.name+" adds one.")
	}
	words = append(words, m.contextWords()...)
	if m.secretFile() {
		words = append(words, "--env-file "+m.envFile())
	}
	for _, e := range m.env {
		words = append(words, "--env "+shellWord(e.name+"="+e.value))
	}
	last := shellWord(m.image)
	for _, name := range m.arguments() {
		last += " " + shellWord(name)
	}
	p.line("%s", strings.Join(append(words, last), " \\\n    "))
	m.tail(&p)
	return p.String()
}

// composeFile is what people put into a file.
func (m *move) composeFile() string {
	var p paper
	m.head(&p)
	text := strings.Split(p.String(), "\n")
	p = paper{}
	for _, line := range text { // in a compose file the commands are comments, too
		if line != "" && line[0] != '#' {
			line = "#     " + line
		}
		p.line("%s", line)
	}
	p.line("services:\n  %s:\n    image: %s\n    container_name: %s", m.name, quote(m.image), m.name)
	if names := m.arguments(); len(names) > 0 {
		p.line("    command: %s", quote(names))
	}
	p.line("    environment:")
	for _, e := range m.env {
		p.line("      %s: %s", e.name, quote(e.value))
	}
	m.composeSecrets(&p)
	p.line("    restart: unless-stopped\n    stop_grace_period: 90s\n    volumes:")
	for _, v := range m.volumes() {
		p.line("      - %s", quote(v))
	}
	m.composeContext(&p)
	m.composeNetworks(&p)
	m.tail(&p)
	return p.String()
}

// arguments are the names, and what keeps them from being commands.
func (m *move) arguments() []string {
	if len(m.names) > 0 && (isCommand(m.names[0]) || strings.HasPrefix(m.names[0], "-")) {
		return append([]string{"--"}, m.names...)
	}
	return m.names
}

// plainWord needs no quotes in any shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// quote writes a value as JSON, which YAML is a superset of. Compose reads a dollar as
// the beginning of a variable.
func quote(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		return `""` // texts and lists of them always can be written
	}
	return strings.ReplaceAll(string(b), "$", "$$")
}

// migrateCommand is for those who come from Watchtower.
func migrateCommand() command {
	return command{
		name: "migrate", run: runMigrate, usage: "migrate [flags] [NAME]", most: 1,
		summary: "show how to do what the Watchtower on this engine does; changes nothing",
		more: `Reads the arguments, the environment, the mounts, the networks and the user of the Watchtower's
container, running or stopped, and the labels of all containers. Prints a docker run line (or a
compose file, of one Watchtower), what will be different, and what to try. Secrets are not in
it: it says how to take them along.

Examples:
    refit migrate
    refit migrate --format compose >compose.yaml
    docker run --rm -v /var/run/docker.sock:/var/run/docker.sock refit migrate`,
	}
}
