package watchtower

import (
	"slices"
	"strings"
)

// Line is a command line of Watchtower's, taken apart.
type Line struct {
	// Said are the flags, by name: what was given last, or all of what may be given
	// more than once.
	Said map[string][]string
	// Names are the containers.
	Names []string
	// Unknown are what no flag of version 1.7.1 is called, without values.
	Unknown []string
	// Behind tells by their place which of Names stand right behind an unknown flag that
	// has no value joined to it, and which flag that is: such a word may be its value.
	Behind map[int]string
}

// ReadLine takes a command line apart as Watchtower did, and goes on behind what it
// does not know.
func ReadLine(args []string) Line {
	l := Line{Said: map[string][]string{}}
	strange := "" // the unknown flag that the next word stands behind
	for i := 0; i < len(args); i++ {
		before, n := strange, 0
		strange = ""
		switch word := args[i]; {
		case word == "--":
			l.Names = append(l.Names, args[i+1:]...)
			return l
		case strings.HasPrefix(word, "--"):
			n, strange = l.long(args[i:])
		case len(word) > 1 && word[0] == '-':
			n, strange = l.letters(word[1:], args[i+1:])
		default:
			l.name(word, before)
		}
		i += n
	}
	return l
}

func (l *Line) name(word, before string) {
	if before != "" {
		if l.Behind == nil {
			l.Behind = map[int]string{}
		}
		l.Behind[len(l.Names)] = before
	}
	l.Names = append(l.Names, strings.TrimPrefix(word, "/"))
}

// long reads a flag with two dashes, and returns how many words behind it it takes, and
// the flag itself if it is unknown and may take one more.
func (l *Line) long(args []string) (words int, strange string) {
	name, value, joined := strings.Cut(strings.TrimPrefix(args[0], "--"), "=")
	w, known := find(func(w Word) bool { return name != "" && w.Flag == name })
	switch {
	case !known:
		l.Unknown = append(l.Unknown, "--"+name)
		if !joined {
			return 0, "--" + name
		}
	case joined:
		l.say(w, value)
	case w.Value == "":
		l.say(w, "true")
	case len(args) > 1:
		l.say(w, args[1])
		return 1, ""
	}
	return 0, ""
}

// letters reads what stands behind one dash: switches, and perhaps one letter with a
// value at the end. It returns the same as long.
func (l *Line) letters(word string, rest []string) (words int, strange string) {
	for i, r := range word {
		letter := string(r)
		w, known := find(func(w Word) bool { return w.Letter == letter })
		behind := word[i+len(letter):]
		switch {
		case !known:
			l.Unknown = append(l.Unknown, "-"+letter)
			if behind == "" {
				return 0, "-" + letter
			}
			return 0, ""
		case strings.HasPrefix(behind, "="):
			l.say(w, behind[1:])
			return 0, ""
		case w.Value == "":
			l.say(w, "true")
			continue
		case behind != "":
			l.say(w, behind)
			return 0, ""
		case len(rest) > 0:
			l.say(w, rest[0])
			return 1, ""
		}
	}
	return 0, ""
}

func (l *Line) say(w Word, value string) {
	if !w.Many {
		l.Said[w.Flag] = nil
	}
	l.Said[w.Flag] = append(slices.Clone(l.Said[w.Flag]), value)
}
