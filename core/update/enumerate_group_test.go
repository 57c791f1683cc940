package update_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
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

// hangers are those of the group beside web, in the order in which they depend on
// one another.
var hangers = []coretest.Spec{
	{Name: "side", Reference: "side:1", Shares: []string{"web"}},
	{Name: "leaf", Reference: "leaf:1", Shares: []string{"side"}},
	{Name: "dep", Reference: "dep:1", Restarts: []string{"web"}},
}

// furnish makes what the trial has beside web.
func (e *enumeration) furnish() {
	if e.paused {
		if err := e.engine.Pause(e.Context(), e.old.ID); err != nil {
			e.Fatal(err)
		}
	}
	if !e.group {
		return
	}
	e.before = map[string]core.Status{}
	for _, s := range hangers {
		repository, _, _ := strings.Cut(s.Reference, ":")
		e.engine.Publish(coretest.Reference(repository, "1"), coretest.Image{Kind: coretest.Good, Volumes: []string{"/data"}})
		s.RestartPolicy = always
		if e.bad && s.Name == "side" {
			s.Labels = map[string]string{"refit.enable": "true"}
		}
		time.Sleep(time.Second)
		if _, err := e.engine.Run(s); err != nil {
			e.Fatal(err)
		}
		e.before[s.Name] = e.look(s.Name)
	}
	if e.bad {
		e.engine.Publish(coretest.Reference("side", "1"), coretest.Image{Kind: coretest.Crash, Volumes: []string{"/data"}})
	}
}

// groupViolations says what is wrong with those that hang on web.
func (e *enumeration) groupViolations(all []core.Container) (wrong []string) {
	if !e.group || e.fault.Will == coretest.Theft {
		return nil
	}
	web := e.look("web")
	for _, spec := range hangers {
		name, before := spec.Name, e.before[spec.Name]
		now := e.look(name)
		add := func(format string, args ...any) { wrong = append(wrong, name+" "+fmt.Sprintf(format, args...)) }
		gone := e.fault.Will == coretest.Removal
		switch {
		case !now.Exists() && !gone:
			add("is lost")
		case !now.Exists(), gone && e.broken(name, all):
			continue
		case !now.State.Up() && e.fault.Will != coretest.Halt && !gone:
			add("is %s", now.State)
		case now.RestartPolicy != always:
			add("has restart policy %v", now.RestartPolicy)
		case now.ImageID != before.ImageID && !strings.HasSuffix(e.fault.Name, "moves the tag"):
			add("runs another image, %s", now.ImageID)
		case name == "dep" && now.ID != before.ID && !strings.Contains(e.fault.Name, "prunes"):
			add("was made anew")
		case e.broken(name, all):
			add("shares the namespace of one that is gone")
		case now.State.Up() && len(spec.Shares) > 0 && e.look(spec.Shares[0]).StartedAt.After(now.StartedAt) && !e.fault.Interloper && web.State.Up():
			add("shares an earlier life of %s", spec.Shares[0])
		}
	}
	return wrong
}

// broken tells whether the container shares a namespace of one that is gone.
func (e *enumeration) broken(name string, all []core.Container) bool {
	i := slices.IndexFunc(all, func(c core.Container) bool { return c.Name == name })
	return i >= 0 && len(all[i].Obstacles) > 0
}
