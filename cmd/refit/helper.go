package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
)

// Refit replaces its own container by way of a helper: a second container of the image
// that it runs, with its own mounts, user, networks, environment and flags, that the
// engine starts again whatever ends it. The helper takes the ledger's lock, recovers
// what is open, updates the one container, and ends for good. Meanwhile the Refit that
// is there, the old one or its successor, stands by; afterwards it removes the helper.

// helperVariable makes a Refit a helper. It is not for people.
const helperVariable = "REFIT_HELPER"

// helperTask is what a helper is to do.
type helperTask string

const (
	helperUpdates helperTask = "update"
	// helperAsked is for a person who typed refit update, and helperForces for one who
	// said --force.
	helperAsked  helperTask = "asked"
	helperForces helperTask = "force"
)

// lookHelper is how often it is looked at whether the helper, or the lock, is done.
const lookHelper = 500 * time.Millisecond

// deputy sends helpers. It is the session's update.Deputy.
type deputy struct{ s *session }

// Send is update.Deputy's.
func (d deputy) Send(ctx context.Context, imageID string) error {
	s, task := d.s, helperUpdates
	switch {
	case s.updater.Force:
		task = helperForces
	case s.updater.Impatient:
		task = helperAsked
	}
	return s.client.Help(ctx, docker.Helper{
		Name: s.helperName(), Of: s.self.ID, Image: imageID, Owner: s.owner(),
		Env: []string{helperVariable + "=" + string(task)},
	})
}

// helperName is the name of this Refit's helper.
func (s *session) helperName() string { return core.BaseName(s.self.Name) + core.HelperSuffix }

// selfBar says why no helper can replace the container that this Refit runs in, "" where
// one can, or where it runs in none.
func (s *session) selfBar(ctx context.Context) string {
	if !s.self.Exists() || s.helper != "" {
		return ""
	}
	asked, err := s.client.Asked(ctx, s.self.ID)
	if err != nil {
		return "how it was started could not be read: " + err.Error()
	}
	own, err := configOf(ctx, asked.Args, asked.Env)
	folder, unknown := filepath.Abs(s.data)
	at := mountOf(asked.Mounts, folder)
	switch {
	case err != nil || own.command != "" || own.runOnce:
		return "only the sidecar that runs all the time can replace itself"
	case own.settings.Scope != s.settings.Scope, own.settings.All != s.settings.All:
		return "this command has another --scope or --all than the sidecar has"
	case unknown != nil, at.Destination == "", at.Type == "tmpfs":
		return "its state is in no volume, so a helper would not have it"
	}
	return ""
}

const (
	// longestAside is how long Refit stands by: longer than any good update takes.
	longestAside = time.Hour
	// mostRestarts is how often the engine may start a helper again; by then it waits a
	// minute before each.
	mostRestarts = 20
)

// standBy waits until no helper is at work, and removes one that has ended. It gives
// signs of life meanwhile: that Refit gets so far is what its gate wants to see. An
// engine that does not answer for a moment is asked again: who ended now would have
// failed in its gate. A helper that comes to no end is ended.
func (s *session) standBy(ctx context.Context) error {
	if !s.self.Exists() || s.helper != "" {
		return nil
	}
	var seen docker.HelperState
	began := time.Now()
	for said := false; ; {
		now, err := s.mindHelper(ctx, began)
		switch {
		case err != nil && !said:
			said = true
			s.log.Warn("asking again whether a helper is at work", slog.Any("error", err))
		case err != nil:
		case now.Up:
			seen = now
		case seen.Up:
			s.tellHelped(ctx, seen.Created)
			return s.beat(time.Now().Add(time.Minute))
		default:
			return nil
		}
		if !sleep(ctx, lookHelper) {
			return nil
		}
	}
}

// mindHelper looks for a helper. It removes one that has ended, or that should have; while
// one is at work it gives a sign of life.
func (s *session) mindHelper(ctx context.Context, began time.Time) (docker.HelperState, error) {
	h, err := s.client.LookHelper(ctx, s.helperName(), s.owner())
	if err != nil || h.ID == "" {
		return h, err
	}
	late := time.Since(began) > longestAside || h.Restarts > mostRestarts
	if h.Up && !late {
		if !s.aside {
			s.aside = true
			s.log.Info("standing by while a helper replaces Refit", slog.String("helper", s.helperName()))
		}
		return h, s.ledger.Beat(ledger.Life{Until: time.Now().Add(time.Minute), By: docker.Self(), Aside: true})
	}
	s.aside = false
	gone, err := s.client.EndHelper(ctx, h.ID, late)
	if h.Up = !gone; err != nil || h.Up {
		return h, err
	}
	if late {
		text := fmt.Sprintf("its helper came to no end (started again %d times), and was removed", h.Restarts)
		s.log.Error("the update of Refit itself has failed", slog.String("text", text))
		s.reportSome(ctx, []core.Result{{
			Name: core.BaseName(s.self.Name), ID: s.self.ID, Outcome: core.OutcomeFailed, Started: h.Created,
			Reason: core.Reason{Code: core.Interrupted, Text: text},
		}})
	}
	return h, nil
}

// sleep tells whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// tellHelped logs what came of it: the helper's own log goes with it.
func (s *session) tellHelped(ctx context.Context, since time.Time) {
	r, found, err := s.helped(ctx, since)
	switch {
	case err != nil:
		s.log.Warn("it is not known what the helper did", slog.Any("error", err))
	case found:
		tell(ctx, s.log, []core.Result{r})
	default:
		s.log.Info("the helper is gone")
	}
}

// helped is the last result of this Refit's own container, of those that began since.
func (s *session) helped(ctx context.Context, since time.Time) (r core.Result, found bool, err error) {
	past, err := s.ledger.History(ctx, core.BaseName(s.self.Name), 1)
	if err != nil || len(past) == 0 || past[0].Started.Before(since) {
		return core.Result{}, false, err
	}
	return past[0], true, nil
}

// awaitHelper puts the result of a helper in the place of the row that says that there
// is one. If the helper stops this container, this command ends with it.
func (s *session) awaitHelper(ctx context.Context, rows []outcomeRow) []outcomeRow {
	at := slices.IndexFunc(rows, func(r outcomeRow) bool { return r.Reason.Code == core.HandedOver })
	if at < 0 {
		return rows
	}
	_, _ = fmt.Fprintf(s.stderr, "refit: %s replaces the container that this command runs in, and ends this command: docker exec %s refit history\n",
		s.helperName(), core.BaseName(s.self.Name))
	began := rows[at].Started
	if err := s.standBy(ctx); err != nil {
		s.log.Warn("waiting for the helper", slog.Any("error", err))
		return rows
	}
	if r, found, err := s.helped(ctx, began); err == nil && found {
		rows[at].Result = r
	}
	return rows
}

// help is the work of a helper. Its exit code tells the engine nothing: while the work
// is not done the engine starts it again, and when it is, no more.
func (p *program) help(ctx context.Context) (int, error) {
	return p.change(ctx, func(ctx context.Context, s *session) (int, error) {
		if !s.self.Exists() || core.BaseName(s.self.Name) == s.self.Name {
			return 0, refusal{problem: helperVariable + " is set, and this is no helper's container", hint: "unset it: only Refit itself sets it"}
		}
		rows, err := s.helpOnce(ctx)
		tell(ctx, s.log, results(rows))
		open := slices.ContainsFunc(rows, func(r outcomeRow) bool { return r.Open })
		if err == nil && ctx.Err() == nil && !open {
			err = s.client.Resign(ctx, s.self.ID)
		}
		return exitCode(results(rows)), err
	})
}

// helpOnce recovers what is open and, where that was not the container itself, updates it.
func (s *session) helpOnce(ctx context.Context) ([]outcomeRow, error) {
	if err := s.awaitLock(ctx); err != nil {
		return nil, err
	}
	name := core.BaseName(s.self.Name)
	s.updater.Only = name // what else is open is left to the Refit that stands by
	rows, err := s.recover(ctx)
	if err != nil || slices.ContainsFunc(rows, func(r outcomeRow) bool { return r.Name == name }) {
		return rows, err
	}
	s.names = []string{name}
	s.updater.Force = s.helper == helperForces
	more, err := s.cycle(ctx)
	return append(rows, slices.DeleteFunc(more, func(r outcomeRow) bool { return isBystander(r.Result) })...), err
}

// awaitLock waits until the Refit that sent this helper has let go of the ledger.
func (s *session) awaitLock(ctx context.Context) error {
	for said := false; ; said = true {
		unlock, err := s.ledger.Lock(ctx)
		switch {
		case err == nil:
			return unlock()
		case errors.Is(err, context.Canceled):
			return err
		case !said:
			s.log.Info("waiting for another Refit to come to an end", slog.Any("because", err))
		}
		if !sleep(ctx, lookHelper) {
			return ctx.Err()
		}
	}
}
