// Package http is a bundled hook that calls URLs around an update: for approvals,
// smoke tests, and systems that want to know.
//
// The operator names the URLs, and a container's label picks one by its name. No URL
// is ever taken from a label, and none is shown: not in an error, not in a log.
// docs/hook-http.md says what is sent, and what an answer means.
package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/refit-dev/refit/hooks"
)

// The settings by which labels pick a URL, and the stages in what is sent.
const (
	preUpdate  = "pre-update"
	postUpdate = "post-update"
	onRollback = "on-rollback"
	finished   = "finished"
)

// Hook calls URLs.
type Hook struct{}

// New returns the hook.
func New() *Hook { return &Hook{} }

// Describe says what the hook is.
func (*Hook) Describe() hooks.Description {
	return hooks.Description{
		Summary: "Calls URLs that the operator configured: approvals before the update, smoke tests after it.",
		Keys: []hooks.Key{
			{Name: preUpdate, Label: true, Help: "name of the URL that is asked before the update: 2xx lets it proceed, 409 is a veto; 202, 423, 425, 429 and 503 put it off"},
			{Name: postUpdate, Label: true, Help: "name of the URL that is asked when the new container runs: 2xx, or the update is rolled back"},
			{Name: finished, Label: true, Help: "name of the URL that is told of the end, whatever it was"},
			{Name: onRollback, Label: true, Help: "name of the URL that is told of the end if it was anything but an update, or nothing at all"},
			{Name: "url.*", Help: "the URL of that name: https://…"},
			{Name: "secret.*", Help: "the secret that signs what is sent to the URL of that name"},
			{Name: "timeout", Help: "how long a call may take, with its repetitions: 1s to 1h; default 30s"},
			{Name: "timeout.*", Help: "the same for the URL of that name alone"},
			{Name: "ca", Help: "file of certificates, in PEM, that are trusted beside the system's"},
		},
	}
}

// PreUpdate looks at all settings, and asks the URL for this stage.
func (*Hook) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	s, err := read(u)
	if err != nil {
		return hooks.Verdict{}, err
	}
	t, there := s.targets[preUpdate]
	if !there {
		return hooks.Proceed(), nil
	}
	a, err := t.call(ctx, u, preUpdate, never)
	if err != nil {
		return hooks.Verdict{}, err
	}
	return a.verdict(t)
}

// PostUpdate asks the URL for this stage. The service may have only just started:
// while nothing answers, it is asked again.
func (*Hook) PostUpdate(ctx context.Context, u *hooks.Update) error {
	s, err := read(u)
	if err != nil {
		return err
	}
	t, there := s.targets[postUpdate]
	if !there {
		return nil
	}
	a, err := t.call(ctx, u, postUpdate, warmingUp)
	if err != nil {
		return err
	}
	return a.pass(t)
}

// Finished tells of the end. It is the end of a rollback as well: to tell of that
// before the old container runs again would keep it from doing so.
func (*Hook) Finished(ctx context.Context, u *hooks.Update, o hooks.Outcome) error {
	s, err := read(u)
	if err != nil {
		return err
	}
	stages := []string{finished}
	if o.Result != hooks.Updated && o.Result != hooks.Held {
		stages = append(stages, onRollback)
	}
	u.Outcome = o
	for _, stage := range stages {
		t, there := s.targets[stage]
		if !there {
			continue
		}
		a, told := t.call(ctx, u, stage, warmingUp)
		if told == nil && a.status/100 != 2 {
			told = a.failure(t)
		}
		err = errors.Join(err, told)
	}
	return err
}

// never and warmingUp say after which answers a call is repeated; none at all is
// status 0.
func never(int) bool { return false }

func warmingUp(status int) bool {
	switch status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// failure is the answer as an error.
func (a answer) failure(t target) error {
	return fmt.Errorf("%s answers %s%s", t.name, a.statusText(), a.because())
}
