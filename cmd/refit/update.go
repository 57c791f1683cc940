package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/refit-dev/refit/core"
)

// runUpdate does one cycle over every enabled container, due or not.
func runUpdate(ctx context.Context, p *program) (int, error) { return p.change(ctx, updateAll) }

func updateAll(ctx context.Context, s *session) (int, error) {
	s.warn()
	rows, err := s.cycle(ctx)
	if len(rows) == 0 && err != nil {
		return 0, err
	}
	rows = s.awaitHelper(ctx, rows)
	if err != nil { // what was done is told first
		s.log.Error("ending the cycle", slog.Any("error", err))
	}
	if err := writeOutcomes(s.stdout, rows, len(s.names) > 0); err != nil {
		return 0, err
	}
	code := exitCode(results(rows))
	if err != nil {
		code = max(code, exitFailed)
	}
	return max(code, s.forsaken(rows)), nil
}

// cycle finishes what was interrupted, then plans and carries out. What was done
// before an error comes with it.
func (s *session) cycle(ctx context.Context) ([]outcomeRow, error) {
	rows, err := s.recover(ctx)
	if err != nil {
		return rows, err
	}
	l := s.loop()
	l.Report = func(_ core.Plan, results []core.Result) { s.report(ctx, results) }
	plan, done, err := l.RunOnce(ctx)
	return append(rows, s.rows(plan, done)...), err
}

// rows are what there is to tell of the results of a plan.
func (s *session) rows(plan core.Plan, done []core.Result) []outcomeRow {
	var rows []outcomeRow
	for i, r := range done {
		rows = append(rows, outcomeRow{Result: r, from: current(plan.Steps[i]), hint: s.whatToType(r, plan.Steps[i].Policy)})
	}
	return rows
}

// whatToType is the hint for a result of a cycle, "" if there is none.
func (s *session) whatToType(r core.Result, policy core.Policy) string {
	if r.Reason.Code == core.NoSpace {
		return "docker system df shows what takes the room; docker image prune removes images that have no name and no container"
	}
	return s.dataHint(r, policy)
}

// recover finishes or undoes what was interrupted, while no other process
// changes containers with this ledger. What another Refit is at is told to the
// log only: if the container is ours to look after, the plan holds it.
func (s *session) recover(ctx context.Context) ([]outcomeRow, error) {
	unlock, err := s.ledger.Lock(ctx)
	if err != nil {
		return nil, err
	}
	open, unread := s.ledger.Attempts(ctx)
	if unread != nil { // Recover says so
		s.log.Debug("reading what is open", slog.Any("error", unread))
	}
	recovered, err := s.updater.Recover(ctx)
	if err != nil {
		err = fmt.Errorf("recover: %w", err)
	}
	var rows []outcomeRow
	for _, r := range recovered {
		if r.Reason.Code == core.Foreign && s.command != "recover" {
			s.log.Info("leaving another Refit's replacement alone", slog.String("container", r.Name), slog.String("text", r.Reason.Text))
			continue
		}
		rows = append(rows, outcomeRow{Result: r, from: newest(r.From), hint: s.recoveredHint(r, open)})
	}
	s.reportSome(ctx, results(rows))
	return rows, errors.Join(err, unlock())
}

func results(rows []outcomeRow) []core.Result {
	list := make([]core.Result, len(rows))
	for i, r := range rows {
		list[i] = r.Result
	}
	return list
}

// forsaken tells of the containers that the command named and that are not
// looked after: whoever names one wants it done.
func (p *program) forsaken(rows []outcomeRow) int {
	code := exitDone
	for _, r := range rows {
		hint := ""
		switch r.Reason.Code {
		case core.NotEnabled:
			hint = "label it refit.enable=true, or use --all"
		case core.OtherScope:
			hint = "use --scope with its scope"
		case core.NotRunning:
			hint = "start it, or use --include-stopped"
		default:
			continue
		}
		if len(p.names) > 0 {
			_, _ = fmt.Fprintf(p.stderr, "refit: %s was named and is left alone: %s\nhint: %s\n", r.Name, clean(r.Reason.Text), hint)
			code = exitFailed
		}
	}
	return code
}

// runRecover finishes or undoes what was interrupted, and does nothing else.
func runRecover(ctx context.Context, p *program) (int, error) { return p.change(ctx, recoverAll) }

func recoverAll(ctx context.Context, s *session) (int, error) {
	rows, err := s.recover(ctx)
	if len(rows) > 0 {
		if err := writeOutcomes(s.stdout, rows, true); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return 0, err
	}
	if len(rows) == 0 {
		_, err = fmt.Fprintln(s.stdout, "nothing to recover")
	}
	return exitCode(results(rows)), err
}
