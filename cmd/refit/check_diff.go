package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/refit-dev/refit/core"
)

// mostLine is how many letters of a changed setting are shown: an image may say
// whatever it likes, at any length.
const mostLine = 160

// preview fills in what the new images would change, and tells whether all of it is known.
func (s *session) preview(ctx context.Context, plan core.Plan, found []finding) (complete bool) {
	steps := map[string]core.Step{}
	for _, step := range plan.Steps {
		steps[step.Container.ID] = step
	}
	asked := make([]core.Step, len(found))
	for i, f := range found {
		asked[i] = steps[f.ID]
	}
	complete = true
	for i, p := range s.updater.Preview(ctx, asked) {
		if asked[i].To == (core.Image{}) {
			continue
		}
		found[i].Changes = append([]core.Change{}, p.Changes...) // prints as [] in JSON
		if p.Err != nil {
			complete = false
			found[i].Changes, found[i].Unread = nil, unread(p.Err)
		}
	}
	return complete
}

// unread is why it is not known what an image says.
func unread(err error) *core.Reason {
	var told interface{ Reason() core.Reason }
	if errors.As(err, &told) {
		reason := told.Reason()
		return &reason
	}
	return &core.Reason{Code: core.EngineFailed, Text: err.Error()}
}

// renewed tells whether there is a new image, as far as a preview knows.
func (f finding) renewed() bool { return f.Changes != nil || f.Unread != nil }

// writeChanges prints what would change, container by container. Of those without a
// new image it tells only if they were named.
func writeChanges(w io.Writer, found []finding, named bool) error {
	var b strings.Builder
	for _, f := range found {
		if !f.renewed() && !named {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", clean(f.Container))
		if text := unchanged(f); text != "" {
			fmt.Fprintf(&b, "    %s\n", clean(text))
		}
		for _, c := range f.Changes {
			writeChange(&b, c)
		}
	}
	if b.Len() == 0 {
		b.WriteString("\nno container has a new image: no settings would change\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// unchanged says why there are no changes to be shown, "" where there are some.
func unchanged(f finding) string {
	switch {
	case f.Unread != nil:
		return "what the new image says is not known: " + f.Unread.String()
	case !f.renewed() && f.Reason.Code == core.UpToDate:
		return "no new image: " + f.Reason.Text
	case !f.renewed():
		return "no new image is known: " + f.Reason.String()
	case len(f.Changes) == 0:
		return "nothing in its settings would change"
	}
	return ""
}

func writeChange(b *strings.Builder, c core.Change) {
	for _, side := range []struct {
		sign  string
		value *string
	}{{"-", c.From}, {"+", c.To}} {
		if side.value == nil {
			continue
		}
		text := *side.value
		if c.Name != "" {
			text = c.Name + "=" + text
		}
		fmt.Fprintf(b, "    %s %s %s\n", side.sign, c.Setting, clipped(clean(text)))
	}
}

func clipped(text string) string {
	if letters := []rune(text); len(letters) > mostLine {
		return string(letters[:mostLine]) + "…"
	}
	return text
}
