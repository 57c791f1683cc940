package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
)

// mostHistory is how many results the table shows.
const mostHistory = 50

// runHistory shows what the ledger remembers.
func runHistory(ctx context.Context, p *program) (int, error) {
	past, err := ledger.At(p.data).History(ctx, "", 0)
	if err != nil {
		return 0, refusal{problem: err.Error(), hint: "--data or REFIT_DATA names the folder with the state of the Refit that is meant"}
	}
	if len(p.names) > 0 {
		past = slices.DeleteFunc(past, func(r core.Result) bool { return !slices.Contains(p.names, r.Name) })
	}
	switch p.format {
	case "table":
		return exitDone, writeHistory(p.stdout, past)
	case "json":
		if past == nil {
			past = []core.Result{} // not null
		}
		return exitDone, writeJSON(p.stdout, past)
	default:
		return 0, refusal{problem: "history has no templates", hint: "--format table or json"}
	}
}

// writeHistory prints a table, newest first.
func writeHistory(w io.Writer, past []core.Result) error {
	if len(past) == 0 {
		_, err := fmt.Fprintln(w, "nothing yet")
		return err
	}
	table := [][]string{{"WHEN", "CONTAINER", "OUTCOME", "FROM", "TO", "PULLED", "TOOK", "DOWNTIME", "HOOKS", "REASON"}}
	for _, r := range past[:min(len(past), mostHistory)] {
		table = append(table, []string{
			clock(r.Started), r.Name, string(r.Outcome),
			core.Short(newest(r.From)), core.Short(newest(r.To)), pulled(r), downtime(r.Took.Round(time.Millisecond)), downtime(r.Downtime), inHooks(r), why(r.Reason),
		})
	}
	if err := writeTable(w, table); err != nil {
		return err
	}
	if err := writeFaults(w, past[:min(len(past), mostHistory)]); err != nil {
		return err
	}
	if left := len(past) - mostHistory; left > 0 {
		_, err := fmt.Fprintf(w, "and %d older: --format json shows them all\n", left)
		return err
	}
	return nil
}

// pulled is what the pull took, "" where none was made for it.
func pulled(r core.Result) string {
	if !r.Pull.Happened() {
		return ""
	}
	return r.Pull.String()
}

// inHooks is how long the hooks took, "" where none was called, and whether one failed.
func inHooks(r core.Result) string {
	took, failed := time.Duration(0), ""
	for _, h := range r.Hooks {
		took += h.Took
		if h.Fault != "" {
			failed = ", failed"
		}
	}
	if len(r.Hooks) == 0 {
		return ""
	}
	return duration(took) + failed
}

// writeFaults says under the table what went wrong with the hooks, and what they
// put off.
func writeFaults(w io.Writer, past []core.Result) error {
	var b strings.Builder
	for _, r := range past {
		if !strings.Contains(inHooks(r), "failed") && r.RetryAt.IsZero() {
			continue
		}
		fmt.Fprintf(&b, "%s %s:\n", clock(r.Started), clean(r.Name))
		for _, line := range hookLines(r) {
			fmt.Fprintf(&b, "    %s\n", clean(line))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
