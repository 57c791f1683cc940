package coretest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

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

// Pull fetches by digest, as update.Images says.
func (e *Engine) Pull(_ context.Context, image core.Image) (string, error) {
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
		repository, digest, _ := cut(name)
		all = append(all, core.Reference{Repository: repository, Digest: digest})
	}
	return all
}

// Lose takes an image from the engine, with all its names, whatever uses it.
func (e *Engine) Lose(image string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.images, image)
	delete(e.digests, image)
	maps.DeleteFunc(e.tags, func(_, id string) bool { return id == image })
}

// Defaults tells what an image says, as update.Defaulter says.
func (e *Engine) Defaults(_ context.Context, imageID string) (core.Defaults, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	image, there := e.images[imageID]
	if !there {
		return core.Defaults{}, nil
	}
	config, err := json.Marshal(map[string]any{"Labels": image.Labels})
	return core.Defaults{Config: config, RepoDigests: e.repoDigests(imageID)}, err
}

func cut(name string) (repository, digest string, found bool) {
	for i := range name {
		if name[i] == '@' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}
