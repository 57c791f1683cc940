package host

import (
	"syscall"
	"time"

	"github.com/refit-dev/refit/core"
)

// Deny gives the host another kernel: one in which nothing happens when a process is
// killed, and that is given up for dead sooner.
func (h *Host) Deny(patience time.Duration, kill func(pid int, s syscall.Signal) error) {
	h.kernel = kernel{kill: kill, mercy: patience}
}

// WireOutcome is the word that a hook is told.
func WireOutcome(o core.Outcome) string { return wireOutcome(o) }
