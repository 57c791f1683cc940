package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker"
)

// TestSecurityPage holds the table of endpoints in docs/security.md.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page := fillIn(t, readPage(t, "security.md"), "endpoints", endpointsTable())
	golden(t, filepath.Join(docs, "security.md"), page)
}

func endpointsTable() string {
	var b strings.Builder
	b.WriteString("| endpoint | needed | for |\n|---|---|---|\n")
	for _, e := range docker.Endpoints() {
		needed := "for this feature"
		switch e.Need {
		case docker.ToLook:
			needed = "always"
		case docker.ToUpdate:
			needed = "to update"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e, needed, e.For)
	}
	return b.String()
}

// TestTheSocketProxyOfTheSecurityPageLetsThroughWhatIsNeeded compares the example's
// variables, each of which stands for what paths begin with, with the table. What is
// in its comment is for features alone.
func TestTheSocketProxyOfTheSecurityPageLetsThroughWhatIsNeeded(t *testing.T) {
	t.Parallel()
	got := map[string]bool{} // variable → set
	for _, line := range regexp.MustCompile(`(?m)^ {6}(# )?([A-Z]+: 1.*)$`).FindAllStringSubmatch(readPage(t, "security.md"), -1) {
		for _, variable := range regexp.MustCompile(`([A-Z]+): 1`).FindAllStringSubmatch(line[2], -1) {
			got[variable[1]] = line[1] == ""
		}
	}
	want := map[string]bool{}
	for _, e := range docker.Endpoints() {
		first, _, _ := strings.Cut(strings.TrimLeft(e.Path, "/_"), "/")
		want[strings.ToUpper(first)] = true
		if e.Changes() {
			want["POST"] = true
		}
	}
	want["EXEC"], want["SYSTEM"] = false, false
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables of the example (-want +got), of %s:\n%s", slices.Sorted(maps.Keys(want)), diff)
	}
}

// TestTheCommandOfTheSecurityPageIsTheStorys holds the page to what the story
// least-privilege tries on an engine, flag by flag.
func TestTheCommandOfTheSecurityPageIsTheStorys(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(readPage(t, "security.md"), "docker run -d --name refit ")
	command, _, ended := strings.Cut(rest, "-v /var/run/docker.sock")
	if !found || !ended {
		t.Fatal("docs/security.md has no such command any more")
	}
	command = strings.ReplaceAll(command, `"$(stat -c %g /var/run/docker.sock)"`, "$GROUP")
	story, err := os.ReadFile(filepath.Join("testdata", "engine", "least-privilege.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(story)) {
		if !strings.Contains(line, "docker run --detach") || !strings.Contains(line, "--group-add") {
			continue
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+( [^-\s\\]\S*)?`).FindAllString(command, -1) {
			if !strings.Contains(line, flag+" ") {
				t.Errorf("the story does not try %q: %s", flag, line)
			}
		}
		return
	}
	t.Error("the story has no such command any more")
}

// TestTheComposeFileOfTheSecurityPageIsOne asks docker-compose, where there is one.
func TestTheComposeFileOfTheSecurityPageIsOne(t *testing.T) {
	t.Parallel()
	words, there := composes()["2"]
	if !there {
		t.Skip("there is no docker-compose 2 here, and REFIT_COMPOSE names none")
	}
	_, rest, found := strings.Cut(readPage(t, "security.md"), "```yaml\n")
	file, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatal("docs/security.md has no compose file any more")
	}
	name := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", words+" --file '"+name+"' config --quiet").CombinedOutput(); err != nil {
		t.Errorf("docker compose: %v\n%s", err, out)
	}
}
