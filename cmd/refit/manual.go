package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// runManual prints the manual page. It is made from the tables of commands and flags,
// so that it knows what --help knows.
func runManual(_ context.Context, p *program) (int, error) {
	_, err := io.WriteString(p.stdout, manual())
	return exitDone, err
}

// manual is refit(1), in the language of man.
func manual() string {
	var b strings.Builder
	version, _ := build()
	root := rootCommand()
	fmt.Fprintf(&b, ".TH REFIT 1 \"\" \"refit %s\" \"User Commands\"\n", roff(version))
	fmt.Fprintf(&b, ".SH NAME\nrefit \\- %s\n", roff(root.summary))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B refit\n%s\n.br\n.B refit\nCOMMAND [flags] [NAME…]\n", roff(strings.TrimPrefix(root.usageText(), "refit ")))
	b.WriteString(".ad l\n.SH DESCRIPTION\n" + asWritten(root.more))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(&b, ".SS %s\n%s.\n%s", roff(c.usageText()), roff(upperFirst(c.summary)), asWritten(c.more))
		}
	}
	b.WriteString(".SH FLAGS\nFlags may stand before and after a command, and after its arguments.\n")
	for _, group := range []string{groupWhen, groupWhich, groupHooks, groupNotify, groupEngine, groupOutput} {
		fmt.Fprintf(&b, ".SS %s\n", roff(group))
		for _, o := range options {
			if o.group == group {
				b.WriteString(manualFlag(o))
			}
		}
	}
	b.WriteString(".SH SEE ALSO\ndocker(1)\n")
	return b.String()
}

func manualFlag(o option) string {
	names := bold("--" + o.name)
	if o.short != "" {
		names = bold("-"+o.short) + ", " + names
	}
	if o.value != "" {
		names += ` \fI` + roff(o.value) + `\fR`
	}
	text := inline(o.help)
	if o.initial != "" {
		text += " Default: " + roff(o.initial) + "."
	}
	if len(o.commands) > 0 {
		text += " For " + roff(either(o.commands)) + "."
	}
	return ".TP\n" + names + "\n" + text + "\n.br\n" + roff(strings.Join(o.variables(), ", ")) + "\n"
}

// asWritten keeps the lines of a text as they are.
func asWritten(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(".PP\n.nf\n")
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(roff(line) + "\n")
	}
	return b.String() + ".fi\n"
}

// inline sets what is between backquotes in bold.
func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString(bold(part))
			continue
		}
		b.WriteString(roff(part))
	}
	return b.String()
}

func bold(text string) string { return `\fB` + roff(text) + `\fR` }

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`)

// roff keeps a text from being taken for requests.
func roff(text string) string {
	text = roffEscapes.Replace(text)
	if strings.HasPrefix(text, ".") {
		return `\&` + text
	}
	return text
}

func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
