package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
)

// deniedHint is for whoever cannot do what was asked for, because something between
// Refit and the engine does not let it.
const deniedHint = "let it through in the Docker socket proxy; docs/security.md lists what Refit asks for, and why"

// checkAccess asks what is let through to the engine, before anything is changed. A
// sidecar that could not do its work must not find out in the middle of an update;
// other commands find out when they need it.
func (s *session) checkAccess(ctx context.Context) error {
	if s.command != "" || s.runOnce {
		return nil
	}
	short, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	denied, err := s.client.Probe(short)
	if err != nil {
		return fmt.Errorf("find out what the engine allows: %w", err)
	}
	var needed []string
	for _, d := range denied {
		switch {
		case d.Need == docker.ToLook, d.Need == docker.ToUpdate && s.settings.Defaults.Mode != core.ModeNotify:
			needed = append(needed, d.String())
		default:
			s.denied = append(s.denied, d)
		}
	}
	if len(needed) == 0 {
		return nil
	}
	hint := deniedHint
	if s.settings.Defaults.Mode != core.ModeNotify {
		hint += ". To be told of new images needs less: --mode notify"
	}
	return refusal{problem: fmt.Sprintf("the way to the engine at %s does not let through %s", s.host, strings.Join(needed, ", ")), hint: hint}
}

// mindAccess tells what will not work.
func (s *session) mindAccess() {
	for _, d := range s.denied {
		s.log.Warn("something on the way to the engine does not let this through", slog.String("needed_for", strings.ReplaceAll(d.For, "`", "")),
			slog.String("endpoint", d.String()))
	}
}

// barred makes a refusal of an error that says that something is not let through to
// the engine, as long as nothing has been begun.
func barred(err error) error {
	if err != nil && docker.IsDenied(err) {
		return refusal{problem: err.Error(), hint: deniedHint}
	}
	return err
}
