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

// writeChanges prints what would change, container by container. Of those without a
// new image it tells only if they were named.
func writeChanges(w io.Writer, found []finding, named bool) error {
	var b strings.Builder
	for _, f := range found {
		isNew := f.Changes != nil || f.Unread != nil
		if !isNew && !named {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", clean(f.Container))
		switch {
		case f.Unread != nil:
			fmt.Fprintf(&b, "    what the new image says is not known: %s\n", clean(f.Unread.String()))
		case !isNew && f.Reason.Code == core.UpToDate:
			fmt.Fprintf(&b, "    no new image: %s\n", clean(f.Reason.Text))
		case !isNew:
			fmt.Fprintf(&b, "    no new image is known: %s\n", clean(f.Reason.String()))
		case len(f.Changes) == 0:
			b.WriteString("    nothing in its settings would change\n")
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
