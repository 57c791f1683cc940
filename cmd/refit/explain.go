package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/refit-dev/refit/core"
)

// runExplain shows everything that decides about one container.
func runExplain(ctx context.Context, p *program) (int, error) {
	h, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer h.close()
	p.warn()
	plan, err := h.plan(ctx, p.names)
	if err != nil {
		return 0, err
	}
	for _, s := range plan.Steps {
		if s.Reason.Code != core.NotNamed {
			return exitDone, writeExplanation(p.stdout, s, p.times(s.Policy))
		}
	}
	return 0, fmt.Errorf("explain %s: it vanished while it was looked at", p.names[0])
}

// writeExplanation prints the policy of a container, where each part of it comes
// from, its image, its next times, and the decision.
func writeExplanation(w io.Writer, s core.Step, times []string) error {
	rows := [][]string{{"LABEL", "VALUE", "FROM"}}
	for _, l := range core.Labels() {
		rows = append(rows, []string{l.Name, l.Get(s.Policy), origin(s.Policy, l)})
	}
	if err := writeTable(w, rows); err != nil {
		return err
	}
	facts := [][2]string{
		{"container", s.Container.Name + " (" + string(s.Container.State) + ", " + core.Short(s.Container.ID) + ")"},
		{"image", s.Container.Image.Reference.Text},
		{"current", current(s)},
		{"latest", latest(s)},
		{"next times", strings.Join(times, "\n")},
		{"decision", string(s.Action) + ", " + s.Reason.String()},
	}
	var b strings.Builder
	for _, f := range facts {
		name := f[0] + ":"
		for line := range strings.SplitSeq(f[1], "\n") {
			if line = clean(line); line == "" {
				line = "-"
			}
			fmt.Fprintf(&b, "%-12s %s\n", name, line)
			name = ""
		}
	}
	_, err := io.WriteString(w, "\n"+b.String())
	return err
}

// origin says who set a value: a label, a label of the image, a flag, or nobody.
func origin(p core.Policy, l core.Label) string {
	name := strings.TrimPrefix(l.Name, "refit.")
	if from, there := p.From[name]; there {
		if from == "flag" && l.Flag != "" {
			return "flag --" + l.Flag
		}
		return from
	}
	if prefix, family := strings.CutSuffix(name, "*"); family {
		for set, from := range p.From {
			if strings.HasPrefix(set, prefix) {
				return from
			}
		}
	}
	return "default"
}
