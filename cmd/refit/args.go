package main

import (
	"fmt"
	"strings"

	"github.com/refit-dev/refit/core"
)

// line is a command line in the one order that urfave/cli understands. Left to
// itself the library takes an unknown command for an argument of the root
// command and runs that, does not see flags behind the first argument, and does
// not know the root's flags behind a command.
type line struct {
	command string   // "" is the sidecar
	flags   []string // "--name" or "--name=value", never a letter
	options []option // those of the flags
	names   []string // containers
	help    bool
}

// arrange takes a command line apart. Flags may stand anywhere; the first word
// is the command if there is one of that name; "--" ends the flags, and what
// follows it is a container even if it is called like a command.
func arrange(args []string) (line, error) {
	var l line
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case word == "--":
			l.names = append(l.names, args[i+1:]...)
			return l, l.check()
		case len(word) < 2 || word[0] != '-':
			l.word(word)
		case isWord(word, "help", "h"):
			l.help = true
		case isWord(word, "version", "v"):
			l.command = "version"
		default:
			n, err := l.flag(args[i:])
			if err != nil {
				return l, err
			}
			i += n - 1
		}
	}
	return l, l.check()
}

// word takes what is not a flag.
func (l *line) word(word string) {
	first := l.command == "" && len(l.names) == 0
	switch {
	case first && word == "help":
		l.help = true
	case first && isCommand(word):
		l.command = word
	default:
		l.names = append(l.names, word)
	}
}

// isWord tells whether a flag is spelled like one of the names, with one dash or two.
func isWord(flag string, names ...string) bool {
	for _, n := range names {
		if flag == "-"+n || flag == "--"+n {
			return true
		}
	}
	return false
}

// flag takes the flag that args begin with, and returns how many words it has.
func (l *line) flag(args []string) (int, error) {
	name, value, joined := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(args[0], "-"), "-"), "=")
	o, known := findOption(name)
	words := 1
	switch {
	case !known:
		hint := "refit --help lists the flags"
		if near, ok := core.Nearest(name, optionNames()); ok {
			hint = "did you mean --" + near + "?"
		}
		return 0, refusal{problem: "unknown flag " + dashed(name), hint: hint}
	case o.value == "" && !joined:
		value = "true"
	case o.value != "" && !joined && len(args) < 2:
		return 0, refusal{problem: "--" + o.name + " needs a value", hint: fmt.Sprintf("write it as --%s %s", o.name, o.value)}
	case o.value != "" && !joined:
		value, words = args[1], 2
	}
	l.options = append(l.options, o)
	l.flags = append(l.flags, "--"+o.name+"="+value)
	return words, nil
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// check refuses a line with too few or too many names, and flags of another command.
func (l line) check() error {
	if l.help {
		return nil
	}
	c := findCommand(l.command)
	switch {
	case c.most >= 0 && len(l.names) > c.most && c.most == 0:
		return refusal{
			problem: fmt.Sprintf("%s takes no arguments, and there is %q", l.command, l.names[0]),
			hint:    "write it as refit " + c.usage,
		}
	case c.most >= 0 && len(l.names) > c.most, len(l.names) < c.least:
		return refusal{
			problem: fmt.Sprintf("%s takes one container, and there are %d", l.command, len(l.names)),
			hint:    "write it as refit " + c.usage,
		}
	}
	for _, o := range l.options {
		if !o.belongs(l.command) {
			return refusal{
				problem: fmt.Sprintf("--%s belongs to refit %s", o.name, strings.Join(o.commands, " and refit ")),
				hint:    "refit " + o.commands[0] + " --help says more",
			}
		}
	}
	return nil
}
