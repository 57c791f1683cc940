package main

import (
	"fmt"
	"maps"
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
