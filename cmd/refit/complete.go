package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The shells' scripts know nothing themselves. They ask refit complete, and show files
// where it has no answer.
var shells = map[string]string{
	"bash": `_refit() {
    local word rest
    COMPREPLY=()
    while IFS=$'\t' read -r word rest; do
        COMPREPLY+=("$word")
    done < <("${1/#\~/$HOME}" complete "${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)
}
complete -o default -F _refit refit
`,
	"zsh": `#compdef refit
_refit() {
    local -a found
    local word text
    while IFS=$'\t' read -r word text; do
        found+=("${word//:/\\:}:$text")
    done < <("${words[1]/#\~/$HOME}" complete "${(@)words[1,CURRENT]}" 2>/dev/null)
    if (( $#found )); then
        _describe refit found
    else
        _files
    fi
}
if [ "$funcstack[1]" = _refit ]; then
    _refit "$@"
else
    compdef _refit refit
fi
`,
	"fish": `function __refit_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    $words[1] complete $words "$last" 2>/dev/null
end
complete -c refit -f -a '(__refit_complete)'
complete -c refit -n 'not count (__refit_complete) >/dev/null' -F
`,
}

// shellCommands are for shells and for the manual.
func shellCommands() []command {
	return []command{
		{
			name: "completion", run: runCompletion, usage: "completion bash|zsh|fish", least: 1, most: 1, argument: "shell",
			summary: "print a script that makes the shell complete commands and flags",
			more: `Examples:
    source <(refit completion bash)                         now, in bash; or for good:
    refit completion bash > /etc/bash_completion.d/refit
    refit completion zsh > /usr/local/share/zsh/site-functions/_refit
    refit completion fish > ~/.config/fish/completions/refit.fish`,
		},
		{
			name: "man", run: runManual, usage: "man",
			summary: "print the manual page",
			more:    "Example:\n    refit man > refit.1 && man ./refit.1",
		},
		{
			name: "complete", run: runComplete, usage: "complete refit WORD…", least: 1, most: -1, argument: "word",
			passesOn: true, hidden: true,
			summary: "print what the last of the words may become; for the shells' scripts",
		},
	}
}

func runCompletion(_ context.Context, p *program) (int, error) {
	script, known := shells[p.names[0]]
	if !known {
		return 0, refusal{
			problem: fmt.Sprintf("no shell %q is known", clean(p.names[0])),
			hint:    "known are " + strings.Join(slices.Sorted(maps.Keys(shells)), ", "),
		}
	}
	_, err := fmt.Fprint(p.stdout, script)
	return exitDone, err
}

// runComplete prints a word in each line, and behind a tab what it means.
func runComplete(_ context.Context, p *program) (int, error) {
	for _, c := range candidates(p.names[1:]) {
		if _, err := fmt.Fprintf(p.stdout, "%s\t%s\n", c[0], c[1]); err != nil {
			return 0, err
		}
	}
	return exitDone, nil
}

// candidates are what the last of the words may become, each with what it means. There
// are none for what a file or a container is, nor behind "--".
func candidates(words []string) [][2]string {
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	name, arguments, open := readBefore(before)
	switch {
	case open || findCommand(name).passesOn:
		return nil
	case strings.HasPrefix(last, "-"):
		return flagsLike(name, last)
	case arguments > 0:
		return nil
	case name == "completion":
		return like(last, slices.Sorted(maps.Keys(shells)), "")
	}
	return commandsLike(name, last)
}

// readBefore finds the command among the words, how many arguments follow it, and
// whether the next word is the value of a flag, or comes behind "--".
func readBefore(words []string) (name string, arguments int, open bool) {
	var l line
	for i := 0; i < len(words); i++ {
		flag := strings.TrimLeft(words[i], "-")
		o, known := findOption(flag)
		switch {
		case words[i] == "--":
			return l.command, len(l.names), true
		case flag == words[i]:
			l.word(flag)
		case known && o.value != "":
			i++
			if i < len(words) && words[i] == "=" { // bash takes --flag=value apart
				i++
			}
			open = i >= len(words)
		}
	}
	return l.command, len(l.names), open
}

func flagsLike(command, text string) [][2]string {
	found := like(text, []string{"--help"}, "show what there is to type")
	for _, o := range options {
		if o.belongs(command) {
			found = append(found, like(text, []string{"--" + o.name}, o.help)...)
		}
	}
	return found
}

// commandsLike completes one word of a command; "hooks list" has two.
func commandsLike(name, text string) [][2]string {
	var found [][2]string
	seen := map[string]bool{}
	for _, c := range commands() {
		rest, below := strings.CutPrefix(c.name, strings.TrimPrefix(name+" ", " "))
		word, more, _ := strings.Cut(rest, " ")
		if c.hidden || !below || seen[word] || word == "" {
			continue
		}
		seen[word] = true
		meaning := c.summary
		if more != "" {
			meaning = ""
		}
		found = append(found, like(text, []string{word}, meaning)...)
	}
	return found
}

// like are the words that begin so.
func like(beginning string, words []string, meaning string) [][2]string {
	var found [][2]string
	for _, w := range words {
		if strings.HasPrefix(w, beginning) {
			found = append(found, [2]string{w, strings.ReplaceAll(meaning, "`", "")})
		}
	}
	return found
}
