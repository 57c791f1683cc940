package main

import (
	"errors"
	"flag"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
)

// option is a row of the one table of flags: it parses, it is the help, and
// docs/flags.md is made from it.
type option struct {
	name  string
	short string // one letter, "" for none
	group string // its heading in the help
	// value names the value in the help; "" makes it a switch.
	value   string
	initial string // the default, as people write it
	help    string
	// commands are the only ones that have it; none means all.
	commands []string
	// many lets it be given more than once.
	many bool
	// lines keeps the lines of its variable whole, because spaces and commas may
	// belong to a value. Empty ones, and those that begin with "#", do not count.
	lines bool
	// secret keeps its text out of every output.
	secret bool
	// set reads the text into the configuration. Its error says what is wrong
	// with the text, without naming the flag.
	set func(c *config, text string) error
}

// env is the variable of ours: REFIT_STOP_TIMEOUT.
func (o option) env() string {
	return "REFIT_" + strings.ReplaceAll(strings.ToUpper(o.name), "-", "_")
}

// variables are all that are looked at, in their order.
func (o option) variables() []string {
	names := []string{o.env()}
	for _, w := range o.theirs() {
		names = append(names, w.Variable)
	}
	return names
}

// belongs tells whether the command ("" is the root) takes the flag.
func (o option) belongs(command string) bool {
	if findCommand(command).passesOn {
		return false
	}
	return len(o.commands) == 0 || slices.Contains(o.commands, command)
}

// findOption finds a flag by its name or its letter.
func findOption(name string) (option, bool) {
	for _, o := range options {
		if name == o.name || (name == o.short && name != "") {
			return o, true
		}
	}
	return option{}, false
}

func optionNames() []string {
	names := []string{"help", "version"}
	for _, o := range options {
		names = append(names, o.name)
	}
	return names
}

// given is an option on one command line: what urfave/cli parses, and shows in
// its help. It collects texts and understands none, because the library would
// split them at commas, refuse plain seconds and read the environment of the
// process: see settle for all that.
type given struct {
	option
	texts []string
}

// Set is called for every time that the flag is given.
func (g *given) Set(text string) error {
	g.texts = append(g.texts, text)
	return nil
}

// String is the line of the help. The flag package also calls it, on the zero value.
func (g *given) String() string {
	name := "--" + g.name
	if g.short != "" {
		name = "-" + g.short + ", " + name
	}
	if g.value != "" {
		name += " " + g.value
	}
	text := strings.ReplaceAll(g.help, "`", "") // for docs/flags.md
	if g.initial != "" {
		text += " (default: " + g.initial + ")"
	}
	return name + "\n" + wrap(text+" ["+strings.Join(g.variables(), ", ")+"]", 84, "        ")
}

// IsBoolFlag lets a switch stand without a value.
func (g *given) IsBoolFlag() bool { return g.value == "" }

// The rest is what urfave/cli asks of a flag.

// Names leaves the letter out: the library would copy the value from one name to
// the other by way of String. See arrange.
func (g *given) Names() []string     { return []string{g.name} }
func (g *given) IsSet() bool         { return len(g.texts) > 0 }
func (g *given) IsVisible() bool     { return true }
func (g *given) GetCategory() string { return g.group }
func (g *given) Apply(set *flag.FlagSet) error {
	set.Var(g, g.name, "")
	return nil
}

// The makers of set functions.

// label reads the text as the label of that name would be read: one rule for both.
func label(name string) func(*config, string) error {
	return func(c *config, text string) error {
		return labelRow(name).Set(c.settings, &c.settings.Defaults, text)
	}
}

func labelRow(name string) core.Label {
	for _, l := range core.Labels() {
		if l.Name == name {
			return l
		}
	}
	panic("no label " + name) // a row of our own table is wrong: every test sees it
}

func text(field func(*config) *string) func(*config, string) error {
	return func(c *config, text string) error {
		*field(c) = text
		return nil
	}
}

func toggle(field func(*config) *bool) func(*config, string) error {
	return func(c *config, text string) error {
		on, err := parseBool(text)
		*field(c) = on
		return err
	}
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, errors.New("is neither true nor false")
}
