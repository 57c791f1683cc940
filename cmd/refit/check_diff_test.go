package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

func TestCheckShowsWhatWouldChange(t *testing.T) {
	t.Parallel()
	said := func(text string) *string { return &text }
	found := findings(somePlan())
	found[0].Changes = []core.Change{
		{Setting: "USER", From: said("web")},
		{Setting: "ENTRYPOINT", From: said(`["/run"]`), To: said(`["/run","--new"]`)},
		{Setting: "ENV", Name: "PATH", From: said("/bin"), To: said("/usr/bin")},
		{Setting: "ENV", Name: "LONG", To: said(strings.Repeat("é", 4000))},
		{Setting: "LABEL", Name: "evil", To: said("a\x1b[2J\nb\u202e")},
		{Setting: "EXPOSE", To: said("90/tcp")},
	}
	found[1].Changes = []core.Change{}
	found[2].Unread = &core.Reason{Code: core.RateLimited, Text: "docker.io says too many requests"}
	for file, named := range map[string]bool{"check-diff.txt": false, "check-diff-named.txt": true} {
		var b bytes.Buffer
		if err := writeChanges(&b, found, named); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", file), b.String())
	}
	var b bytes.Buffer
	if err := writeChanges(&b, found[3:], false); err != nil || !strings.Contains(b.String(), "no container has a new image") {
		t.Errorf("of containers without new images it says %q, %v", b.String(), err)
	}
}
