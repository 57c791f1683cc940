package docker

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/refit-dev/refit/core"
)

// ParseReference takes a reference apart, by the rules of the docker command: "nginx" is
// docker.io/library/nginx, tag latest.
func ParseReference(text string) (core.Reference, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return core.Reference{Text: text}, fmt.Errorf("reference %q: %w", text, err)
	}
	r := core.Reference{Text: text, Repository: named.Name()}
	if digested, ok := named.(reference.Digested); ok {
		r.Digest = digested.Digest().String()
	} else {
		named = reference.TagNameOnly(named)
	}
	if tagged, ok := named.(reference.Tagged); ok {
		r.Tag = tagged.Tag()
	}
	return r, nil
}

// parseAll takes apart what can be: an engine lists "<none>:<none>" too.
func parseAll(all []string) []core.Reference {
	var parsed []core.Reference
	for _, text := range all {
		if r, err := ParseReference(text); err == nil {
			parsed = append(parsed, r)
		}
	}
	return parsed
}

// same tells whether two references name the same thing, however they are written.
func same(a, b core.Reference) bool {
	return a.Repository == b.Repository && a.Tag == b.Tag && a.Digest == b.Digest
}

// names tells whether one of the references of an image is r. The engine finds
// an image by its id, or by the beginning of it, as well.
func names(tags, digests []string, r core.Reference) bool {
	if r.Digest != "" {
		tags, r.Tag = digests, ""
	}
	for _, known := range parseAll(tags) {
		if same(known, r) {
			return true
		}
	}
	return false
}

// isID tells whether text is not a name but the id of the image, or its beginning.
func isID(text, id string, tags []string) bool {
	hex := strings.TrimPrefix(text, "sha256:")
	if hex != text {
		return true
	}
	if len(hex) < 4 || !strings.HasPrefix(strings.TrimPrefix(id, "sha256:"), hex) {
		return false
	}
	r, err := ParseReference(text)
	return err != nil || !names(tags, nil, r)
}
