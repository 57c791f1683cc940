package main

import (
	"fmt"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
	"github.com/refit-dev/refit/notify"
)

// What people bring along from Watchtower: its words are in the package watchtower,
// and are looked at after ours.

// forks are words of Watchtower's forks that people have come to use.
var forks = []watchtower.Word{
	{Variable: "WATCHTOWER_UPDATE_ON_START", Fate: watchtower.Mapped, Ours: "update-on-start"},
}

func theirWords() []watchtower.Word { return slices.Concat(watchtower.Words(), forks) }

// theirs are Watchtower's words for an option.
func (o option) theirs() []watchtower.Word {
	return slices.DeleteFunc(theirWords(), func(w watchtower.Word) bool {
		return w.Ours != o.name || w.Variable == "" || w.Together
	})
}

// foreign are Watchtower's flags on a command line, by the variables that mean the
// same: from there on they are those, but come before any variable.
type foreign map[string]foreignFlag

type foreignFlag struct {
	name  string // as it was typed: "--label-enable" or "-e"
	texts []string
}

// flag is what the command line says of a word.
func (f foreign) flag(w watchtower.Word) (name string, texts []string) {
	return f[w.Variable].name, f[w.Variable].texts
}

// getenv is the environment, with the flags in it.
func (f foreign) getenv(outer func(string) string) func(string) string {
	return func(name string) string {
		if typed, there := f[name]; there {
			return strings.Join(typed.texts, " ")
		}
		return outer(name)
	}
}

// foreignFlag takes a flag that Watchtower has and we do not, and returns how many
// words it has.
func (l *line) foreignFlag(w watchtower.Word, args []string) (int, error) {
	name, value, joined := strings.Cut(args[0], "=")
	words := 1
	switch {
	case w.Value == "" && !joined:
		value = "true"
	case w.Value != "" && !joined && len(args) < 2:
		return 0, refusal{problem: name + " needs a value", hint: fmt.Sprintf("write it as %s %s", name, w.Value)}
	case w.Value != "" && !joined:
		value, words = args[1], 2
	}
	if w.Variable == "" { // --health-check is a command here
		l.command = w.Ours
		return words, nil
	}
	if l.foreign == nil {
		l.foreign = foreign{}
	}
	texts := []string{value}
	if w.Many {
		texts = append(l.foreign[w.Variable].texts, value)
	}
	l.foreign[w.Variable] = foreignFlag{name, texts}
	return words, nil
}

// apart takes letters behind one dash apart, as Watchtower did: -cR is -c -R, and -i30
// is -i=30. Where a word begins with a letter that takes a value, the value must not
// begin with a letter: "-shedule" is a slip.
func apart(word string) ([]string, bool) {
	name, _, _ := strings.Cut(word, "=")
	if strings.HasPrefix(word, "--") || len(name) < 3 {
		return nil, false
	}
	if _, ours := findOption(name[1:]); ours {
		return nil, false
	}
	var flags []string
	for i, letter := range word[1:] {
		w, known := watchtower.ByFlag(string(letter))
		rest := word[1+i+len(string(letter)):]
		switch {
		case !known || w.Letter != string(letter) || isWord("-"+w.Letter, "h", "v"):
			return nil, false
		case w.Value == "" && !strings.HasPrefix(rest, "="):
			flags = append(flags, "-"+w.Letter)
			continue
		case rest == "":
			return append(flags, "-"+w.Letter), true
		case rest[0] >= 'A':
			return nil, false
		}
		return append(flags, "-"+w.Letter+"="+strings.TrimPrefix(rest, "=")), true
	}
	return flags, true
}

// fromTheirs finds the texts of an option among Watchtower's words, in our terms.
func (g *given) fromTheirs(say func(watchtower.Word) (string, []string)) (source, error) {
	for _, w := range g.theirs() {
		name, values := say(w)
		var texts []string
		for _, value := range values {
			parts := []string{value}
			if w.Many {
				parts = w.Split(value)
			}
			for _, part := range parts {
				text, err := w.Read(part)
				if err != nil {
					return source{}, refusal{problem: fmt.Sprintf("%s %q %v", name, part, err), hint: "docs/migrating.md has all of Watchtower's words"}
				}
				if text != "" {
					texts = append(texts, text)
				}
			}
		}
		if len(texts) > 0 {
			return source{name, texts}, nil
		}
	}
	return source{}, nil
}

// typed are the texts of a flag of ours. Of one that both have Watchtower's values are
// taken, too.
func (g *given) typed() (source, error) {
	src := source{"--" + g.name, slices.Clone(g.texts)}
	w, there := watchtower.ByFlag(g.name)
	if !there || w.Value == "" || w.Ours != g.name || w.Otherwise {
		return src, nil
	}
	for i, text := range src.texts {
		read, err := w.Read(text)
		if err != nil {
			return source{}, refusal{problem: fmt.Sprintf("%s %q %v", src.name, text, err), hint: "refit --help says more about " + src.name}
		}
		src.texts[i] = read
	}
	return src, nil
}

// moveIn does as Watchtower did: it looked after all containers unless it was
// told to look at labels. So whoever still has its words, and does not say
// which containers are meant, means all of them. What is not obeyed is told, or
// refused.
func (c *config) moveIn(used map[string]source, env variables) error {
	var set []string
	for _, w := range theirWords() {
		name, value := c.said(w, env.get)
		if c.foreign[w.Variable].name != "" || strings.HasPrefix(name, watchtower.VariablePrefix) {
			set = append(set, name)
		}
		if err := c.heed(w, name, value); err != nil {
			return err
		}
	}
	set = append(set, c.strange(env.brought(), set)...)
	if len(set) > 0 {
		c.mindFields(used["schedule"])
	}
	if _, said := used["all"]; said || c.settings.LabelEnable || len(set) == 0 {
		return nil
	}
	c.settings.All = true
	c.implied = set[0]
	c.warnings = append(c.warnings, fmt.Sprintf(
		"%s is set and WATCHTOWER_LABEL_ENABLE is not: --all is implied (say --all=false to decline)", strings.Join(set, ", ")))
	return nil
}

// strange are those of Watchtower's variables that are in no row of the table: files with
// secrets in them, and words that a fork has or that are misspelt, which are told.
func (c *config) strange(brought, known []string) []string {
	var names []string
	for _, name := range brought {
		if slices.Contains(known, name) {
			continue
		}
		names = append(names, name)
		if w, is := watchtower.ByVariable(strings.TrimSuffix(name, "_FILE")); !is || !w.Secret {
			c.warnings = append(c.warnings, name+" has no effect: it is no word of Watchtower 1.7.1")
		}
	}
	return names
}

// mindFields warns of a schedule that may have been written for Watchtower, and means
// something else here.
func (c *config) mindFields(schedule source) {
	if strings.HasPrefix(schedule.name, "--") && watchtower.FiveFields(schedule.texts[len(schedule.texts)-1]) {
		c.warnings = append(c.warnings, schedule.name+
			" has five fields, which are minute, hour, day, month and day of the week here; Watchtower read second, minute, hour, day and month: then add a * at the end")
	}
}

// said is by which name a word of Watchtower's is there, and its value; nothing if
// it is not.
func (c *config) said(w watchtower.Word, getenv func(string) string) (name, value string) {
	if name, texts := c.foreign.flag(w); name != "" {
		return name, strings.Join(texts, " ")
	}
	if w.Variable == "" || getenv(w.Variable) == "" {
		return "", ""
	}
	return w.Variable, getenv(w.Variable)
}

// heed refuses a word, or warns of it, as its row says.
func (c *config) heed(w watchtower.Word, name, value string) error {
	switch {
	case !w.Says(value):
	case w.Fate == watchtower.Refused && !slices.Contains(withoutChannels, c.command):
		return refusal{problem: name + " cannot be obeyed. " + plainText(w.Note), hint: w.Instead + "; docs/migrating.md has all of Watchtower's words"}
	case w.Fate == watchtower.NoEffect:
		c.warnings = append(c.warnings, name+" has no effect. "+plainText(w.Note))
	}
	return nil
}

// mindWatchtower warns of a Watchtower that runs, and of its labels that did something
// there and do nothing here: once for each of them.
func (s *session) mindWatchtower(all []core.Container, ours []core.Step) {
	for _, c := range all {
		if isWatchtower(c) && c.State.Up() && c.ID != s.settings.Self {
			s.log.Warn("a Watchtower runs on this engine: two updaters get in each other's way, stop it", slog.String("container", c.Name))
		}
	}
	on := map[string][]string{}
	for _, step := range ours {
		for _, w := range s.settings.Idle(step.Container) {
			on[w.Label] = append(on[w.Label], step.Container.Name)
		}
	}
	for _, w := range watchtower.Labels() {
		if names := on[w.Label]; len(names) > 0 {
			s.log.Warn("a label of Watchtower's has no effect", slog.String("label", w.Label),
				slog.String("what", plainText(w.Note)), slog.String("containers", strings.Join(names, " ")))
		}
	}
}

// isWatchtower knows the updater and its forks by the last part of their image's name,
// and by the label that it knows itself by.
func isWatchtower(c core.Container) bool {
	return path.Base(c.Image.Reference.Repository) == "watchtower" || c.Labels[watchtower.Marker] == "true"
}

// plainText is a note of the table without what makes it pretty on a page.
func plainText(note string) string {
	return pageLink.ReplaceAllString(strings.ReplaceAll(note, "`", ""), "docs/$1")
}

var pageLink = regexp.MustCompile(`\[[^]]*\]\(([^)]*)\)`)

// remember keeps where each option came from, for who asks.
func (c *config) remember(used map[string]source) {
	c.from = map[string]string{}
	for name, src := range used {
		c.from[name] = src.name
	}
}

// moveNotifyIn makes channels of Watchtower's variables, where ours are not set.
func (c *config) moveNotifyIn(getenv func(string) string) ([]notify.Channel, error) {
	channels, warnings, err := notify.FromWatchtower(c.foreign.getenv(getenv))
	c.warnings = append(c.warnings, warnings...)
	return channels, err
}
