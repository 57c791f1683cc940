// Package backup is the bundled hook that archives the volumes of a container
// before it is replaced, and puts them back if the replacement is undone.
//
// It reads through the engine's archive API, which needs no helper image and works
// with remote engines. That API only adds and overwrites, so the way back goes through
// a throw-away container made of nothing but this program: see helper.go, extract.go.
//
// What an engine's archives do not carry is not in a backup: parts of a second, extended
// attributes other than capabilities (ACLs among them), and sockets. A restore leaves
// alone what is already right, so that a file which nobody touched keeps all of these.
//
// Nothing here decides when a container is replaced, or knows more of Refit than a
// stranger's hook would.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/refit-dev/refit/hooks"
)

// Hook is the value to serve. The zero Hook works.
type Hook struct {
	// Program is the static Linux program that calls Main, for the container that
	// restores; "" is the running one.
	Program string

	reserve int64 // see task
}

// New returns the hook for hooks.Serve.
func New() *Hook { return &Hook{} }

// Describe says what the settings are.
func (h *Hook) Describe() hooks.Description {
	return hooks.Description{
		Summary: "archives the container's volumes, and restores them on rollback",
		Keys: []hooks.Key{
			{Name: keyPaths, Label: true, Help: "mounts to archive, as paths in the container: /data,/conf (default: all volumes)"},
			{Name: keyWhen, Label: true, Help: "cold: while the container is stopped; hot: while it runs (default: cold)"},
			{Name: keyKeep, Label: true, Help: "how many backups of the container stay, 1 to 1000 (default: 3)"},
			{Name: keyRestore, Label: true, Help: "true: put the volumes back on rollback; needs a cold backup (default: false)"},
			{Name: keyDir, Help: "the folder of all backups, a path where Refit runs: /backup (--backup-dir)"},
		},
	}
}

// state is what the hook wants to be told later in the attempt. The backup is found
// by its attempt all the same: the word may have been lost.
type state struct {
	Backup string `json:"backup,omitempty"` // the name of its folder
	// Helper is the id of the image that a restore would use.
	Helper string `json:"helper,omitempty"`
}

// recall reads what an earlier stage has set. What cannot be read says nothing.
func recall(u *hooks.Update) state {
	var s state
	if json.Unmarshal(u.State, &s) != nil {
		return state{}
	}
	return s
}

// remember sets what later stages are told.
func (s state) remember(u *hooks.Update) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	u.State = b
	return nil
}

// PreUpdate looks for all that would make the backup fail, or the restore, and makes
// a hot backup.
func (h *Hook) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	s, err := parse(u)
	if err != nil {
		return hooks.Verdict{}, err
	}
	t, err := h.begin(ctx, u, s)
	if err != nil {
		return hooks.Verdict{}, err
	}
	defer t.end()
	if err := t.store.probe(); err != nil {
		return hooks.Verdict{}, err
	}
	chosen, err := s.choose(t.container.mounts)
	if err != nil {
		return hooks.Verdict{}, err
	}
	if s.restore {
		if err := errors.Join(t.canRestore(ctx), t.unshared(ctx, chosen)); err != nil {
			return hooks.Verdict{}, err
		}
	}
	if len(chosen) == 0 {
		t.log.Warn("the container has no volume: there is nothing to back up")
		return hooks.Proceed(), nil
	}
	if err := t.checkRoom(ctx, chosen); err != nil {
		return hooks.Verdict{}, err
	}
	switch {
	case s.restore:
		return hooks.Proceed(), t.ready(ctx, u)
	case s.hot:
		return hooks.Proceed(), t.backUp(ctx, u, s, chosen)
	}
	return hooks.Proceed(), nil
}

// PreRecreate makes a cold backup.
func (h *Hook) PreRecreate(ctx context.Context, u *hooks.Update) error {
	s, err := parse(u)
	if err != nil || s.hot {
		return err
	}
	t, err := h.begin(ctx, u, s)
	if err != nil {
		return err
	}
	defer t.end()
	if t.container.running {
		return fmt.Errorf("%s runs: a cold backup needs it to be stopped", t.container.name)
	}
	chosen, err := s.choose(t.container.mounts)
	if err != nil || len(chosen) == 0 {
		return err
	}
	if s.restore {
		// Either may have changed while the container was being stopped.
		if err := errors.Join(t.unshared(ctx, chosen), t.ready(ctx, u)); err != nil {
			return err
		}
	}
	return t.backUp(ctx, u, s, chosen)
}

// ready makes sure that the helper's image is on the engine. The new version may fill
// the disk, and then it is too late to import one.
func (t *task) ready(ctx context.Context, u *hooks.Update) error {
	known := recall(u)
	h, err := t.helper(ctx, known.Helper)
	if err != nil {
		return fmt.Errorf("prepare for a restore: %w", err)
	}
	known.Helper = h.id
	return known.remember(u)
}

// OnRollback restores, where that is wanted and can be needed. It may be repeated
// after any failure: it begins with the end of what an earlier try has left running.
func (h *Hook) OnRollback(ctx context.Context, u *hooks.Update) error {
	s, err := parse(u)
	if err != nil {
		return err
	}
	t, err := h.prepare(ctx, u, s)
	if err != nil {
		return err
	}
	defer t.end()
	switch {
	case !s.restore:
		t.log.Info("nothing is restored: restore=true is not set")
	case !u.Started:
		t.log.Info("nothing is restored: the new container was not started, so it has changed nothing")
	case !u.Stopped:
		return errors.New("nothing is restored: a container may still be running")
	default:
		if err := t.restore(ctx, u, s); err != nil {
			return err // and every backup stays, with the helper's image, for the next try
		}
	}
	return t.tidy(ctx, s)
}

func (t *task) restore(ctx context.Context, u *hooks.Update, s settings) error {
	t.image = recall(u).Helper
	// Whatever comes of this, the old container is started afterwards, and nobody may
	// write into its volumes then.
	if err := t.sweepHelpers(ctx, t.image); err != nil {
		return err
	}
	if err := t.find(ctx, u.Container.ID); err != nil {
		return err
	}
	chosen, err := s.choose(t.container.mounts)
	if err != nil {
		return err
	}
	b, err := t.store.ofAttempt(u.Container.Name, u.Attempt)
	switch {
	case errors.Is(err, errNoBackup) && len(chosen) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("nothing is restored: %w", err)
	}
	return t.putBack(ctx, b, true)
}

// Finished removes the backups that are one too many, and the helper's image.
func (h *Hook) Finished(ctx context.Context, u *hooks.Update, _ hooks.Outcome) error {
	s, err := parse(u)
	if err != nil {
		return nil // which PreUpdate has told
	}
	t, err := h.prepare(ctx, u, s)
	if err != nil {
		return err
	}
	defer t.end()
	return t.tidy(ctx, s)
}

// tidy leaves what is to stay after the attempt.
func (t *task) tidy(ctx context.Context, s settings) error {
	err := t.store.prune(t.container.name, s.keep, t.attempt)
	if err != nil {
		err = fmt.Errorf("remove old backups of %s: %w", t.container.name, err)
	}
	if !s.restore {
		return err
	}
	return errors.Join(err, t.sweepHelpers(ctx, ""))
}
