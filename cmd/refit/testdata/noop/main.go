// Command refit-hook-noop is a hook that takes part in every stage and does nothing:
// what it costs is what hooks cost.
package main

import (
	"context"

	"github.com/refit-dev/refit/hooks"
)

func main() { hooks.Serve(noop{}) }

type noop struct{}

func (noop) PreUpdate(context.Context, *hooks.Update) (hooks.Verdict, error) {
	return hooks.Proceed(), nil
}
func (noop) PreRecreate(context.Context, *hooks.Update) error             { return nil }
func (noop) PostUpdate(context.Context, *hooks.Update) error              { return nil }
func (noop) OnRollback(context.Context, *hooks.Update) error              { return nil }
func (noop) Finished(context.Context, *hooks.Update, hooks.Outcome) error { return nil }
