package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core/watchtower"
)

// TestMigratingPage holds the parts of docs/migrating.md that are made from the table.
func TestMigratingPage(t *testing.T) {
	t.Parallel()
	page := readPage(t, "migrating.md")
	page = fillIn(t, page, "figures", figures())
	page = fillIn(t, page, "flags and variables", wordTable("| flag | variable | becomes | |\n|---|---|---|---|\n", wordRow))
	page = fillIn(t, page, "labels", wordTable("| label | becomes | |\n|---|---|---|\n", labelRowOf))
	golden(t, filepath.Join(docs, "migrating.md"), page)
}

// TestTheExampleOfTheMigratingPageIsTaken gives Refit what its compose file says.
func TestTheExampleOfTheMigratingPageIsTaken(t *testing.T) {
	t.Parallel()
	page := readPage(t, "migrating.md")
	_, example, _ := strings.Cut(page, "command: ")
	args, rest, found := strings.Cut(example, "\n")
	_, variable, there := strings.Cut(rest, "environment:\n")
	name, value, joined := strings.Cut(strings.TrimSpace(strings.SplitN(variable, "\n", 2)[0]), ": ")
	if !found || !there || !joined {
		t.Fatal("there is no example")
	}
	c, err := configure(strings.Fields(args), map[string]string{name: value})
	if err != nil || !c.settings.Defaults.Cleanup || !c.settings.LabelEnable || c.interval.Seconds() != 300 || len(c.warnings) > 0 {
		t.Errorf("%s with %s=%s: %v, %q", args, name, value, err, c.warnings)
	}
}

// figures counts the words by what becomes of them.
func figures() string {
	var b strings.Builder
	b.WriteString("| of Watchtower 1.7.1 | mapped | without effect | refused | all |\n|---|---|---|---|---|\n")
	for _, kind := range []struct {
		name string
		is   func(watchtower.Word) bool
	}{
		{"flags", func(w watchtower.Word) bool { return w.Flag != "" }},
		{"variables", func(w watchtower.Word) bool { return w.Variable != "" }},
		{"labels", func(w watchtower.Word) bool { return w.Label != "" }},
		{"commands", func(w watchtower.Word) bool { return w.Command != "" }},
	} {
		count, all := map[watchtower.Fate]int{}, 0
		for _, w := range watchtower.Words() {
			if kind.is(w) {
				count[w.Fate]++
				all++
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", kind.name,
			count[watchtower.Mapped], count[watchtower.NoEffect], count[watchtower.Refused], all)
	}
	return b.String()
}

func wordTable(head string, row func(watchtower.Word) string) string {
	var b strings.Builder
	b.WriteString(head)
	for _, w := range watchtower.Words() {
		b.WriteString(row(w))
	}
	return b.String()
}

func wordRow(w watchtower.Word) string {
	if w.Label != "" {
		return ""
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", spelled(w), quotedOrNot(w.Variable), becomes(w, "--"), remark(w))
}

func labelRowOf(w watchtower.Word) string {
	if w.Label == "" {
		return ""
	}
	return fmt.Sprintf("| `%s` | %s | %s |\n", w.Label, becomes(w, ""), remark(w))
}

// spelled is a flag with its letter, or a command.
func spelled(w watchtower.Word) string {
	switch {
	case w.Command != "":
		return "`" + w.Command + "`"
	case w.Flag == "":
		return ""
	case w.Letter != "":
		return "`--" + w.Flag + "`, `-" + w.Letter + "`"
	}
	return "`--" + w.Flag + "`"
}

func quotedOrNot(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func becomes(w watchtower.Word, dashes string) string {
	switch {
	case w.Fate != watchtower.Mapped:
		return "*" + string(w.Fate) + "*"
	case w.Ours == "":
		return "the same"
	case w.Flag != "" && w.Variable == "" && isCommand(w.Ours):
		return "`refit " + w.Ours + "`"
	case w.Flag == w.Ours:
		return "the same"
	case w.Flag == "monitor-only":
		return "`--mode notify`"
	case w.Flag == "rolling-restart":
		return "`--parallel 1`"
	}
	return "`" + dashes + w.Ours + "`"
}

func remark(w watchtower.Word) string {
	text := w.Note
	if w.Instead != "" {
		text += " Instead: " + w.Instead + "."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
