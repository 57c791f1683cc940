package core

import (
	"fmt"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core/watchtower"
)

// Where a value of a policy may come from, as Policy.From has it. What a label of
// Watchtower's has said is "label " and its name.
const (
	fromLabel = "label"
	fromImage = "image label"
	fromFlag  = "flag"
	// fromList is that the operator has named the container.
	fromList = "flag --disable-containers"
)

// enableLabel is Watchtower's word for refit.enable.
const enableLabel = watchtower.LabelPrefix + "enable"

// readTheirs reads Watchtower's labels into p, where no label of ours says the same.
// The first fault is told, and names the label.
func (s Settings) readTheirs(c Container, p *Policy) error {
	var fault error
	for _, w := range watchtower.Labels() {
		value, from := s.theirs(c, w.Label)
		key := short(w.Ours)
		if w.Fate != watchtower.Mapped || w.Together || value == "" || p.fromOurs(key) || !s.counts(w, p, value) {
			continue
		}
		ours, err := w.Read(value)
		if err == nil {
			err = labelOf(w.Ours).set(s, p, ours)
		}
		switch {
		case err == nil:
			p.From[key] = from
		case fault == nil:
			fault = fmt.Errorf("%s %w", quoted(w.Label, value), err)
		}
	}
	if err := s.lifecycle(c, p); err != nil && fault == nil {
		fault = err
	}
	return fault
}

// counts tells whether a label of theirs has anything to say here: "enable" only where
// the operator looks at it, and the word for a default not against the operator's flag.
func (s Settings) counts(w watchtower.Word, p *Policy, value string) bool {
	switch {
	case w.Label == enableLabel:
		return s.LabelEnable || !means(w, value, "true")
	case w.Yields && !s.LabelPrecedence && p.From[short(w.Ours)] == fromFlag:
		return !means(w, value, "false")
	}
	return true
}

// means tells whether a value of a switch is the same as the other one.
func means(w watchtower.Word, value, other string) bool {
	a, bad := w.Read(value)
	b, worse := w.Read(other)
	return bad == nil && worse == nil && a == b
}

func labelOf(name string) Label {
	return labels[slices.IndexFunc(labels, func(l Label) bool { return l.Name == name })]
}

// theirs returns the value of a label of theirs and where it comes from; nothing if
// it is not there, or only came with the image.
func (s Settings) theirs(c Container, name string) (value, from string) {
	value, there := c.Labels[name]
	inherited, image := c.ImageLabels[name]
	image = image && inherited == value
	switch {
	case !there, image && !s.TrustImageLabels:
		return "", ""
	case image:
		return value, fromImage + " " + name
	}
	return value, fromLabel + " " + name
}

// fromOurs tells whether a label of ours has set that part of the policy.
func (p Policy) fromOurs(key string) bool {
	return p.From[key] == fromLabel || p.From[key] == fromImage
}

// exclude sets aside what the operator has named.
func (s Settings) exclude(c Container, p *Policy) {
	if slices.Contains(s.Disabled, c.Name) {
		p.Enabled = false
		p.From["enable"] = fromList
	}
}

// notEnabled says why a container is left alone.
func (s Settings) notEnabled(c Container, p Policy) string {
	from := p.From["enable"]
	theirs, said := strings.CutPrefix(from, fromLabel+" ")
	switch {
	case from == fromList:
		return "--disable-containers names it"
	case p.declined() && said:
		return theirs + " is false"
	case p.declined():
		return "refit.enable is false"
	}
	if value, there := s.theirs(c, enableLabel); there != "" && truly(value) {
		return "it has no label refit.enable=true, and " + enableLabel + "=true counts with --label-enable only"
	}
	return "it has no label refit.enable=true"
}

func truly(value string) bool {
	w, _ := watchtower.ByLabel(enableLabel)
	return means(w, value, "true")
}

// Idle returns the labels of Watchtower's on a container that would have done
// something there and do nothing here.
func (s Settings) Idle(c Container) []watchtower.Word {
	var idle []watchtower.Word
	for _, w := range watchtower.Labels() {
		value, _ := s.theirs(c, w.Label)
		ran := s.Lifecycle || !strings.HasPrefix(w.Label, lifecyclePrefix)
		if value != "" && w.Fate == watchtower.NoEffect && w.Label != watchtower.Marker && ran {
			idle = append(idle, w)
		}
	}
	return idle
}
