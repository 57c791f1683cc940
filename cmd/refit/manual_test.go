package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestTheManualHasEveryCommandAndFlag reads the page as groff sets it, where there is one.
func TestTheManualHasEveryCommandAndFlag(t *testing.T) {
	t.Parallel()
	page := typeset(t, manual())
	for _, c := range commands() {
		if has := strings.Contains(page, c.usageText()); has == c.hidden {
			t.Errorf("the page has refit %s: %t, want %t", c.usage, has, !c.hidden)
		}
	}
	for _, o := range options {
		if !strings.Contains(page, "--"+o.name+" ") && !strings.Contains(page, "--"+o.name+"\n") {
			t.Errorf("the page does not have --%s", o.name)
		}
		if !strings.Contains(page, o.env()) {
			t.Errorf("the page does not have %s", o.env())
		}
	}
	for _, example := range []string{
		`refit --schedule "0 0 4 * * *" --cleanup`, `refit check --format '{{.Container}} {{.Action}} {{.Reason.Code}}'`,
		`-v refit:/data --restart unless-stopped --stop-timeout 60 refit`,
	} {
		if !strings.Contains(page, example) {
			t.Errorf("the page does not have: %s", example)
		}
	}
}

func TestTextIsNotTakenForRequests(t *testing.T) {
	t.Parallel()
	page := typeset(t, ".TH X 1\n.SH Y\n"+asWritten(".Container\n'tis \\fBnot\\fR --bold"))
	for _, want := range []string{".Container", `'tis \fBnot\fR --bold`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %q:\n%s", want, page)
		}
	}
}

var overstrike = regexp.MustCompile("\x1b\\[[0-9;]*m|.\b")

// typeset sets a page without complaints, in lines that are long enough.
func typeset(t *testing.T, page string) string {
	t.Helper()
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff here to set the page with")
	}
	cmd := exec.CommandContext(t.Context(), groff, "-man", "-Kutf8", "-Tutf8", "-ww", "-rLL=1000n")
	cmd.Stdin = strings.NewReader(page)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("groff: %v\n%s", err, &complaints)
	}
	return overstrike.ReplaceAllString(string(out), "")
}
