package update_test

import (
	"sync/atomic"
	"testing"

	"github.com/refit-dev/refit/core/coretest"
)

// TestEveryFaultAtEveryCallWithAGroup is the proof of promise P1 for a container on
// which others hang: side shares its namespace, leaf shares side's, and dep is
// restarted after it. Whatever happens, all of them stand as they were, on one another.
func TestEveryFaultAtEveryCallWithAGroup(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases enumerated", cases.Load()) })
	for _, tr := range []*trial{
		{kind: coretest.Good, group: true},
		{kind: coretest.Crash, group: true},
		{kind: coretest.Good, group: true, bad: true},
		{kind: coretest.Good, group: true, victim: "side"},
	} {
		enumerateAll(t, &cases, tr)
	}
}

// TestEveryFaultAtEveryCallStartFirst is the same for a container whose successor
// proves itself beside it.
func TestEveryFaultAtEveryCallStartFirst(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases enumerated", cases.Load()) })
	for _, kind := range []coretest.Kind{coretest.Good, coretest.Crash, coretest.Unhealthy} {
		enumerateAll(t, &cases, &trial{kind: kind, beside: true})
	}
}

// TestEveryFaultAtEveryCallPaused is the same for a container that is paused.
func TestEveryFaultAtEveryCallPaused(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases enumerated", cases.Load()) })
	for _, kind := range []coretest.Kind{coretest.Good, coretest.Crash} {
		enumerateAll(t, &cases, &trial{kind: kind, paused: true})
	}
}
