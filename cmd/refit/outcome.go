package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// outcomes are all of them, in the order in which they are summed up.
var outcomes = []core.Outcome{
	core.OutcomeUpdated, core.OutcomeFollowed, core.OutcomeAvailable, core.OutcomeRecovered, core.OutcomeUnchanged, core.OutcomeHeld,
	core.OutcomeInterrupted, core.OutcomeRolledBack, core.OutcomeFailed, core.OutcomeDown,
}

// mishaps maps the outcomes that are bad ends to their exit codes. One that is
// not there is fine.
var mishaps = map[core.Outcome]int{
	core.OutcomeInterrupted: exitFailed,
	core.OutcomeRolledBack:  exitRolledBack,
	core.OutcomeFailed:      exitFailed,
	core.OutcomeDown:        exitDown,
}

// benign are the reasons to hold a container that are no fault: Refit declines,
// waits for another container whose own result says what is wrong, keeps away from
// an image that failed, which was told when it did, or does as a hook has said.
var benign = map[core.Code]bool{
	core.Unsupported:         true,
	core.DependencyHeld:      true,
	core.MemberFailed:        true,
	core.CanaryFailed:        true,
	core.InReplacement:       true,
	core.InProgressElsewhere: true,
	core.Foreign:             true,
	core.Quarantined:         true,
	core.HookVetoed:          true,
	core.HookDeferred:        true,
}

// isFault tells whether a container that is held for that reason is waiting for
// somebody to mend something.
func isFault(c core.Code) bool { return !benign[c] }

// exitCode is the greatest that any of the results asks for.
func exitCode(results []core.Result) int {
	code := exitDone
	for _, r := range results {
		code = max(code, mishaps[r.Outcome])
		if r.Outcome == core.OutcomeHeld && isFault(r.Reason.Code) {
			code = max(code, exitFailed)
		}
	}
	return code
}

// isBystander tells whether a container is none of this Refit's business, or
// not of this command's.
func isBystander(r core.Result) bool {
	switch r.Reason.Code {
	case core.NotEnabled, core.OtherScope, core.NotNamed:
		return true
	default:
		return false
	}
}

// outcomeRow is what update tells of one container.
type outcomeRow struct {
	core.Result
	from string // digest or image id, as in check
	hint string // what to type, "" if there is nothing to do
}

// why tells more where a tag has moved and its image has not: the columns then look as
// if there was a new one.
func (r outcomeRow) why() string {
	if r.Reason.Code == core.UpToDate && newest(r.To) != "" {
		return r.Reason.String()
	}
	return why(r.Reason)
}

// writeOutcomes prints the results of a cycle: a table, what is known of the
// failures, and a line that sums it up. The bystanders are only counted, unless
// the command named them.
func writeOutcomes(w io.Writer, rows []outcomeRow, named bool) error {
	table := [][]string{{"CONTAINER", "OUTCOME", "FROM", "TO", "DOWNTIME", "REASON"}}
	counts := map[core.Outcome]int{}
	left := 0
	var shown []outcomeRow
	for _, r := range rows {
		if isBystander(r.Result) && (!named || r.Reason.Code == core.NotNamed) {
			left++
			continue
		}
		counts[r.Outcome]++
		shown = append(shown, r)
		table = append(table, []string{
			r.Name, string(r.Outcome), core.Short(r.from), core.Short(newest(r.To)), downtime(r.Downtime), r.why(),
		})
	}
	if len(shown) > 0 {
		if err := writeTable(w, table); err != nil {
			return err
		}
	}
	if err := writeEvidence(w, shown); err != nil {
		return err
	}
	return writeSum(w, counts, left)
}

// newest names an image by digest, else by id.
func newest(i core.Image) string {
	if i.Digest != "" {
		return i.Digest
	}
	return i.ID
}

// downtime is "" where there was none.
func downtime(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return duration(d)
}

// duration is as exact as a person wants to know it.
func duration(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// writeSum is the last line.
func writeSum(w io.Writer, counts map[core.Outcome]int, left int) error {
	var parts []string
	for _, o := range outcomes {
		if n := counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("%d left alone", left))
	}
	if len(parts) == 0 {
		parts = []string{"no containers"}
	}
	_, err := fmt.Fprintln(w, strings.Join(parts, ", "))
	return err
}

// writeEvidence prints what a failed container left behind, and the notes.
func writeEvidence(w io.Writer, rows []outcomeRow) error {
	var b strings.Builder
	for _, r := range rows {
		lines := evidence(r.Result)
		if r.hint != "" {
			lines = append(lines, "hint: "+r.hint)
		}
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s:\n", clean(r.Name))
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s\n", clean(line))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// evidence is what a person needs to see of a failure, line by line.
func evidence(r core.Result) []string {
	var lines []string
	if r.Pull.Happened() {
		lines = append(lines, "pulled "+r.Pull.String())
	}
	if e := r.Evidence; e != nil {
		if e.ExitCode != nil {
			exit := fmt.Sprintf("exit code %d", *e.ExitCode)
			if e.OOMKilled {
				exit += ", killed for want of memory"
			}
			lines = append(lines, exit)
		}
		if e.HealthOutput != "" {
			lines = append(lines, "healthcheck: "+strings.TrimSpace(e.HealthOutput))
		}
		for _, l := range e.Logs {
			lines = append(lines, "| "+l)
		}
	}
	lines = append(lines, hookLines(r)...)
	for _, n := range r.Notes {
		lines = append(lines, "note: "+n)
	}
	return lines
}

// hookLines say what the hooks did: a line for each that failed, one for how long
// they took, and when one that put it off wants to be asked again.
func hookLines(r core.Result) []string {
	var lines, took []string
	sum := time.Duration(0)
	for _, h := range r.Hooks {
		sum += h.Took
		if h.Fault != "" {
			lines = append(lines, fmt.Sprintf("hook %s failed at %s after %s: %s", h.Hook, h.Stage, duration(h.Took), h.Fault))
		}
		took = append(took, fmt.Sprintf("%s %s %s", h.Hook, h.Stage, duration(h.Took)))
	}
	if len(took) > 0 {
		lines = append(lines, fmt.Sprintf("hooks took %s: %s", duration(sum), strings.Join(took, ", ")))
	}
	// What a registry put off only the sidecar looks at again, and the reason says when.
	if registry := r.Reason.Code == core.RateLimited || r.Reason.Code == core.DependencyHeld; !r.RetryAt.IsZero() && !registry {
		lines = append(lines, "asked again at "+clock(r.RetryAt))
	}
	return lines
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
