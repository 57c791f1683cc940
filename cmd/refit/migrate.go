package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/watchtower"
)

// runMigrate reads how a Watchtower was set up, and prints how to say the same here.
// It changes nothing.
func runMigrate(ctx context.Context, p *program) (int, error) {
	s, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	all, err := s.client.Containers(ctx)
	if err != nil {
		return 0, fmt.Errorf("list containers: %w", err)
	}
	towers, err := s.towers(all)
	if err != nil {
		return 0, err
	}
	for i, tower := range towers {
		m := s.moveOf(tower, all)
		if m.asked, err = s.client.AskedInFull(ctx, tower.ID); err != nil {
			return 0, err
		}
		status, err := s.client.Look(ctx, tower.ID)
		if err != nil {
			return 0, err
		}
		m.restart = status.RestartPolicy.Name
		m.read()
		m.survey(slices.DeleteFunc(slices.Clone(all), func(c core.Container) bool {
			return c.ID == tower.ID || c.ID == s.settings.Self
		}))
		text := m.commandLine()
		if s.format == formatCompose {
			text = m.composeFile()
		}
		if i > 0 {
			text = "\n" + text
		}
		if _, err := fmt.Fprint(s.stdout, text); err != nil {
			return 0, err
		}
	}
	return exitDone, nil
}

// moveOf begins a move. Where there are several Watchtowers each becomes a Refit with a
// name of its own, whether or not only one of them was asked for.
func (s *session) moveOf(tower core.Container, all []core.Container) move {
	m := move{tower: tower, image: s.ownImage(all), name: "refit"}
	if len(s.watchtowers(all)) > 1 {
		m.name += "-" + tower.Name
	}
	return m
}

func (s *session) watchtowers(all []core.Container) []core.Container {
	return slices.DeleteFunc(slices.Clone(all), func(c core.Container) bool {
		return !isWatchtower(c) || c.ID == s.settings.Self
	})
}

// towers are the Watchtowers on the engine, or the container that was named.
func (s *session) towers(all []core.Container) ([]core.Container, error) {
	found := s.watchtowers(all)
	if len(s.names) > 0 {
		found = slices.DeleteFunc(slices.Clone(all), func(c core.Container) bool { return !slices.Contains(s.names, c.Name) })
	}
	if len(found) == 0 {
		return nil, refusal{
			problem: "there is no Watchtower on this engine, running or stopped",
			hint:    "refit migrate NAME reads a container whose image has another name; docs/migrating.md has all of Watchtower's words",
		}
	}
	if len(s.names) > 0 && !isWatchtower(found[0]) {
		return nil, refusal{
			problem: found[0].Name + " is no Watchtower: neither its image is called so, nor has it the label " + watchtower.Marker + "=true",
			hint:    "refit migrate without a name finds the Watchtowers of this engine",
		}
	}
	if len(found) > 1 && s.format == formatCompose {
		var names []string
		for _, c := range found {
			names = append(names, c.Name)
		}
		return nil, refusal{
			problem: fmt.Sprintf("there are %d Watchtowers on this engine, and a compose file is of one", len(found)),
			hint:    "refit migrate --format compose NAME reads one of them: " + listed(names),
		}
	}
	return found, nil
}

// ownImage is what the new container is to be made from.
func (s *session) ownImage(all []core.Container) string {
	for _, c := range all {
		if c.ID == s.settings.Self && c.Image.Reference.Text != "" {
			return c.Image.Reference.Text
		}
	}
	return "refit:latest"
}

// move is one Watchtower, and what becomes of it here.
type move struct {
	tower   core.Container
	asked   docker.Asked
	restart string // its restart policy
	image   string // Refit's
	name    string // of the container to be made

	env     []assigned
	secrets []string // variables whose values are in its environment and not shown
	typed   []string // the same, whose values are among its arguments
	raw     bool     // one of those values is more than compose would leave as it is
	lines   bool     // one of those values has several lines

	scheduled bool // it has a schedule
	notifies  bool // it says something about notifications
	names     []string
	behind    map[int]string // which of the names may be values, see watchtower.Line
	became    [][2]string    // what was said, and what it is here
	differs   []string
	labels    []string
	census    []string
}

// assigned is a variable of the new container.
type assigned struct{ name, value string }

// takenAlong are variables that are no words of Watchtower's and that matter here as
// well. They may hold credentials.
var takenAlong = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// read goes through all words of Watchtower's.
func (m *move) read() {
	line := watchtower.ReadLine(m.asked.Args)
	m.names, m.behind = line.Names, line.Behind
	m.scheduled = m.asked.Env["WATCHTOWER_SCHEDULE"]+strings.Join(line.Said["schedule"], "") != ""
	known := map[string]bool{}
	for _, w := range theirWords() {
		known[w.Variable] = true
		switch values, typed := line.Said[w.Flag]; {
		case typed && w.Flag != "":
			m.word(w, "--"+w.Flag, strings.Join(values, " "), true)
		case w.Variable != "" && m.asked.Env[w.Variable] != "":
			m.word(w, w.Variable, m.asked.Env[w.Variable], false)
		}
	}
	if !m.has("REFIT_LABEL_ENABLE") {
		m.env = append(m.env, assigned{"REFIT_ALL", "true"})
		m.became = append(m.became, [2]string{"all containers, as nothing says otherwise", "REFIT_ALL"})
	}
	for _, name := range takenAlong {
		if m.asked.Env[name] != "" {
			m.hide(&m.secrets, name, m.asked.Env[name])
		}
	}
	m.strangeWords(line.Unknown, known)
	m.surroundings()
}

func (m *move) has(variable string) bool {
	return slices.ContainsFunc(m.env, func(a assigned) bool { return a.name == variable })
}

// strangeWords tells of flags and variables that Watchtower did not know.
func (m *move) strangeWords(unknown []string, known map[string]bool) {
	for name := range m.asked.Env {
		if strings.HasPrefix(name, watchtower.VariablePrefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range slices.Compact(unknown) {
		m.differs = append(m.differs, notAURL(name)+" is no word of Watchtower 1.7.1 and is left out.")
	}
}

// notAURL keeps what may be a credential from being shown.
func notAURL(text string) string {
	if isURL(text) {
		return "An argument, which may be a URL and is not shown,"
	}
	return text
}

// word finds the place of one word. Its value is shown only where it is one of ours.
func (m *move) word(w watchtower.Word, name, value string, typed bool) {
	switch {
	case !w.Says(value) || w.Ours == "help":
		return
	case w.Ours == "interval" && m.scheduled:
		m.dropInterval(name, value)
		return
	case w.Fate == watchtower.Refused:
		m.differs = append(m.differs, name+" is left out, for Refit refuses it. "+plainText(w.Note)+" Instead: "+w.Instead+".")
		return
	case w.Fate == watchtower.NoEffect:
		m.differs = append(m.differs, name+" is left out, for it has no effect. "+plainText(w.Note))
		return
	case w.Together:
		m.together(w, name, value, typed)
	case w.Variable == "", w.Variable == "NO_COLOR": // nothing is to be said here
	case !m.set(w, name, value):
		return
	}
	if note := whatDiffers(w); note != "" {
		m.differs = append(m.differs, name+": "+note)
	}
}

// whatDiffers is a word's note, without what holds where nobody has said it.
func whatDiffers(w watchtower.Word) string {
	if w.Ours == "" {
		return ""
	}
	var parts []string
	for part := range strings.SplitSeq(plainText(w.Note), ". ") {
		if !strings.HasPrefix(part, "Without ") {
			parts = append(parts, strings.TrimSuffix(part, "."))
		}
	}
	if text := strings.Join(parts, ". "); text != "" {
		return text + "."
	}
	return ""
}

// set makes a variable of ours of a word, or keeps one that is not Watchtower's.
func (m *move) set(w watchtower.Word, name, value string) bool {
	made := assigned{w.Variable, value}
	if strings.HasPrefix(w.Variable, watchtower.VariablePrefix) {
		o, _ := findOption(w.Ours)
		text, err := w.Read(value)
		if err == nil {
			err = o.checkAll(w, text)
		}
		if err != nil {
			m.differs = append(m.differs, fmt.Sprintf("%s is left out: its value %v.", name, err))
			return false
		}
		made = assigned{o.env(), text}
	}
	if m.has(made.name) {
		return false // --debug and --trace are one
	}
	m.env = append(m.env, made)
	if made.name != name {
		m.became = append(m.became, [2]string{name, made.name})
	}
	return true
}

// checkAll tells whether the option takes a text of its variable.
func (o option) checkAll(w watchtower.Word, text string) error {
	parts := []string{text}
	if w.Many {
		parts = o.split(text)
	}
	c := newConfig()
	for _, part := range parts {
		if err := o.read(&c, part); err != nil {
			return err
		}
	}
	return nil
}

// dropInterval leaves an interval out that stands beside a schedule: Refit refuses both
// together. Watchtower did, too, but could not tell its own default from a word.
func (m *move) dropInterval(name, value string) {
	const byDefault = 24 * 60 * 60
	if seconds, err := strconv.Atoi(value); err != nil || seconds != byDefault {
		m.differs = append(m.differs, name+" is left out: Watchtower refused an interval beside a schedule.")
	}
}
