// Command refit keeps the containers of a Docker host up to date.
//
// It holds flags, environment, signals, exit codes, output and wiring. It
// decides nothing about a container and does nothing to one: see core and
// core/update for that.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the image has no files, and schedules have time zones

	_ "golang.org/x/crypto/x509roots/fallback" // nor certificates of public authorities
)

// main catches a second signal like the first, so that it changes nothing: a
// replacement that is being undone must not be cut short.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], variablesOf(os.Environ()), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
