package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fence = regexp.MustCompile("(?sm)^ *```[a-z]*\n(.*?)^ *```$")
	// shellToken is a word of a shell's, whose quotes may be anywhere in it.
	shellToken = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^\s"'])+`)
	// choice is what a usage line leaves open: [NAME…] or [list|test].
	choice = regexp.MustCompile(` \[[^]\n]*\]`)
	// remarkBehind is what stands behind a command in a list of commands.
	remarkBehind = regexp.MustCompile(` {2,}.*$`)
	ownImageName = regexp.MustCompile(`^refit(:[a-z0-9.]+)?$`)
	assignment   = regexp.MustCompile(`^[A-Za-z_]+=`)
)

// TestTheTypedCommandsOfThePagesAreTaken gives Refit every command line of its own that a
// fence of the README or of a page shows, as far as settling what it means. A container
// may be called anything, so placeholders are names; but a word before any flag has to be
// a command, or a slip would be taken for a container.
func TestTheTypedCommandsOfThePagesAreTaken(t *testing.T) {
	t.Parallel()
	n := 0
	for path, text := range documents(t) {
		if filepath.Ext(path) != ".md" {
			continue
		}
		for _, block := range fence.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
				for _, words := range refitCommands(line) {
					n++
					if why := wrongUsage(words); why != "" {
						t.Errorf("%s: refit %q: %s", path, words, why)
					}
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("found %d commands: the patterns miss some", n)
	}
}

// wrongUsage says why Refit would not take its arguments. Files are the reader's, and so
// is the rest of a URL.
func wrongUsage(words []string) string {
	for i, word := range words {
		if name, url, _ := strings.Cut(word, "="); strings.Contains(url, "…") && isURL(url) {
			words[i] = name + "=generic+http://127.0.0.1/"
		}
	}
	if len(words) > 0 && !strings.HasPrefix(words[0], "-") && words[0] != "help" &&
		!slices.ContainsFunc(commandNames(), func(name string) bool { return strings.HasPrefix(name+" ", words[0]+" ") }) {
		return "there is no such command"
	}
	if _, err := configure(words, nil); err != nil && !strings.Contains(err.Error(), "no such file") {
		return err.Error()
	}
	return ""
}

// refitCommands are the arguments of each Refit that a line starts.
func refitCommands(line string) [][]string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
	if strings.HasPrefix(line, "refit on ") {
		return nil // the title of a message
	}
	if strings.HasPrefix(line, "refit ") {
		line = remarkBehind.ReplaceAllString(choice.ReplaceAllString(line, ""), "")
	}
	var found [][]string
	var words []string
	for _, word := range append(shellToken.FindAllString(line, -1), "#") {
		switch {
		case slices.Contains([]string{"&&", "||", "|", ";", ">", ">>"}, word) || strings.HasPrefix(word, "#"):
			if args, ours := refitArguments(words); ours {
				found = append(found, args)
			}
			words = nil
			if word[0] == '>' {
				words = []string{"file"}
			}
			if word[0] == '#' {
				return found
			}
		default:
			words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(word))
		}
	}
	return found
}

// refitArguments finds the Refit in a command: typed as it is, in a container that runs,
// or in a new one.
func refitArguments(words []string) ([]string, bool) {
	for len(words) > 0 && (words[0] == "sudo" || assignment.MatchString(words[0])) {
		words = words[1:]
	}
	for _, kind := range []struct {
		verb string
		is   func(before, word string) bool
	}{{"exec", isProgram}, {"run", isImage}} {
		if len(words) == 0 || !strings.HasPrefix(words[0], "docker") || !slices.Contains(words, kind.verb) {
			continue
		}
		for i := 2; i < len(words); i++ {
			if kind.is(words[i-1], words[i]) {
				return words[i+1:], true
			}
		}
	}
	if len(words) > 0 && words[0] == "refit" {
		return words[1:], true
	}
	return nil, false
}

// isProgram knows the program behind the container's name.
func isProgram(before, word string) bool {
	return word == "refit" && !strings.HasPrefix(before, "-") && before != "exec"
}

// isImage knows the image of a new container, which may be called refit as well.
func isImage(before, word string) bool {
	return ownImageName.MatchString(word) && before != "--name" && before != "--network"
}

func TestWrongCommandsOfAPageAreSeen(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"refit check NAME   # what would happen":                     "",
		"$ refit check [NAME…]         what would happen":            "",
		"docker exec refit refit rollback NAME":                      "",
		"docker run -d --name refit -v refit:/data refit --all":      "",
		"docker exec -it refit refit chek":                           "there is no such command",
		"refit man >refit.1 && refit rollback":                       "rollback takes one container, and there are 0",
		"sudo FOO=bar refit update --forse web":                      "unknown flag --forse",
		"docker run --rm refit:latest check --interval 'not a time'": `--interval`,
	} {
		var why []string
		for _, words := range refitCommands(line) {
			why = append(why, wrongUsage(words))
		}
		if got := strings.Join(why, ""); len(why) == 0 || want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", line, why, want)
		}
	}
}
