package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/refit-dev/refit/core"
)

// runRollback moves one container back to the image that it ran before.
func runRollback(ctx context.Context, p *program) (int, error) { return p.change(ctx, rollBack) }

func rollBack(ctx context.Context, s *session) (int, error) {
	s.warn()
	rows, err := s.recover(ctx)
	if err == nil {
		var back []outcomeRow
		back, err = s.back(ctx, s.names[0])
		rows = append(rows, back...)
	}
	if err != nil {
		return 0, err
	}
	if err := writeOutcomes(s.stdout, rows, true); err != nil {
		return 0, err
	}
	return max(exitCode(results(rows)), s.forsaken(rows)), nil
}

// back plans and carries out the way back, while no other process changes
// containers with this ledger. What hangs on the container comes along.
func (s *session) back(ctx context.Context, name string) ([]outcomeRow, error) {
	unlock, err := s.ledger.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }() // the end of the process gives it back in any case
	all, err := s.client.Containers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	i := slices.IndexFunc(all, func(c core.Container) bool { return c.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("roll back %s: it vanished while it was looked at", name)
	}
	before, err := s.before(ctx, all[i])
	if err != nil {
		return nil, err
	}
	plan, err := s.updater.PlanBack(ctx, all, name, before)
	if err != nil {
		return nil, fmt.Errorf("roll back %s: %w", name, err)
	}
	rows := s.rows(plan, s.updater.Apply(ctx, plan))
	s.reportSome(ctx, results(rows))
	return rows, nil
}

// before is the image that the container ran before the one that it runs.
func (s *session) before(ctx context.Context, c core.Container) (core.Image, error) {
	past, err := s.ledger.History(ctx, c.Name, 0)
	if err != nil {
		return core.Image{}, err
	}
	for _, r := range past {
		if r.Outcome == core.OutcomeUpdated && r.To.ID == c.Image.ID {
			return r.From, nil
		}
	}
	return core.Image{}, refusal{
		problem: fmt.Sprintf("nothing is known of an image that %s ran before this one", c.Name),
		hint:    "refit history " + c.Name + " shows what this Refit has done to it",
	}
}
