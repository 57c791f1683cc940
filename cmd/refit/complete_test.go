package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCandidates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		words []string
		want  []string
	}{
		"a command begins so":                       {[]string{"he"}, []string{"health"}},
		"the second word of a command":              {[]string{"hooks", ""}, []string{"list", "test", "backup"}},
		"the third word of a command":               {[]string{"hooks", "backup", "r"}, []string{"restore"}},
		"a flag of the sidecar":                     {[]string{"--interv"}, []string{"--interval"}},
		"a flag of one command":                     {[]string{"check", "--exit"}, []string{"--exit-code"}},
		"not the flag of another command":           {[]string{"update", "--exit"}, nil},
		"a flag after a flag and its value":         {[]string{"--scope", "x", "check", "--exit"}, []string{"--exit-code"}},
		"a command after a flag and its value":      {[]string{"--scope", "check", "he"}, []string{"health"}},
		"a command after a switch":                  {[]string{"--all", "he"}, []string{"health"}},
		"the value of a flag is a matter of files":  {[]string{"--registry-ca", "he"}, nil},
		"so it is where bash has taken it apart":    {[]string{"--registry-ca", "=", "he"}, nil},
		"a command after a value that bash cut off": {[]string{"--scope", "=", "x", "he"}, []string{"health"}},
		"a value in the same word":                  {[]string{"--scope=x", "he"}, []string{"health"}},
		"a container is not known here":             {[]string{"rollback", "w"}, nil},
		"no command follows an argument":            {[]string{"web", "he"}, nil},
		"nothing follows two dashes":                {[]string{"--", "he"}, nil},
		"shells":                                    {[]string{"completion", ""}, []string{"bash", "fish", "zsh"}},
		"nothing of what is passed on":              {[]string{"hook", "backup", "--"}, nil},
		"no hidden command":                         {[]string{"complet"}, []string{"completion"}},
		"nothing":                                   {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range candidates(tt.words) {
				got = append(got, c[0])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("refit %q (-want +got):\n%s", tt.words, diff)
			}
		})
	}
}

// TestRealShellsComplete asks each shell what it would offer. Zsh offers on a terminal
// only: the function that shows it is the test's.
func TestRealShellsComplete(t *testing.T) {
	t.Parallel()
	for shell, words := range map[string][]string{
		"bash": {"bash", "--norc", "-c", `source <(refit completion bash)
			complete -p refit >/dev/null || exit 1
			IFS=' ' read -r -a COMP_WORDS <<<"$LINE"; [[ $LINE != *' ' ]] || COMP_WORDS+=('')
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _refit refit; printf '%s\n' "${COMPREPLY[@]}"`},
		"zsh": {"zsh", "-f", "-c", `compdef() { : }
			_describe() { print -l -- "${(@P)2}" }
			source <(refit completion zsh)
			words=("${(@s: :)LINE}"); CURRENT=$#words; _refit`},
		"fish": {"fish", "--no-config", "--command", `refit completion fish | source; complete --do-complete "$LINE"`},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("there is no %s here", shell)
			}
			for line, want := range map[string][]string{
				"refit hi":               {"history"},
				"refit check --exit":     {"--exit-code"},
				"refit hooks ":           {"backup", "list", "test"},
				"refit --scope x explai": {"explain"},
			} {
				cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
				cmd.Env = append(cmd.Environ(), "LINE="+line, "HOME="+t.TempDir())
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
				if diff := cmp.Diff(want, offered(string(out))); diff != "" {
					t.Errorf("%q (-want +got):\n%s", line, diff)
				}
			}
		})
	}
}

// offered are the words, without what they mean, sorted.
func offered(text string) []string {
	var words []string
	for line := range strings.Lines(text) {
		if word := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("\t:\n", r) }); len(word) > 0 {
			words = append(words, word[0])
		}
	}
	slices.Sort(words)
	return words
}
