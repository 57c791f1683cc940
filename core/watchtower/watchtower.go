// Package watchtower is the vocabulary of Watchtower 1.7.1, its last release, as one
// table: every flag, variable and label, and what becomes of it here. The command
// line, the policy of a container, refit migrate and docs/migrating.md all read it.
//
// Nothing here obeys a word: who reads the table does.
package watchtower

import (
	"errors"
	"slices"
	"strings"
)

// Fate is what becomes of a word.
type Fate string

// The fates.
const (
	// Mapped words do here what they did there; Note says what differs.
	Mapped Fate = "mapped"
	// NoEffect words are accepted and change nothing; Note says why.
	NoEffect Fate = "without effect"
	// Refused words keep Refit from starting; Note says why, Instead what to use.
	Refused Fate = "refused"
)

// The beginnings of what is Watchtower's alone.
const (
	VariablePrefix = "WATCHTOWER_"
	LabelPrefix    = "com.centurylinklabs.watchtower."
	// Marker is the label of Watchtower's own container, with the value "true".
	Marker = "com.centurylinklabs.watchtower"
)

// Word is one thing that could be said to Watchtower. A flag and the variable that
// means the same are one word; a label is one of its own.
type Word struct {
	Flag     string // "label-enable", "" if there is only a variable
	Letter   string // "e", "" for none
	Variable string // "WATCHTOWER_LABEL_ENABLE", "" if there is only a flag
	Label    string // whole; "" for flags and variables
	Command  string // "notify-upgrade"; "" for all others

	// Value names what the flag or the label takes; "" makes the flag a switch.
	Value string
	// Many tells that it may be given more than once, or is a list.
	Many bool
	// Secret keeps its value out of every output.
	Secret bool

	Fate Fate
	// Ours is the flag, without dashes, or the label, or the command that it becomes.
	// Where it only counts together with other words it is the flag that they come to.
	Ours string
	// Together tells that it means something only together with other words: nothing
	// of ours says the same alone.
	Together bool
	// Yields tells that the label's word for the default does not count against the
	// operator's flag, unless Watchtower's own --label-take-precedence is there.
	Yields bool
	// turn makes our value of its; nil leaves it as it is. What it does not
	// understand it returns unchanged, for ours to refuse.
	turn func(value string) string
	// Otherwise tells that the flag is ours as well and that we read its value in
	// another way: what is typed is ours, what is in the variable is Watchtower's.
	Otherwise bool
	// anything tells that any text at all switches it on.
	anything bool

	Note    string // a sentence or two, for people
	Instead string // what to use in its place, for people
}

// Name is how people write it: the flag, else the variable, the label or the command.
func (w Word) Name() string {
	switch {
	case w.Flag != "":
		return "--" + w.Flag
	case w.Variable != "":
		return w.Variable
	}
	return w.Label + w.Command
}

// Words returns the table, in the order in which people should read it.
func Words() []Word { return words }

var words = slices.Concat(engine, clock, which, how, output, remote, notifications, mail, chats, labels)

// Labels returns the words that are labels.
func Labels() []Word { return labels }

// ByFlag finds a word by its flag's name, or by its letter.
func ByFlag(name string) (Word, bool) {
	return find(func(w Word) bool { return name != "" && (w.Flag == name || w.Letter == name) })
}

// ByVariable finds a word by its variable.
func ByVariable(name string) (Word, bool) {
	return find(func(w Word) bool { return name != "" && w.Variable == name })
}

// ByLabel finds a word by its label.
func ByLabel(name string) (Word, bool) {
	return find(func(w Word) bool { return name != "" && w.Label == name })
}

// ByCommand finds a command.
func ByCommand(name string) (Word, bool) {
	return find(func(w Word) bool { return name != "" && w.Command == name })
}

func find(is func(Word) bool) (Word, bool) {
	if i := slices.IndexFunc(words, is); i >= 0 {
		return words[i], true
	}
	return Word{}, false
}

// Says tells whether a value says anything: a switch that is off, and what is
// empty, does not.
func (w Word) Says(value string) bool {
	return value != "" && (w.Value != "" || truth(value) != "false")
}

// Read makes our value of one of Watchtower's. What it does not know it leaves as it
// is, for ours to refuse. Its error says what a good value is.
func (w Word) Read(value string) (string, error) {
	if is := truth(value); (w.Value == "" || w.Value == trueOrFalse) && w.turn != nil && is != "true" && is != "false" && !w.anything {
		return "", errors.New("is neither true nor false")
	}
	if w.turn == nil {
		return value, nil
	}
	return w.turn(value), nil
}

// Split takes a value of many apart, as Watchtower did: at white space, and names at
// commas as well. A URL may hold a comma.
func (w Word) Split(value string) []string {
	if w.Secret {
		return strings.Fields(value)
	}
	return strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })
}
