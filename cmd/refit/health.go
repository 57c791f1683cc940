package main

import (
	"context"
	"fmt"
	"time"

	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
)

// exitIll is Docker's word for an unhealthy container.
const exitIll = 1

// runHealth tells by the exit code whether the loop is alive, and by a line why
// not. It reads the sign of life that the loop leaves, and asks nobody.
func runHealth(_ context.Context, p *program) (int, error) {
	life, err := ledger.At(p.data).LastBeat()
	self, text := docker.Self(), ""
	switch {
	case err != nil:
		text = err.Error()
	case life.Until.IsZero():
		text = "no loop has run with the state in " + p.data
	case self != "" && life.By != self:
		// Before an update of Refit itself the old one was alive.
		text = "the loop of this container has given no sign of life, another one's has"
	case !life.Until.After(time.Now()):
		text = "the loop has given no sign of life since " + life.Until.Format(time.RFC3339)
	case life.Aside:
		_, err := fmt.Fprintln(p.stdout, "the loop stands by while a helper replaces Refit")
		return exitDone, err
	default:
		_, err := fmt.Fprintln(p.stdout, "the loop is alive")
		return exitDone, err
	}
	_, err = fmt.Fprintln(p.stdout, clean(text))
	return exitIll, err
}
