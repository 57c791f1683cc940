// Package coretest has an engine and a registry in memory, the conformance suite
// that they and the real ones pass, and what tests of replacements need.
//
// The engine models what a replacement can notice: names, states, restart
// policies, health, tags, volumes. It knows nothing of networks, layers or
// processes; what an engine does with those is tested on a real one.
package coretest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

// Kind is how the containers of an image behave.
type Kind string

// The kinds. Every Bench can make an image of each.
const (
	Good       Kind = "good"        // runs until it is stopped
	NoStart    Kind = "no-start"    // its entrypoint does not exist
	Crash      Kind = "crash"       // ends at once with exit code 1
	CrashLater Kind = "crash-later" // ends with exit code 1 after about 300 ms
	OneShot    Kind = "one-shot"    // ends at once with exit code 0
	Healthy    Kind = "healthy"     // has a healthcheck that passes
	Unhealthy  Kind = "unhealthy"   // has a healthcheck that never passes
)

// Image is an image of the in-memory engine and its registry.
type Image struct {
	ID       string
	Kind     Kind
	Defaults map[string]string // settings that its containers inherit
	Labels   map[string]string
	Volumes  []string // destinations that get an anonymous volume
}

// Spec is a container that is to be made.
type Spec struct {
	Name          string
	Reference     string
	Labels        map[string]string
	Settings      map[string]string // what the user set: any name, any value
	Volumes       map[string]string // destination → named volume, "" for an anonymous one
	RestartPolicy core.RestartPolicy
	DependsOn     []string
	// Shares names the containers whose namespaces it shares: without them it does
	// not run. The engine remembers their ids.
	Shares []string
	// Restarts names the containers after which compose would restart it.
	Restarts []string
}

// Engine is a container engine in memory, and a registry. Use NewEngine.
type Engine struct {
	// KeepsDigests makes containers tell the digest of an image that is gone, as
	// engines do that have their images in containerd's store.
	KeepsDigests bool

	mu         sync.Mutex
	sequence   int
	containers map[string]*container  // by id
	images     map[string]*Image      // local, by id
	digests    map[string][]string    // image id → repository@digest that pulls told
	tags       map[string]string      // local: reference → image id
	volumes    map[string]string      // name → what is in it
	published  map[string]publication // registry: repository@digest
	heads      map[string]string      // registry: reference → digest
	faults     map[string]core.Reason // registry: reference → what Check answers
	clashes    []string               // starts of a container beside another one that writes to the same volume
}

type publication struct{ image Image }

// NewEngine makes an engine with nothing on it.
func NewEngine() *Engine {
	return &Engine{
		containers: map[string]*container{}, images: map[string]*Image{}, digests: map[string][]string{},
		tags: map[string]string{}, volumes: map[string]string{},
		published: map[string]publication{}, heads: map[string]string{}, faults: map[string]core.Reason{},
	}
}

func (e *Engine) next(what string) string {
	e.sequence++
	return fmt.Sprintf("%s-%04d", what, e.sequence)
}

// Reference makes a reference of the in-memory registry.
func Reference(repository, tag string) core.Reference {
	return core.Reference{Text: repository + ":" + tag, Repository: repository, Tag: tag}
}

// refusal is an error with a reason.
type refusal struct{ reason core.Reason }

func (r refusal) Error() string       { return r.reason.Text }
func (r refusal) Reason() core.Reason { return r.reason }

// conflict is the error of a name that is in use.
type conflict struct{ name string }

func (c conflict) Error() string   { return fmt.Sprintf("the name %q is in use", c.name) }
func (c conflict) NameTaken() bool { return true }

// Run makes a container and starts it, pulling its image first if need be.
func (e *Engine) Run(spec Spec) (id string, err error) {
	e.mu.Lock()
	_, there := e.tags[spec.Reference]
	head := e.heads[spec.Reference]
	e.mu.Unlock()
	if !there {
		ref := e.parse(spec.Reference)
		image, err := e.Pull(context.Background(), core.Image{Reference: ref, Digest: head}, nil)
		if err != nil {
			return "", err
		}
		if err = e.Tag(context.Background(), image, spec.Reference); err != nil {
			return "", err
		}
	}
	if id, err = e.make(spec, nil, e.ids(spec.Shares)); err != nil {
		return "", err
	}
	return id, e.Start(context.Background(), id)
}

// ids are the ids of the containers of those names.
func (e *Engine) ids(names []string) (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range names {
		if c := e.find(name); c != nil {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// make creates a container from what its reference's tag points to. Shares are the
// ids of those whose namespaces it shares.
func (e *Engine) make(spec Spec, inherited map[string]string, shares []string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.find(spec.Name) != nil {
		return "", conflict{spec.Name}
	}
	for _, id := range shares {
		if e.containers[id] == nil {
			return "", fmt.Errorf("no such container: %s", id)
		}
	}
	image, there := e.images[e.tags[spec.Reference]]
	if !there {
		return "", fmt.Errorf("no such image: %s", spec.Reference)
	}
	c := &container{
		id: e.next("container"), spec: spec, image: *image, state: core.Created,
		policy: spec.RestartPolicy, mounts: maps.Clone(spec.Volumes), shares: shares,
	}
	if value, there := spec.Labels[core.MarkLabel]; there {
		c.mark = core.ParseMark(value)
	}
	if c.mounts == nil {
		c.mounts = map[string]string{}
	}
	for destination, volume := range inherited {
		c.mounts[destination] = volume
	}
	for _, destination := range slices.Concat(image.Volumes, slices.Sorted(maps.Keys(c.mounts))) {
		if c.mounts[destination] == "" {
			volume := e.next("anonymous")
			e.volumes[volume] = ""
			c.mounts[destination] = volume
			c.own = append(c.own, volume)
		}
	}
	e.containers[c.id] = c
	return c.id, nil
}

// find returns the container of that name or id, nil if there is none.
func (e *Engine) find(nameOrID string) *container {
	if c, there := e.containers[nameOrID]; there {
		return c
	}
	for _, c := range e.containers {
		if c.spec.Name == nameOrID {
			return c
		}
	}
	return nil
}

// parse takes apart a reference of this registry, which has exactly one colon.
func (e *Engine) parse(text string) core.Reference {
	for i := range text {
		if text[i] == ':' {
			return Reference(text[:i], text[i+1:])
		}
	}
	return Reference(text, "latest")
}

// Containers lists all, as update.Census says.
func (e *Engine) Containers(context.Context) ([]core.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []core.Container
	for _, id := range slices.Sorted(maps.Keys(e.containers)) {
		c := e.containers[id]
		c.settle(time.Now())
		all = append(all, e.describe(c))
	}
	return all, nil
}

func (e *Engine) describe(c *container) core.Container {
	labels := maps.Clone(c.image.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, c.spec.Labels)
	d := core.Container{
		ID: c.id, Name: c.spec.Name, State: c.state, Labels: labels, ImageGone: e.images[c.image.ID] == nil,
		Image:     core.Image{Reference: e.parse(c.spec.Reference), ID: c.image.ID},
		DependsOn: slices.Concat(c.spec.DependsOn, c.spec.Restarts), Restarts: c.spec.Restarts, Mark: c.mark,
		RepoDigests: e.repoDigests(c.image.ID),
	}
	for _, id := range c.shares {
		other := e.containers[id]
		if other == nil {
			d.Obstacles = append(d.Obstacles, core.Reason{Code: core.Unsupported, Text: "it shares a namespace of " + id + ", which is gone"})
			continue
		}
		d.Tethers, d.DependsOn = append(d.Tethers, other.spec.Name), append(d.DependsOn, other.spec.Name)
	}
	if d.ImageGone {
		d.Image.Digest = e.keptDigest(c.image.ID)
	} else {
		d.ImageLabels = c.image.Labels
	}
	return d
}

// snapshot is the in-memory engine's own form of a core.Snapshot.
type snapshot struct {
	Spec   Spec
	Mounts map[string]string
	Shares []string // ids
}

// Snapshot writes down a container, as update.Builder says.
func (e *Engine) Snapshot(_ context.Context, id string, known core.Defaults) (core.Snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil, fmt.Errorf("no such container: %s", id)
	}
	if e.images[c.image.ID] == nil && !known.Known() {
		return nil, fmt.Errorf("no such image: %s", c.image.ID)
	}
	spec := c.spec
	spec.RestartPolicy = c.policy
	return json.Marshal(snapshot{spec, c.mounts, c.shares})
}

// Create makes a successor, as update.Builder says.
func (e *Engine) Create(_ context.Context, d core.Draft) (string, error) {
	var s snapshot
	if err := json.Unmarshal(d.From, &s); err != nil {
		return "", err
	}
	spec := s.Spec
	spec.Name, spec.Reference = d.Name, d.Reference
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[core.MarkLabel] = d.Mark.String()
	return e.make(spec, s.Mounts, replaced(s.Shares, d.Replaced))
}

// replaced are ids with others in the place of some.
func replaced(ids []string, others map[string]string) []string {
	var all []string
	for _, id := range ids {
		if other, there := others[id]; there {
			id = other
		}
		all = append(all, id)
	}
	return all
}

// Differences compares, as update.Builder says.
func (e *Engine) Differences(_ context.Context, d core.Draft, id string) ([]string, error) {
	var s snapshot
	if err := json.Unmarshal(d.From, &s); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return nil, fmt.Errorf("no such container: %s", id)
	}
	var lines []string
	compare := func(what string, was, is map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(union(was, is))) {
			if key != core.MarkLabel && was[key] != is[key] {
				lines = append(lines, what+"."+key+" differs")
			}
		}
	}
	compare("Settings", s.Spec.Settings, c.spec.Settings)
	compare("Labels", s.Spec.Labels, c.spec.Labels)
	for destination, volume := range s.Mounts {
		if c.mounts[destination] != volume {
			lines = append(lines, "Mounts."+destination+" differs")
		}
	}
	if s.Spec.RestartPolicy != c.policy {
		lines = append(lines, "RestartPolicy differs")
	}
	if !slices.Equal(replaced(s.Shares, d.Replaced), c.shares) {
		lines = append(lines, "Shares differs")
	}
	return lines, nil
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}
