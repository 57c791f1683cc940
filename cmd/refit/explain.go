package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// runExplain shows everything that decides about one container.
func runExplain(ctx context.Context, p *program) (int, error) {
	s, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	p.warn()
	plan, err := s.updater.Plan(ctx, nil, p.names)
	if err != nil {
		return 0, err
	}
	for _, step := range plan.Steps {
		if step.Reason.Code != core.NotNamed {
			return exitDone, s.explain(ctx, step)
		}
	}
	return 0, fmt.Errorf("explain %s: it vanished while it was looked at", p.names[0])
}

func (s *session) explain(ctx context.Context, step core.Step) error {
	if err := s.writeExplanation(s.stdout, step, s.times(ctx, step)); err != nil {
		return err
	}
	var minds []string
	for _, odd := range s.mindChannels([]core.Step{step}) {
		minds = append(minds, odd.Text)
	}
	if why := s.fleetingState(step.Container); why != "" {
		minds = append(minds, why)
	}
	for _, mind := range minds {
		if _, err := fmt.Fprintf(s.stdout, "%-12s %s\n", "mind:", clean(mind)); err != nil {
			return err
		}
	}
	return nil
}

// times are the next three of a container, in words, and what may be odd about
// its schedule.
func (s *session) times(ctx context.Context, step core.Step) []string {
	sched, err := s.scheduleOf(step.Policy.Schedule)
	if err != nil {
		return []string{err.Error()} // core held the container for it
	}
	now := time.Now()
	first := sched.Next(now)
	if last := s.lastRuns(ctx)[step.Container.Name]; !last.IsZero() {
		first = schedule.Due(sched, last, now, s.catchUp)
	}
	words := nextTimes(sched, first, now)
	if hint := schedule.Hint(sched); hint != "" {
		words = append(words, "mind: "+hint)
	}
	return words
}

// lastRuns are nobody's where they cannot be read: times are then counted from now.
func (s *session) lastRuns(ctx context.Context) map[string]time.Time {
	last, err := s.ledger.LastRuns(ctx)
	if err != nil {
		s.log.Debug("reading the last runs", slog.Any("error", err))
	}
	return last
}

// nextTimes says three times, the given one first.
func nextTimes(s schedule.Schedule, first, now time.Time) []string {
	var words []string
	for at := first; len(words) < 3; at = s.Next(at) {
		words = append(words, schedule.When(at, now))
	}
	return words
}

// scheduleOf is the schedule that a policy's text stands for.
func (c config) scheduleOf(text string) (schedule.Schedule, error) {
	if text == "" {
		return schedule.Every(c.interval), nil
	}
	return schedule.Parse(text, time.Local)
}

// writeExplanation prints the policy of a container, where each part of it comes
// from, its image, its next times, and the decision.
func (c config) writeExplanation(w io.Writer, s core.Step, times []string) error {
	rows := [][]string{{"LABEL", "VALUE", "FROM"}}
	for _, l := range core.Labels() {
		rows = append(rows, []string{l.Name, l.Get(s.Policy), c.origin(s.Policy, l)})
	}
	if err := writeTable(w, rows); err != nil {
		return err
	}
	if settings := c.hookTable(s.Policy); len(settings) > 1 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		if err := writeTable(w, settings); err != nil {
			return err
		}
	}
	facts := [][2]string{
		{"container", s.Container.Name + " (" + string(s.Container.State) + ", " + core.Short(s.Container.ID) + ")"},
		{"image", s.Container.Image.Reference.Text},
		{"current", current(s)},
		{"latest", latest(s)},
		{"next times", strings.Join(times, "\n")},
		{"decision", string(s.Action) + ", " + s.Reason.String()},
	}
	if len(s.Members) > 0 {
		facts = append(facts, [2]string{"with it", together(s.Members)})
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

// together tells of those that are replaced or restarted together with another one.
func together(members []core.Member) string {
	var lines []string
	for _, m := range members {
		how := "replaced, with its own image"
		switch {
		case m.Part == core.Restarts:
			how = "restarted"
		case m.To.ID != m.Container.Image.ID:
			how = "replaced, with its new image"
		}
		lines = append(lines, m.Container.Name+" ("+how+")")
	}
	return strings.Join(lines, "\n")
}

// operators says in which way the operator has set a flag.
func (c config) operators(flag string) string {
	switch from := c.from[flag]; {
	case flag == "all" && c.implied != "":
		return "flag --all, implied by " + c.implied
	case strings.HasPrefix(from, "-"):
		return "flag " + from
	case from != "":
		return "variable " + from
	}
	return "flag --" + flag
}

// origin says who set a value: a label, a label of the image, a flag, a variable, or
// nobody.
func (c config) origin(p core.Policy, l core.Label) string {
	name := strings.TrimPrefix(l.Name, "refit.")
	if from, there := p.From[name]; there {
		if from == "flag" && l.Flag != "" {
			return c.operators(l.Flag)
		}
		return from
	}
	if prefix, family := strings.CutSuffix(name, "*"); family {
		for _, set := range slices.Sorted(maps.Keys(p.From)) {
			if strings.HasPrefix(set, prefix) {
				return p.From[set]
			}
		}
	}
	return "default"
}
