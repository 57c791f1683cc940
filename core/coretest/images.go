package coretest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
)

// Publish puts an image into the registry under the reference's tag and returns
// its digest.
func (e *Engine) Publish(ref core.Reference, image Image) core.Image {
	e.mu.Lock()
	defer e.mu.Unlock()
	image.ID = e.next("sha256:image")
	digest := e.next("sha256:digest")
	e.published[ref.Repository+"@"+digest] = publication{image}
	e.heads[ref.Text] = digest
	return core.Image{Reference: ref, Digest: digest, ID: image.ID}
}

// Published returns the image behind a digest in the registry.
func (e *Engine) Published(image core.Image) Image {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.published[image.Reference.Repository+"@"+image.Digest].image
}

// Fail makes the registry answer a check of that reference with a fault; a zero
// fault ends that.
func (e *Engine) Fail(reference string, fault core.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults[reference] = fault
}

// Check answers as update.Checker does.
func (e *Engine) Check(_ context.Context, queries []core.Query) map[core.Query]core.Answer {
	e.mu.Lock()
	defer e.mu.Unlock()
	answers := map[core.Query]core.Answer{}
	for _, q := range queries {
		digest, there := e.heads[q.Reference.Text]
		switch fault := e.faults[q.Reference.Text]; {
		case fault.Code != "":
			answers[q] = core.Answer{Fault: fault}
		case !there:
			answers[q] = core.Answer{Fault: core.Reason{Code: core.NotFound, Text: q.Reference.Text + " is not there"}}
		default:
			answers[q] = core.Answer{Digest: digest}
		}
	}
	return answers
}

// pullSize is how much every image is to pull.
const pullSize core.Size = 1_500_000

// Pull fetches by digest, as update.Images says.
func (e *Engine) Pull(_ context.Context, image core.Image, hear func(done, of core.Size)) (string, error) {
	if hear != nil {
		hear(pullSize, pullSize)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	name := image.Reference.Repository + "@" + image.Digest
	p, there := e.published[name]
	if !there {
		return "", refusal{core.Reason{Code: core.NotFound, Text: name + " is not there"}}
	}
	copied := p.image
	e.images[copied.ID] = &copied
	if !slices.Contains(e.digests[copied.ID], name) {
		e.digests[copied.ID] = append(e.digests[copied.ID], name)
	}
	return copied.ID, nil
}

func (e *Engine) repoDigests(image string) []core.Reference {
	var all []core.Reference
	for _, name := range e.digests[image] {
		repository, digest, _ := strings.Cut(name, "@")
		all = append(all, core.Reference{Repository: repository, Digest: digest})
	}
	return all
}

// keptDigest is the digest of an image that is gone, "" if containers do not tell it.
func (e *Engine) keptDigest(image string) string {
	for name, p := range e.published {
		if _, digest, _ := strings.Cut(name, "@"); e.KeepsDigests && p.image.ID == image {
			return digest
		}
	}
	return ""
}

// Lose takes an image from the engine, with all its names, whatever uses it.
func (e *Engine) Lose(image string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.images, image)
	delete(e.digests, image)
	maps.DeleteFunc(e.tags, func(_, id string) bool { return id == image })
}

// says is what an image of the in-memory engine says, as Defaults.Config.
type says struct {
	Labels   map[string]string
	Settings map[string]string
	Kind     Kind
}

func (i Image) says() json.RawMessage {
	b, err := json.Marshal(says{i.Labels, i.Defaults, i.Kind})
	if err != nil { // texts only: cannot happen
		panic(err)
	}
	return b
}

// Defaults tells what an image says, as update.Defaulter says.
func (e *Engine) Defaults(_ context.Context, imageID string) (core.Defaults, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	image, there := e.images[imageID]
	if !there {
		return core.Defaults{}, nil
	}
	return core.Defaults{Config: image.says(), RepoDigests: e.repoDigests(imageID)}, nil
}

// Config tells what an image of the registry says, as update.Reader says.
func (e *Engine) Config(_ context.Context, image core.Image) (core.Defaults, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := image.Reference.Repository + "@" + image.Digest
	p, there := e.published[name]
	if !there {
		return core.Defaults{}, refusal{core.Reason{Code: core.NotFound, Text: name + " is not there"}}
	}
	digest := core.Reference{Repository: image.Reference.Repository, Digest: image.Digest}
	return core.Defaults{Config: p.image.says(), RepoDigests: []core.Reference{digest}}, nil
}

// Preview compares, as update.Previewer says. A kind counts as a healthcheck.
func (e *Engine) Preview(ctx context.Context, id string, known, next core.Defaults) ([]core.Change, error) {
	e.mu.Lock()
	c := e.containers[id]
	e.mu.Unlock()
	if c == nil {
		return nil, fmt.Errorf("no such container: %s", id)
	}
	if here, err := e.Defaults(ctx, c.image.ID); err != nil || here.Known() {
		known = here
	}
	var was, is says
	if err := errors.Join(json.Unmarshal(known.Config, &was), json.Unmarshal(next.Config, &is)); err != nil {
		return nil, err
	}
	var changes []core.Change
	for _, name := range slices.Sorted(maps.Keys(union(was.Settings, is.Settings))) {
		_, said := c.spec.Settings[name]
		if from, to := value(was.Settings, name), value(is.Settings, name); !said && !reflect.DeepEqual(from, to) {
			changes = append(changes, core.Change{Setting: "ENV", Name: name, From: from, To: to})
		}
	}
	if was.Kind != is.Kind {
		from, to := string(was.Kind), string(is.Kind)
		changes = append(changes, core.Change{Setting: "HEALTHCHECK", From: &from, To: &to})
	}
	return changes, nil
}

// value is nil where there is none.
func value(settings map[string]string, name string) *string {
	if text, there := settings[name]; there {
		return &text
	}
	return nil
}
