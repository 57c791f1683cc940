package main

import (
	"context"
	"log/slog"
	"strings"

	"github.com/refit-dev/refit/core"
)

// levels say how loud an outcome is in the log.
var levels = map[core.Outcome]slog.Level{
	core.OutcomeUnchanged:   slog.LevelDebug,
	core.OutcomeAvailable:   slog.LevelInfo,
	core.OutcomeUpdated:     slog.LevelInfo,
	core.OutcomeFollowed:    slog.LevelInfo,
	core.OutcomeRecovered:   slog.LevelWarn,
	core.OutcomeHeld:        slog.LevelInfo,
	core.OutcomeInterrupted: slog.LevelWarn,
	core.OutcomeRolledBack:  slog.LevelError,
	core.OutcomeFailed:      slog.LevelError,
	core.OutcomeDown:        slog.LevelError,
}

// tell logs a line for each container, and one that sums the cycle up. What is
// none of this Refit's business, and what is unchanged, is told to those who debug.
func tell(ctx context.Context, log *slog.Logger, results []core.Result) {
	counts := map[core.Outcome]int{}
	for _, r := range results {
		level := levels[r.Outcome]
		switch {
		case r.Outcome == core.OutcomeHeld && isFault(r.Reason.Code):
			level = slog.LevelWarn
		case isBystander(r):
			level = slog.LevelDebug
		}
		log.LogAttrs(ctx, level, "result", facts(r)...)
		if !isBystander(r) && r.Reason.Code != core.NotDue {
			counts[r.Outcome]++
		}
	}
	var sum []slog.Attr
	for _, o := range outcomes {
		if n := counts[o]; n > 0 {
			sum = append(sum, slog.Int(strings.ReplaceAll(string(o), "-", "_"), n))
		}
	}
	if len(sum) > 0 {
		log.LogAttrs(ctx, slog.LevelInfo, "cycle done", sum...)
	}
}

// facts are a result as attributes.
func facts(r core.Result) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("container", r.Name),
		slog.String("outcome", string(r.Outcome)),
		slog.String("reason", string(r.Reason.Code)),
		slog.String("text", r.Reason.Text),
		slog.String("image", r.From.Reference.Text),
	}
	if to := newest(r.To); to != "" {
		attrs = append(attrs, slog.String("from", core.Short(newest(r.From))), slog.String("to", core.Short(to)))
	}
	if r.Pull.Happened() {
		attrs = append(attrs, slog.Any("pulled", r.Pull.Bytes), slog.Duration("pull_took", r.Pull.Took))
	}
	if r.Downtime > 0 {
		attrs = append(attrs, slog.Duration("downtime", r.Downtime))
	}
	if r.DowntimeToHealthy > 0 {
		attrs = append(attrs, slog.Duration("downtime_to_healthy", r.DowntimeToHealthy))
	}
	if e := r.Evidence; e != nil {
		if e.ExitCode != nil {
			attrs = append(attrs, slog.Int("exit_code", *e.ExitCode))
		}
		attrs = append(attrs, slog.Bool("oom_killed", e.OOMKilled),
			slog.String("health_output", e.HealthOutput), slog.String("last_lines", strings.Join(e.Logs, "\n")))
	}
	if len(r.Hooks) > 0 {
		attrs = append(attrs, slog.String("hooks", inHooks(r)))
	}
	if !r.RetryAt.IsZero() {
		attrs = append(attrs, slog.Time("retry_at", r.RetryAt))
	}
	if len(r.Notes) > 0 {
		attrs = append(attrs, slog.String("notes", strings.Join(r.Notes, "; ")))
	}
	return attrs
}
