package main

import (
	"context"
	"fmt"
	"time"

	"github.com/refit-dev/refit/core/ledger"
)

// exitIll is Docker's word for an unhealthy container.
const exitIll = 1

// runHealth tells by the exit code whether the loop is alive, and by a line why
// not. It reads the sign of life that the loop leaves, and asks nobody.
func runHealth(_ context.Context, p *program) (int, error) {
	until, err := ledger.At(p.data).AliveUntil()
	text := ""
	switch {
	case err != nil:
		text = err.Error()
	case until.IsZero():
		text = "no loop has run with the state in " + p.data
	case !until.After(time.Now()):
		text = "the loop has given no sign of life since " + until.Format(time.RFC3339)
	default:
		_, err := fmt.Fprintln(p.stdout, "the loop is alive")
		return exitDone, err
	}
	_, err = fmt.Fprintln(p.stdout, clean(text))
	return exitIll, err
}
