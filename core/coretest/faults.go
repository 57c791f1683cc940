package coretest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/refit-dev/refit/core"
)

// Scene is where a fault happens: an engine on which the container Name is being
// replaced.
type Scene struct {
	Engine *Engine
	Name   string
	Cancel context.CancelFunc // of the replacement's context
}

// Fault is something that goes wrong at one call of a replacement.
type Fault struct {
	Name string
	// Act stands in for the call, which it makes by do, or does not.
	Act func(s *Scene, do func() error) error
	// Fatal faults are followed by nothing: every later call of the process
	// fails without effect, as if it had been killed.
	Fatal bool
	// Interloper faults are what somebody else does.
	Interloper bool
	// Will is set for what somebody does on purpose to the containers: then
	// what they wanted is allowed, too.
	Will Will
}

// Will is what somebody wanted who interfered.
type Will int

// What an interloper may want.
const (
	NoWill  Will = iota
	Removal      // that the container is gone
	Halt         // that it is stopped
	Theft        // the name
)

var errFault = errors.New("the engine says no")

// Faults are all that the enumeration tries at every call.
func Faults() []Fault {
	faults := []Fault{
		{Name: "error before its effect", Act: func(_ *Scene, _ func() error) error { return errFault }},
		{Name: "error after its effect", Act: func(_ *Scene, do func() error) error {
			_ = do()
			return errFault
		}},
		{Name: "timeout", Act: func(_ *Scene, do func() error) error {
			_ = do()
			time.Sleep(30 * time.Second)
			return fmt.Errorf("no answer: %w", context.DeadlineExceeded)
		}},
		{Name: "cancelled", Act: func(s *Scene, do func() error) error {
			s.Cancel()
			return do()
		}},
		{Name: "killed before", Fatal: true, Act: func(*Scene, func() error) error { return errFault }},
		{Name: "killed after", Fatal: true, Act: func(_ *Scene, do func() error) error {
			_ = do()
			return errFault
		}},
	}
	return append(faults, interlopers()...)
}

// interlopers are people and programs that act between two calls.
func interlopers() []Fault {
	act := func(name string, will Will, what func(e *Engine, name string)) Fault {
		return Fault{Name: "somebody " + name, Interloper: true, Will: will, Act: func(s *Scene, do func() error) error {
			what(s.Engine, s.Name)
			return do()
		}}
	}
	return []Fault{
		act("removes the container", Removal, func(e *Engine, name string) { e.Delete(name) }),
		act("removes the parked one", Removal, func(e *Engine, name string) { e.Delete(name + core.OldSuffix) }),
		act("removes the waiting one", NoWill, func(e *Engine, name string) { e.Delete(name + core.NewSuffix) }),
		act("stops the container", Halt, func(e *Engine, name string) { e.Halt(name) }),
		act("starts the container", NoWill, func(e *Engine, name string) { _ = e.Start(context.Background(), e.id(name)) }),
		act("starts the parked one", NoWill, func(e *Engine, name string) { _ = e.Start(context.Background(), e.id(name+core.OldSuffix)) }),
		act("starts the waiting one", NoWill, func(e *Engine, name string) { _ = e.Start(context.Background(), e.id(name+core.NewSuffix)) }),
		act("takes the name", Theft, func(e *Engine, name string) { e.Steal(name) }),
		act("takes the waiting one's name", NoWill, func(e *Engine, name string) { e.Steal(name + core.NewSuffix) }),
		act("takes the parked one's name", NoWill, func(e *Engine, name string) { e.Steal(name + core.OldSuffix) }),
		act("prunes containers and images", NoWill, func(e *Engine, _ string) { e.Prune() }),
		act("prunes everything unused", NoWill, func(e *Engine, _ string) { e.PruneAll() }),
		act("moves the tag", NoWill, func(e *Engine, _ string) { e.MoveTags() }),
	}
}

// id is the id of the container of that name, "" if there is none.
func (e *Engine) id(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(name); c != nil {
		return c.id
	}
	return ""
}

// Delete removes a container by force, as "docker rm --force" does.
func (e *Engine) Delete(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(name); c != nil {
		delete(e.containers, c.id)
	}
}

// Halt stops a container, as "docker kill" does.
func (e *Engine) Halt(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(name); c != nil && c.state.Up() {
		c.state, c.exitCode, c.signalled = core.Exited, 137, time.Now()
	}
}

// Steal makes a container of somebody else's under the name, if it is free. Its id
// begins with "stranger".
func (e *Engine) Steal(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.find(name) != nil {
		return
	}
	id := e.next("stranger")
	e.containers[id] = &container{
		id: id, spec: Spec{Name: name, Reference: "stranger:1"}, image: Image{ID: "sha256:stranger", Kind: Good},
		state: core.Running, started: time.Now(), mounts: map[string]string{},
	}
}

// Prune removes every container that does not run, and every image that has no
// tag and no container, as "docker system prune" does. A digest does not save an image.
func (e *Engine) Prune() {
	e.prune(func(image string) bool { return len(e.tagsOf(image)) > 0 })
}

// PruneAll removes every container that does not run, and every image that has no
// container, together with its tags and digests, as "docker system prune --all"
// does. Only the registry has such an image then.
func (e *Engine) PruneAll() {
	e.prune(func(string) bool { return false })
}

// prune removes what does not run, and the images without a container that are
// not spared.
func (e *Engine) prune(spared func(image string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, c := range e.containers {
		if c.settle(time.Now()); !c.state.Up() {
			delete(e.containers, id)
		}
	}
	for id := range e.images {
		if e.used(id) || spared(id) {
			continue
		}
		maps.DeleteFunc(e.tags, func(_, image string) bool { return image == id })
		delete(e.images, id)
		delete(e.digests, id)
	}
}

// MoveTags makes every tag of the registry stand for another image, and the
// engine's own tags, as "docker pull" of a newer image does.
func (e *Engine) MoveTags() {
	e.mu.Lock()
	var references []string
	for reference := range e.heads {
		references = append(references, reference)
	}
	e.mu.Unlock()
	for _, reference := range references {
		newer := e.Publish(e.parse(reference), Image{Kind: Good})
		if id, err := e.Pull(context.Background(), newer, nil); err == nil {
			_ = e.Tag(context.Background(), id, reference)
		}
	}
}
