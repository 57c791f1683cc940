package coretest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// Keep and Test are the hooks of Hooks.
const (
	// Keep keeps what is in a container's volumes before the update, in its state
	// token, and puts it back on rollback.
	Keep = "keep"
	// Test tests the new container.
	Test = "test"
)

// Hooks are two hooks in memory, as update.Hooks wants them. They check at every
// call what a stage promises to its hooks.
type Hooks struct {
	Engine *Engine // required
	// Answer, if set, answers instead of the hooks where it returns true.
	Answer func(core.HookCall) (core.HookReply, error, bool)
	// Rejects makes Test refuse every new container.
	Rejects bool

	mu    sync.Mutex
	calls []core.HookCall
	wrong []string
}

// Describe says what the hooks of those names are.
func (h *Hooks) Describe(_ context.Context, names []string) map[string]core.HookAnswer {
	known := map[string]core.HookAnswer{
		Keep: {Stages: []core.Stage{core.PreUpdate, core.PreRecreate, core.OnRollback, core.Finished}, LabelKeys: []string{"paths"}, Keys: []string{"paths", "dir"}},
		Test: {Stages: []core.Stage{core.PreUpdate, core.PostUpdate, core.Finished}},
	}
	answers := map[string]core.HookAnswer{}
	for _, name := range names {
		if a, there := known[strings.TrimSuffix(name, "2")]; there { // keep2 is another keep
			answers[name] = a
		}
	}
	return answers
}

// Rest has nothing to end.
func (h *Hooks) Rest() {}

// Call does what the hook does.
func (h *Hooks) Call(_ context.Context, c core.HookCall) (core.HookReply, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, c)
	if wrong := h.Engine.breaks(c); wrong != "" {
		h.wrong = append(h.wrong, fmt.Sprintf("hook %s at %s: %s", c.Hook, c.Stage, wrong))
	}
	if h.Answer != nil {
		if reply, err, answered := h.Answer(c); answered {
			return reply, err
		}
	}
	if strings.HasPrefix(c.Hook, Keep) {
		return h.Engine.keep(c)
	}
	if c.Stage == core.PostUpdate && h.Rejects {
		return core.HookReply{}, errors.New("the new version answers nonsense")
	}
	return core.HookReply{State: c.State}, nil
}

// keep is what the hook of that name does.
func (e *Engine) keep(c core.HookCall) (core.HookReply, error) {
	reply := core.HookReply{State: c.State}
	switch c.Stage {
	case core.PreRecreate:
		reply.State = e.save(c.ID)
	case core.OnRollback:
		if c.Stopped && c.Started && len(c.State) > 0 {
			return reply, e.restore(c.State)
		}
	}
	return reply, nil
}

// Calls are all calls so far.
func (h *Hooks) Calls() []core.HookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Wrong says which promises of a stage did not hold when it was called.
func (h *Hooks) Wrong() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.wrong)
}

// Unended says what is wrong with the ends that the hooks were told: each of those
// that were called gets one, of one kind, the last one first. Repeated allows the
// same end twice, for a process that has died.
func Unended(calls []core.HookCall, repeated bool) []string {
	var wrong []string
	var called, ended []string
	ends := map[string][]core.Stage{}
	for _, c := range calls {
		switch {
		case c.Stage == core.OnRollback || c.Stage == core.Finished:
			ends[c.Hook] = append(ends[c.Hook], c.Stage)
			if !slices.Contains(ended, c.Hook) {
				ended = append(ended, c.Hook)
			}
		case len(ends[c.Hook]) > 0:
			wrong = append(wrong, fmt.Sprintf("hook %s was called at %s after its end", c.Hook, c.Stage))
		case !slices.Contains(called, c.Hook):
			called = append(called, c.Hook)
		}
	}
	for _, name := range called {
		kinds := slices.Compact(slices.Clone(ends[name]))
		if len(kinds) != 1 || len(ends[name]) > 1 && !repeated {
			wrong = append(wrong, fmt.Sprintf("hook %s was told the ends %v", name, ends[name]))
		}
	}
	return wrong
}

// breaks says which promise of the stage does not hold.
func (e *Engine) breaks(c core.HookCall) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var up []string
	for _, name := range []string{c.Name, c.Name + core.NewSuffix, c.Name + core.OldSuffix} {
		found := e.find(name)
		if found != nil && found.state.Up() && !strings.HasPrefix(found.id, "stranger") {
			up = append(up, name)
		}
	}
	cold := c.Stage == core.PreRecreate || c.Stage == core.OnRollback && c.Stopped
	switch {
	case cold && len(up) > 0:
		return "nothing should run, and these do: " + strings.Join(up, ", ")
	case c.Stage == core.PostUpdate && !slices.Contains(up, c.Name):
		return "the new container does not run"
	default:
		return ""
	}
}

// save returns what is in the volumes of a container.
func (e *Engine) save(id string) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	kept := map[string]string{}
	if c := e.containers[id]; c != nil {
		for _, volume := range c.mounts {
			kept[volume] = e.volumes[volume]
		}
	}
	b, err := json.Marshal(kept)
	if err != nil { // strings only: cannot happen
		panic(err)
	}
	return b
}

// restore puts back what save has returned.
func (e *Engine) restore(kept []byte) error {
	var volumes map[string]string
	if err := json.Unmarshal(kept, &volumes); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for volume, content := range volumes {
		if _, there := e.volumes[volume]; there {
			e.volumes[volume] = content
		}
	}
	return nil
}

// Contents returns what is in the volumes of a container, by destination: the ids
// of the images that have written there, in the order in which they came.
func (e *Engine) Contents(id string) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	contents := map[string]string{}
	if c := e.containers[id]; c != nil {
		for destination, volume := range c.mounts {
			contents[destination] = e.volumes[volume]
		}
	}
	return contents
}

// Clashes are the starts of a container while another one ran that writes to one of
// its volumes.
func (e *Engine) Clashes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.clashes)
}

// clash notes if a container that starts is not the only one that writes.
func (e *Engine) clash(c *container) {
	for _, other := range e.containers {
		if other.settle(time.Now()); other == c || !other.state.Up() {
			continue
		}
		for _, volume := range c.mounts {
			if slices.Contains(slices.Collect(maps.Values(other.mounts)), volume) {
				e.clashes = append(e.clashes, c.spec.Name+" beside "+other.spec.Name)
			}
		}
	}
}

// write lets a container that starts write into its volumes, unless its image was
// the last one to do so.
func (e *Engine) write(c *container) {
	for _, volume := range c.mounts {
		content, there := e.volumes[volume]
		if there && !strings.HasSuffix(content, c.image.ID) {
			e.volumes[volume] = strings.TrimSpace(content + " " + c.image.ID)
		}
	}
}
