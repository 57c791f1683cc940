// Package host is Refit's end of the hooks: it finds plugins, decides whether they
// may be trusted, starts and ends their processes, and calls their stages. It
// satisfies core/update's Hooks.
//
// Nothing here knows what a hook does (plugins/*), how one is written (hooks), or
// what an answer means for a replacement (core/update). It needs Linux.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
)

// Host has the plugins of one Refit. The zero value knows none. Its fields are not
// to be changed once it is used.
//
// Every plugin runs in one process at most, which all calls share until Rest.
type Host struct {
	// Dir is the folder of the plugins, files named refit-hook-NAME. "" is none.
	Dir string
	// Bundled are the plugins that Refit itself is: name to command line. A file in
	// Dir of the same name wins.
	Bundled map[string][]string
	// Checksums is a file in the format of sha256sum. Where it is set, a plugin of
	// Dir that it does not list, or that has changed, is not started. Bundled plugins
	// are part of Refit, and are not looked up. "" is none.
	Checksums string
	// Env names the variables that plugins get beside the few that they always get.
	Env []string
	// Getenv reads a variable of Refit's own environment. Nil is os.Getenv.
	Getenv func(string) string
	// Config are the operator's settings: hook, key, value.
	Config map[string]map[string]string
	// StartTimeout is how long a plugin may take to start and to say what it is: 10
	// seconds if it is 0.
	StartTimeout time.Duration
	// Timeout is how long a stage may take: an hour if it is 0. OnRollback may take as
	// long as it takes, because what was restored in part is worse than what was not.
	// Stall is how long a plugin may say nothing in any stage: 2 minutes if it is 0.
	Timeout, Stall time.Duration
	// TempDir is a folder for plugins' temporary files where the system has none. It
	// is made if it is not there.
	TempDir string
	// Log takes what the plugins say. Nil takes it and keeps quiet.
	Log *slog.Logger

	kernel  kernel    // the system's, if it is zero
	once    sync.Once // looks for what a killed Refit has left
	mishaps mishaps
	orphans orphans
	mu      sync.Mutex
	slots   map[string]*slot
	known   map[string]description
}

// Plugin is one hook as a person may want to see it.
type Plugin struct {
	Name    string
	Path    string // of the file, or of Refit itself
	Bundled bool
	Summary string
	Version string
	Stages  []core.Stage
	Keys    []hooks.Key
	// Fault is why it cannot be used. Its code is "" if it can.
	Fault core.Reason
}

// fault is why a hook cannot be used.
type fault struct{ core.Reason }

func (f *fault) Error() string { return f.Text }

func unusable(name string, err error) core.Reason {
	var f *fault
	if errors.As(err, &f) {
		return f.Reason
	}
	return core.Reason{Code: core.HookUnusable, Text: fmt.Sprintf("hook %s cannot be used: %v", name, err)}
}

// Describe says of every name what the hook is, or why it cannot be used. The file
// is looked at each time; the plugin is started only if it is another than before,
// and runs until Rest. One that did not start is not tried again for 30 seconds, or
// until Rest.
func (h *Host) Describe(ctx context.Context, names []string) map[string]core.HookAnswer {
	plugins := h.describeAll(ctx, names)
	answers := make(map[string]core.HookAnswer, len(plugins))
	for name, p := range plugins {
		a := core.HookAnswer{Stages: p.Stages, Fault: p.Fault}
		for _, k := range p.Keys {
			a.Keys = append(a.Keys, k.Name)
			if k.Label {
				a.LabelKeys = append(a.LabelKeys, k.Name)
			}
		}
		answers[name] = a
	}
	return answers
}

// List returns all hooks that there are, by name, also those that cannot be used.
// It starts each of them, like Describe.
func (h *Host) List(ctx context.Context) []Plugin {
	names, err := h.names()
	if err != nil {
		h.log().Warn("the plugin folder cannot be read", slog.String("error", err.Error()))
	}
	all := slices.Collect(maps.Values(h.describeAll(ctx, names)))
	slices.SortFunc(all, func(a, b Plugin) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// describeAll describes the hooks, at the same time.
func (h *Host) describeAll(ctx context.Context, names []string) map[string]Plugin {
	var mu sync.Mutex
	var all sync.WaitGroup
	plugins := make(map[string]Plugin, len(names))
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		all.Go(func() {
			p := h.describe(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			plugins[name] = p
		})
	}
	all.Wait()
	return plugins
}

func (h *Host) describe(ctx context.Context, name string) Plugin {
	p := Plugin{Name: name}
	exe, err := h.find(name)
	if err != nil {
		p.Fault = unusable(name, err)
		return p
	}
	p.Path, p.Bundled = exe.path, exe.bundled
	d, err := h.ask(ctx, exe)
	if err == nil {
		p.Summary, p.Version, p.Stages, p.Keys = d.summary, d.version, d.stages, d.keys
		err = d.checkConfig(name, h.Config[name])
	}
	if err != nil {
		p.Fault = unusable(name, err)
	}
	return p
}

// ask returns what the plugin says of itself, from memory if it is the same.
func (h *Host) ask(ctx context.Context, exe executable) (description, error) {
	image, err := h.open(exe)
	if err != nil {
		return description{}, err
	}
	defer image.Close()
	h.mu.Lock()
	d, there := h.known[exe.name]
	h.mu.Unlock()
	if there && d.of == image.identity {
		return d, nil
	}
	p, leave, err := h.process(ctx, core.HookCall{Hook: exe.name})
	if err != nil {
		return description{}, err
	}
	defer leave()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = map[string]description{}
	}
	h.known[exe.name] = p.description
	return p.description, nil
}

// Rest ends all processes. They are asked to end first, and are killed if they take
// too long. Nobody may be in a call.
func (h *Host) Rest() {
	h.mishaps.forget()
	h.mu.Lock()
	slots := slices.Collect(maps.Values(h.slots))
	h.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range slots {
		all.Go(func() {
			s.gate <- struct{}{}
			defer func() { <-s.gate }()
			if s.process != nil {
				s.process.end("Refit needs it no more")
				s.process = nil
			}
		})
	}
	all.Wait()
	h.orphans.bury()
}

// Close is Rest. It returns nil.
func (h *Host) Close() error {
	h.Rest()
	return nil
}

// slot is the place of one plugin's process.
type slot struct {
	gate    chan struct{} // holds one while somebody looks at process
	process *process      // nil before the first start
}

func (h *Host) slot(name string) *slot {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.slots[name]
	if s == nil {
		s = &slot{gate: make(chan struct{}, 1)}
		if h.slots == nil {
			h.slots = map[string]*slot{}
		}
		h.slots[name] = s
	}
	return s
}

// process returns the process of the call's hook, and starts it if none runs. The
// call counts as in flight until leave is called.
func (h *Host) process(ctx context.Context, c core.HookCall) (_ *process, leave func(), _ error) {
	if ctx.Err() != nil {
		return nil, nil, givenUp(ctx)
	}
	s := h.slot(c.Hook)
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	case <-ctx.Done():
		return nil, nil, givenUp(ctx)
	}
	if s.process != nil {
		if leave, ok := s.process.enter(c); ok {
			return s.process, leave, nil
		}
		s.process.end("it has ended")
		s.process = nil
	}
	p, err := h.start(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	s.process = p
	leave, ok := p.enter(c)
	if !ok {
		return nil, nil, p.died()
	}
	return p, leave, nil
}

// givenUp says that the caller wants no answer any more.
func givenUp(ctx context.Context) error {
	return fmt.Errorf("given up: %w", context.Cause(ctx))
}

func (h *Host) log() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}

func (h *Host) getenv(name string) string {
	if h.Getenv == nil {
		return os.Getenv(name)
	}
	return h.Getenv(name)
}

func (h *Host) startTimeout() time.Duration { return cmp.Or(h.StartTimeout, 10*time.Second) }
func (h *Host) timeout() time.Duration      { return cmp.Or(h.Timeout, time.Hour) }
func (h *Host) stall() time.Duration        { return cmp.Or(h.Stall, 2*time.Minute) }
