package hookstest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

// smoke is the hook of the examples.
type smoke struct{}

func (smoke) Describe() hooks.Description {
	return hooks.Description{
		Summary: "Lets nobody update on a whim.",
		Keys:    []hooks.Key{{Name: "ticket", Help: "why it is done; needed", Label: true}},
	}
}

func (smoke) PreUpdate(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
	ticket := u.Setting("ticket")
	if ticket == "" {
		return hooks.Veto("there is no ticket"), nil
	}
	u.Log().Info("there is a ticket", slog.String("ticket", ticket))
	u.State = []byte(ticket)
	return hooks.Proceed(), nil
}

func (smoke) Finished(_ context.Context, u *hooks.Update, _ hooks.Outcome) error {
	if len(u.State) == 0 {
		return errors.New("there is no ticket to close")
	}
	return nil
}

// In a test, t is the test's own.
var t *testing.T

// Run belongs into every hook's tests.
func ExampleRun() {
	// func TestHook(t *testing.T) {
	hookstest.Run(t, smoke{})
	// }
}

// New is for tests of what a hook does.
func ExampleNew() {
	// func TestTicket(t *testing.T) {
	c := hookstest.New(t, smoke{})
	u := &hooks.Update{Labels: map[string]string{"ticket": "OPS-7"}}

	got, err := c.Call(t.Context(), hookstest.PreUpdate, u)
	if err != nil || got.Verdict != hooks.Proceed() {
		t.Errorf("got %v and %v", got.Verdict, err)
	}

	// What the hook has put into u.State goes with u into the next stage.
	if _, err := c.Call(t.Context(), hookstest.Finished, u); err != nil {
		t.Error(err)
	}
	// }
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	c := hookstest.New(t, smoke{})
	u := &hooks.Update{}
	got, err := c.Call(t.Context(), hookstest.PreUpdate, u)
	if err != nil || got.Verdict != hooks.Veto("there is no ticket") {
		t.Errorf("without a ticket: got %v and %v", got.Verdict, err)
	}
	if _, err := c.Call(t.Context(), hookstest.Finished, u); err == nil || err.Error() != "there is no ticket to close" {
		t.Errorf("the end without a ticket: got %v", err)
	}
	u.Labels = map[string]string{"ticket": "OPS-7"}
	got, err = c.Call(t.Context(), hookstest.PreUpdate, u)
	if err != nil || got.Verdict != hooks.Proceed() || got.Lines[0].Attributes["ticket"] != "OPS-7" {
		t.Errorf("with a ticket: got %v and %v", got, err)
	}
	if _, err := c.Call(t.Context(), hookstest.Finished, u); err != nil {
		t.Errorf("the end: %v", err)
	}
}
