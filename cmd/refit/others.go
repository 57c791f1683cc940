package main

import (
	"context"
	"io"
	"log/slog"
	"path"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/loop"
)

// mindOthers tells once of each other Refit on the engine. Two with one scope look after
// the same containers: each leaves alone what the other one is at, and finds its image in
// the way of the other one's.
func (s *session) mindOthers(ctx context.Context, all []core.Container) {
	met := map[string]bool{} // of those that are gone nothing needs to be known
	for _, c := range all {
		if !isRefit(c) || c.ID == s.settings.Self || core.BaseName(c.Name) != c.Name {
			continue
		}
		met[c.ID] = s.met[c.ID] || c.State.Up()
		if met[c.ID] && !s.met[c.ID] {
			s.tellOfAnother(ctx, c)
		}
	}
	s.met = met
}

func (s *session) tellOfAnother(ctx context.Context, c core.Container) {
	command, scope, err := s.lineOf(ctx, c.ID)
	switch {
	case command != "": // it only looks, or ends by itself
	case err != nil:
		s.log.Warn("another Refit runs on this engine, and its scope could not be read: two of one scope get in each other's way",
			slog.String("container", c.Name), slog.Any("error", err))
	case scope == s.settings.Scope:
		s.log.Warn("another Refit looks after the same containers: stop one of the two, or give each a --scope of its own",
			slog.String("container", c.Name), slog.String("scope", scope))
	default:
		s.log.Info("another Refit runs on this engine, with another scope", slog.String("container", c.Name), slog.String("scope", scope))
	}
}

// title is what our image says that it is, whatever people call it.
const title = "Refit"

// isRefit knows a Refit by what its image says, or by the last part of the image's name.
func isRefit(c core.Container) bool {
	return c.ImageLabels["org.opencontainers.image.title"] == title || path.Base(c.Image.Reference.Repository) == "refit"
}

// lineOf reads a Refit's command line and environment as it does itself.
func (s *session) lineOf(ctx context.Context, id string) (command, scope string, err error) {
	asked, err := s.client.Asked(ctx, id)
	if err != nil {
		return "", "", err
	}
	c, err := configOf(ctx, asked.Args, asked.Env)
	return c.command, c.settings.Scope, err
}

// meeting is an engine on which other Refits are found when they come: whoever starts
// says so in its own log, and the one that is there says so in its own.
type meeting struct {
	loop.Engine
	s *session
}

// Containers looks among them.
func (m meeting) Containers(ctx context.Context) ([]core.Container, error) {
	all, err := m.Engine.Containers(ctx)
	if err == nil {
		m.s.mindOthers(ctx, all)
	}
	return all, err
}

// configOf is what a command line and an environment come to.
func configOf(ctx context.Context, args []string, env variables) (c config, err error) {
	l, err := arrange(args)
	if err != nil {
		return config{}, err
	}
	err = l.read(ctx, env, io.Discard, io.Discard, func(settled config) error {
		c = settled
		return nil
	})
	return c, err
}
