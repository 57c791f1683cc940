package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

// line is a command line in the one order that urfave/cli understands. Left to
// itself the library takes an unknown command for an argument of the root
// command and runs that, does not see flags behind the first argument, and does
// not know the root's flags behind a command.
type line struct {
	command string   // "" is the sidecar; "hooks list" is one
	flags   []string // "--name" or "--name=value", never a letter
	options []option // those of the flags
	foreign foreign  // flags that only Watchtower has
	names   []string // containers
	help    bool
	// letter is set where only a letter asks for the version.
	letter bool
}

// arrange takes a command line apart. Flags may stand anywhere; the first words
// are the command if there is one of that name; "--" ends the flags, and what
// follows it is a container even if it is called like a command. What follows the
// first argument of a command that passes its line on is not looked at.
func arrange(args []string) (line, error) {
	var l line
	for i := 0; i < len(args); i++ {
		word := args[i]
		switch {
		case findCommand(l.command).passesOn && len(l.names) > 0:
			l.names = append(l.names, args[i:]...)
			return l, l.check()
		case word == "--":
			l.names = append(l.names, args[i+1:]...)
			return l, l.check()
		case len(word) < 2 || word[0] != '-':
			l.word(word)
		case isWord(word, "help", "h"):
			l.help = true
		case isWord(word, "version", "v"):
			l.command, l.letter = "version", word == "-v"
		default:
			if flags, joined := apart(word); joined {
				args = slices.Concat(args[:i], flags, args[i+1:])
			}
			n, err := l.flag(args[i:])
			if err != nil {
				return l, err
			}
			i += n - 1
		}
	}
	return l, l.check()
}

// word takes what is not a flag. The words of a command stand together, before
// its arguments.
func (l *line) word(word string) {
	name := strings.TrimPrefix(l.command+" "+word, " ")
	first := len(l.names) == 0
	switch {
	case first && l.command == "" && word == "help":
		l.help = true
	case first && isCommand(name):
		l.command = name
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
	w, theirs := watchtower.ByFlag(name)
	words := 1
	switch {
	case isURL(name): // it may be a credential
		return 0, refusal{problem: "unknown flag, which may be a URL and is not shown", hint: "a channel is made with --notify NAME=URL"}
	case !known && theirs:
		return l.foreignFlag(w, args)
	case !known:
		return 0, unknownFlag(name)
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

func unknownFlag(name string) error {
	hint := "refit --help lists the flags"
	if near, ok := core.Nearest(name, optionNames()); ok {
		hint = "did you mean --" + near + "?"
	}
	return refusal{problem: "unknown flag " + dashed(name), hint: hint}
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// check refuses a line with too few or too many names, with a URL among them, or
// with flags of another command.
func (l line) check() error {
	if l.help {
		return nil
	}
	c := findCommand(l.command)
	hint := "write it as refit " + c.usage
	if err := l.checkTheirs(); err != nil {
		return err
	}
	switch tooMany := c.most >= 0 && len(l.names) > c.most; {
	case !c.passesOn && slices.ContainsFunc(l.names, isURL):
		// It may be a credential, and nothing shows one.
		return refusal{problem: "an argument is a URL, and no command takes one", hint: "a channel is made with --notify NAME=URL, in one word"}
	case tooMany && c.most == 0:
		if near, ok := core.Nearest(l.command+" "+l.names[0], below(l.command)); ok {
			hint = "did you mean refit " + near + "?"
		}
		return refusal{problem: fmt.Sprintf("%s takes no arguments, and there is %q", l.command, l.names[0]), hint: hint}
	case tooMany, len(l.names) < c.least:
		return refusal{problem: fmt.Sprintf("%s takes %s, and there are %d", l.command, c.takes(), len(l.names)), hint: hint}
	}
	return l.checkFlags(c, hint)
}

// checkTheirs refuses what was right for Watchtower and would be taken for something else.
func (l line) checkTheirs() error {
	if l.letter && len(l.flags)+len(l.foreign)+len(l.names) > 0 {
		return refusal{problem: "-v shows the version, and there is more on the line", hint: "Watchtower's -v is --tlsverify here"}
	}
	if l.command != "" || len(l.names) == 0 {
		return nil
	}
	if w, theirs := watchtower.ByCommand(l.names[0]); theirs {
		return refusal{problem: "Watchtower's " + w.Command + " is not here. " + plainText(w.Note), hint: w.Instead}
	}
	return nil
}

// isURL knows what is neither a name nor a path.
func isURL(text string) bool { return strings.Contains(text, "://") }

// checkFlags refuses flags of another command.
func (l line) checkFlags(c command, hint string) error {
	for _, o := range l.options {
		switch {
		case o.belongs(l.command):
		case c.passesOn:
			return refusal{problem: fmt.Sprintf("--%s does not belong to refit %s", o.name, l.command), hint: hint}
		default:
			return refusal{
				problem: fmt.Sprintf("--%s belongs to %s", o.name, either(o.commands)),
				hint:    "refit " + o.commands[0] + " --help says more",
			}
		}
	}
	return nil
}

// either lists commands: "refit check, refit history and refit hooks".
func either(commands []string) string {
	list := make([]string, len(commands))
	for i, c := range commands {
		list[i] = "refit " + c
	}
	last := len(list) - 1
	if last == 0 {
		return list[0]
	}
	return strings.Join(list[:last], ", ") + " and " + list[last]
}
