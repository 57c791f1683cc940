// Package command is a bundled hook that runs commands inside the container, through
// the engine: before the update in the old container, after it in the new one.
//
// Nothing here runs anything outside of a container, and there is no setting for the
// moments at which none runs.
package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"github.com/refit-dev/refit/hooks"
)

// tempFail is EX_TEMPFAIL of sysexits.h: not now. Watchtower knew it, too.
const tempFail = 75

// Hook runs the commands that its settings name.
type Hook struct {
	engine func() (*client.Client, error)
}

// New returns the hook. It reaches the engine that DOCKER_HOST and its companions
// name, else the machine's own, and does not connect before the first command.
func New() *Hook {
	return &Hook{engine: sync.OnceValues(connect)}
}

// Describe says what the hook is.
func (*Hook) Describe() hooks.Description {
	key := func(name, help string) hooks.Key { return hooks.Key{Name: name, Help: help, Label: true} }
	return hooks.Description{
		Summary: "Runs commands inside the container, before and after the update.",
		Keys: []hooks.Key{
			key(preUpdate, `run in the old container: a line for /bin/sh, or a JSON array: ["pg_dump", "-f", "/data/dump"]; exit code 75 puts the update off, any other but 0 keeps it from happening`),
			key(postUpdate, "run in the new container, of the same form; exit code 0 or the update is rolled back"),
			key("post-update-gate", "true or false: whether a failure of post-update rolls back, or is only logged; default true"),
			key("user", "the user to run as: name or number, with :group where needed; default the container's own"),
			key("workdir", "the folder to run in; default the container's own"),
			key("timeout", "how long a command may take: 90s, 5m or plain seconds; 0 is no limit but Refit's own; default 5m"),
			key(preUpdate+"-timeout", "the same for pre-update alone"),
			key(postUpdate+"-timeout", "the same for post-update alone"),
			key("retry-after", "when to try again after exit code 75: 10m, 2h; default the container's next regular time"),
		},
	}
}

// PreUpdate looks at all settings, and runs the command for this stage.
func (h *Hook) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	s, err := read(u)
	if err != nil {
		return hooks.Verdict{}, err
	}
	var ended *exitError
	switch err := h.run(ctx, u, s, preUpdate); {
	case errors.As(err, &ended) && ended.code == tempFail:
		var at time.Time
		if s.retryAfter > 0 {
			at = time.Now().Add(s.retryAfter)
		}
		return hooks.Defer(at, fmt.Sprintf("the %s command asks for later%s", preUpdate, ended.after())), nil
	case err != nil:
		return hooks.Verdict{}, err
	}
	return hooks.Proceed(), nil
}

// PostUpdate runs the command for this stage. Without the gate its failure is
// logged, unless it was given up from outside: then the stage is not over.
func (h *Hook) PostUpdate(ctx context.Context, u *hooks.Update) error {
	s, err := read(u)
	if err == nil {
		err = h.run(ctx, u, s, postUpdate)
	}
	if err != nil && !s.gate && ctx.Err() == nil {
		u.Log().Warn("the post-update command failed, which gates nothing", slog.String("error", err.Error()))
		return nil
	}
	return err
}

// run runs the stage's command, if there is one and a container to run it in.
func (h *Hook) run(ctx context.Context, u *hooks.Update, s settings, stage string) error {
	c := s.commands[stage]
	if len(c.argv) == 0 {
		return nil
	}
	api, err := h.engine()
	if err != nil {
		return fmt.Errorf("reach the engine: %w", err)
	}
	found, err := api.ContainerInspect(ctx, u.Container.ID)
	if err != nil {
		return fmt.Errorf("look at the container: %w", err)
	}
	switch {
	case found.State.Running && !found.State.Restarting:
	case found.State.Restarting && stage == postUpdate:
		return errors.New("the new container is being restarted: there is nothing to run the post-update command in")
	default:
		u.Log().Info("the container does not run: there is nothing to run the command in",
			slog.String("state", found.State.Status))
		return nil
	}
	x := &execution{
		api: api, container: u.Container.ID, startedAt: found.State.StartedAt, stage: stage, command: c,
		user: s.user, workdir: s.workdir, env: environment(u, stage), voice: u,
	}
	return x.run(ctx)
}

// environment is what the command learns of its update, beside the container's own
// environment.
func environment(u *hooks.Update, stage string) []string {
	return []string{
		"REFIT_ATTEMPT=" + u.Attempt, "REFIT_STAGE=" + stage,
		"REFIT_FROM=" + name(u.From), "REFIT_TO=" + name(u.To),
	}
}

// name is an image as exactly as it can be written: "nginx:1@sha256:…".
func name(i hooks.Image) string {
	if i.Digest == "" {
		return i.ID
	}
	return i.Reference + "@" + i.Digest
}
