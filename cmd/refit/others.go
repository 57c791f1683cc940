package main

import (
	"context"
	"io"
	"log/slog"
	"path"

	"github.com/refit-dev/refit/core"
)

// mindOthers tells of the other Refits on the engine. Two with one scope look after the
// same containers: each leaves alone what the other one is at, and finds its image in the
// way of the other one's.
func (s *session) mindOthers(ctx context.Context, all []core.Container) {
	for _, c := range all {
		if !isRefit(c) || !c.State.Up() || c.ID == s.settings.Self || core.BaseName(c.Name) != c.Name {
			continue
		}
		scope, err := s.scopeOf(ctx, c.ID)
		switch {
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
}

// title is what our image says that it is, whatever people call it.
const title = "Refit"

// isRefit knows a Refit by what its image says, or by the last part of the image's name.
func isRefit(c core.Container) bool {
	return c.ImageLabels["org.opencontainers.image.title"] == title || path.Base(c.Image.Reference.Repository) == "refit"
}

// scopeOf reads a Refit's command line and environment as it does itself.
func (s *session) scopeOf(ctx context.Context, id string) (string, error) {
	asked, err := s.client.Asked(ctx, id)
	if err != nil {
		return "", err
	}
	c, err := configOf(ctx, asked.Args, asked.Env)
	return c.settings.Scope, err
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
