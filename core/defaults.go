package core

import "encoding/json"

// Defaults is what an image says where a user said nothing, and what else must be
// known of an image once an engine does not have it any more. The zero value says
// nothing: of no image.
type Defaults struct {
	// Config is the image's configuration as the engine or its registry has it: an
	// object with members like "Env" and "Entrypoint". Only adapters read it, but
	// for the labels.
	Config json.RawMessage `json:"config,omitempty"`
	// Platform is what the image was built for, zero where it is the engine's own.
	Platform Platform `json:"platform,omitzero"`
	// RepoDigests are all the names under which registries know the image.
	RepoDigests []Reference `json:"repo_digests,omitempty"`
}

// Known tells whether they are an image's: an image that says nothing at all has
// a Config, too.
func (d Defaults) Known() bool { return len(d.Config) > 0 }

// labels are the image's.
func (d Defaults) labels() map[string]string {
	var config struct{ Labels map[string]string }
	if json.Unmarshal(d.Config, &config) != nil {
		return nil
	}
	return config.Labels
}

// inherit returns the container as it would be listed if the engine still had
// its image.
func (c Container) inherit(d Defaults) Container {
	if !c.ImageGone || !d.Known() {
		return c
	}
	c.ImageGone, c.Image.Digest = false, ""
	c.ImageLabels, c.RepoDigests, c.Image.Platform = d.labels(), d.RepoDigests, d.Platform
	return c
}

// Change is one setting that a container has from its image and that an update would
// change, because the new image says something else. Both values are images', never
// a user's.
type Change struct {
	// Setting is the instruction of a Dockerfile that sets it: "ENV", "EXPOSE", "CMD".
	Setting string `json:"setting"`
	// Name tells what is set where there can be several with a value each: a
	// variable, a label, a part of the healthcheck.
	Name string `json:"name,omitempty"`
	// From and To are the values, nil where there is none.
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}
