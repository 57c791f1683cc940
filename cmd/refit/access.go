package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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
	// Other engines do not have all of it, and most updates work all the same.
	updates := s.engine.Docker && s.settings.Defaults.Mode != core.ModeNotify
	var needed []string
	for _, d := range denied {
		switch {
		case d.Need == docker.ToLook, d.Need == docker.ToUpdate && updates:
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

// mindAccess tells what will not work, a line for each feature.
func (s *session) mindAccess() {
	for _, b := range blocked(s.denied, s.engine.Docker) {
		s.log.Warn("something on the way to the engine does not let this through", slog.String("needed_for", b.feature),
			slog.String("endpoints", strings.Join(b.endpoints, ", ")))
	}
}

// block is a feature that does not work, and what is missing of it.
type block struct {
	feature   string
	endpoints []string
}

// blocked gathers what is denied by feature, in the order of the table. Where updates do
// not work, nobody wants to know what else that changes something does not; strict says
// that each endpoint that updates need is needed for all of them.
func blocked(denied []docker.Denied, strict bool) []block {
	noUpdates := strict && slices.ContainsFunc(denied, func(d docker.Denied) bool { return d.Need == docker.ToUpdate })
	var blocks []block
	for _, d := range denied {
		feature := strings.ReplaceAll(d.For, "`", "")
		switch {
		case noUpdates && d.Need == docker.ToUpdate:
			feature = "updates"
		case noUpdates && d.Changes():
			continue
		}
		at := slices.IndexFunc(blocks, func(b block) bool { return b.feature == feature })
		if at < 0 {
			at, blocks = len(blocks), append(blocks, block{feature: feature})
		}
		blocks[at].endpoints = append(blocks[at].endpoints, d.String())
	}
	return blocks
}

// barred makes a refusal of an error that says that something is not let through to
// the engine, as long as nothing has been begun.
func barred(err error) error {
	if err != nil && docker.IsDenied(err) {
		return refusal{problem: err.Error(), hint: deniedHint}
	}
	return err
}
