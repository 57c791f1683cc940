package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

// variables are those of an environment, by name. What is empty counts as not set, as compose
// files leave it.
type variables map[string]string

// variablesOf takes lines as those of os.Environ apart.
func variablesOf(lines []string) variables {
	set := variables{}
	for _, one := range lines {
		name, value, _ := strings.Cut(one, "=")
		set[name] = value
	}
	return set
}

func (v variables) get(name string) string { return v[name] }

// brought are the variables that only somebody who comes from Watchtower can have set.
func (v variables) brought() []string {
	var names []string
	for name, value := range v {
		if strings.HasPrefix(name, watchtower.VariablePrefix) && value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// source is where the texts of an option came from.
type source struct {
	name  string // "--interval" or "REFIT_INTERVAL"
	texts []string
}

// settle reads every option into the configuration: from the flag, else from
// our variable or the file that it names, else from what Watchtower had.
func settle(c *config, flags []*given, env variables) error {
	used, getenv := map[string]source{}, env.get
	for _, g := range flags {
		src, err := g.source(c.foreign, getenv)
		if err != nil {
			return err
		}
		if len(src.texts) == 0 {
			continue
		}
		used[g.name] = src
		if err := src.apply(c, g.option); err != nil {
			return err
		}
	}
	schedule, interval := used["schedule"], used["interval"]
	// Watchtower, too, refused both, but did not notice its default.
	unnoticed := strings.HasPrefix(interval.name, watchtower.VariablePrefix) && c.interval == newConfig().interval
	if schedule.name != "" && interval.name != "" && !unnoticed {
		return refusal{
			problem: fmt.Sprintf("both %s and %s are given", schedule.name, interval.name),
			hint:    "use one of them: a schedule says at what times to look, an interval how often",
		}
	}
	if err := c.moveIn(used, env); err != nil {
		return err
	}
	c.remember(used)
	c.complete(getenv)
	if err := c.completeNotify(used, getenv); err != nil {
		return err
	}
	return c.completeHooks()
}

// source finds the texts of an option.
func (g *given) source(typed foreign, getenv func(string) string) (source, error) {
	if len(g.texts) > 0 {
		return g.typed()
	}
	if src, err := g.fromTheirs(typed.flag); err != nil || src.name != "" {
		return src, err
	}
	value, file := getenv(g.env()), getenv(g.env()+"_FILE")
	switch {
	case value != "" && file != "":
		return source{}, refusal{problem: fmt.Sprintf("both %s and %s_FILE are set", g.env(), g.env()), hint: "use one of them"}
	case value != "":
		return source{g.env(), g.split(value)}, nil
	case file != "":
		return g.fromFile(file)
	}
	return g.fromTheirs(func(w watchtower.Word) (string, []string) {
		if value := getenv(w.Variable); value != "" {
			return w.Variable, []string{value}
		}
		return "", nil
	})
}

// fromFile is for values that other people on the machine must not see.
func (g *given) fromFile(file string) (source, error) {
	name := g.env() + "_FILE"
	if g.secret && isURL(file) { // the value, by mistake
		return source{}, refusal{problem: name + " names no file", hint: "the value itself belongs into " + g.env()}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return source{}, refusal{problem: fmt.Sprintf("read the file of %s: %v", name, err), hint: "the file holds the value of --" + g.name}
	}
	return source{name, g.split(strings.TrimSpace(string(b)))}, nil
}

// split takes the value of a variable apart where the option may be given more
// than once: at white space and at commas, which no host name holds.
func (o option) split(value string) []string {
	switch {
	case !o.many:
		return []string{value}
	case o.lines:
		return entries(value)
	}
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// entries are the lines that count, without the white space around them.
func entries(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			found = append(found, line)
		}
	}
	return found
}

// apply reads the texts into the configuration. Of an option that may be given
// once the last one holds, as everywhere.
func (s source) apply(c *config, o option) error {
	texts := s.texts
	if !o.many {
		texts = texts[len(texts)-1:]
	}
	for i, text := range texts {
		if err := o.read(c, text); err != nil {
			shown := fmt.Sprintf("%q", text)
			if o.secret || o.group == groupNotify && isURL(text) {
				shown = fmt.Sprintf("no. %d, which is not shown,", i+1)
			}
			return refusal{
				problem: fmt.Sprintf("%s %s %v", s.name, shown, err),
				hint:    "refit --help says more about --" + o.name,
			}
		}
	}
	for _, l := range core.Labels() {
		// That --all was given is for core to say: refit.enable counts as not
		// given at all without it.
		if l.Flag == o.name && o.name != "all" {
			c.settings.Defaults.From = with(c.settings.Defaults.From, strings.TrimPrefix(l.Name, "refit."))
		}
	}
	return nil
}

func with(from map[string]string, label string) map[string]string {
	if from == nil {
		from = map[string]string{}
	}
	from[label] = "flag"
	return from
}

// read gives a switch its one spelling before it is set.
func (o option) read(c *config, text string) error {
	if o.value == "" {
		on, err := parseBool(text)
		if err != nil {
			return err
		}
		text = fmt.Sprint(on)
	}
	return o.set(c, text)
}
