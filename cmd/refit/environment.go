package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/refit-dev/refit/core"
)

// source is where the texts of an option came from.
type source struct {
	name  string // "--interval" or "REFIT_INTERVAL"
	texts []string
}

// settle reads every option into the configuration: from the flag, else from
// our variable or the file that it names, else from another program's. A
// variable that is empty counts as not set, as compose files leave them.
func settle(c *config, flags []*given, getenv func(string) string) error {
	used := map[string]source{}
	for _, g := range flags {
		src, err := g.source(getenv)
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
	if schedule.name != "" && interval.name != "" {
		return refusal{
			problem: fmt.Sprintf("both %s and %s are given", schedule.name, interval.name),
			hint:    "use one of them: a schedule says at what times to look, an interval how often",
		}
	}
	moveIn(c, used, getenv)
	c.complete(getenv)
	return nil
}

// source finds the texts of an option.
func (g *given) source(getenv func(string) string) (source, error) {
	if len(g.texts) > 0 {
		return source{"--" + g.name, g.texts}, nil
	}
	value, file := getenv(g.env()), getenv(g.env()+"_FILE")
	switch {
	case value != "" && file != "":
		return source{}, refusal{problem: fmt.Sprintf("both %s and %s_FILE are set", g.env(), g.env()), hint: "use one of them"}
	case value != "":
		return source{g.env(), g.split(value)}, nil
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return source{}, refusal{problem: fmt.Sprintf("read the file of %s_FILE: %v", g.env(), err), hint: "the file holds the value of --" + g.name}
		}
		return source{g.env() + "_FILE", g.split(strings.TrimSpace(string(b)))}, nil
	}
	for _, v := range g.others {
		value := getenv(v.name)
		if v.translate != nil && value != "" {
			value = v.translate(value)
		}
		if value != "" {
			return source{v.name, g.split(value)}, nil
		}
	}
	return source{}, nil
}

// split takes the value of a variable apart where the option may be given more
// than once: at white space and at commas, which no host name holds.
func (o option) split(value string) []string {
	if !o.many {
		return []string{value}
	}
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}

// apply reads the texts into the configuration. Of an option that may be given
// once the last one holds, as everywhere.
func (s source) apply(c *config, o option) error {
	texts := s.texts
	if !o.many {
		texts = texts[len(texts)-1:]
	}
	for _, text := range texts {
		if err := o.read(c, text); err != nil {
			return refusal{
				problem: fmt.Sprintf("%s %q %v", s.name, text, err),
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
