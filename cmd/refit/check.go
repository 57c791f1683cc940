package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	"github.com/refit-dev/refit/core"
)

// finding is what check tells of one container. Its fields are for programs
// too, as JSON and in templates: they are only ever added to.
type finding struct {
	Container string      `json:"container"`
	ID        string      `json:"id"`
	Image     string      `json:"image"`   // the reference, as written
	Current   string      `json:"current"` // digest; image id where no registry knows the image
	Latest    string      `json:"latest"`  // the same, of the newest; "" where nobody was asked
	Action    core.Action `json:"action"`
	Reason    core.Reason `json:"reason"`
	// With is the container whose update it follows, "" elsewhere.
	With string `json:"with,omitempty"`
	// Changes are what the new image would change in the settings. Only --diff asks for
	// them; nil where there is no new image, or Unread says why they are not known.
	Changes []core.Change `json:"changes,omitzero"`
	Unread  *core.Reason  `json:"unread,omitempty"`
}

func findings(plan core.Plan) []finding {
	found := []finding{} // prints as [] in JSON
	with := map[string]string{}
	for _, s := range plan.Steps {
		if s.Reason.Code == core.NotNamed {
			continue
		}
		for _, m := range s.Members {
			with[m.Container.Name] = s.Container.Name
		}
		found = append(found, finding{
			Container: s.Container.Name, ID: s.Container.ID, Image: s.Container.Image.Reference.Text,
			Current: current(s), Latest: latest(s), Action: s.Action, Reason: s.Reason,
			With: with[s.Container.Name], // a member comes behind
		})
	}
	return found
}

// current names the image that a container runs, in the way in which the newest
// one will be named: by digest, if a registry is asked.
func current(s core.Step) string {
	if s.Policy.Pull {
		for _, r := range s.Container.RepoDigests {
			if r.Repository == s.Container.Image.Reference.Repository {
				return r.Digest
			}
		}
	}
	return s.Container.Image.ID
}

func latest(s core.Step) string {
	switch {
	case s.To.Digest != "":
		return s.To.Digest
	case s.To.ID != "":
		return s.To.ID
	case s.Reason.Code == core.UpToDate:
		return current(s)
	}
	return ""
}

// why is a reason in a table, whose other columns already tell the commonest ones.
func why(r core.Reason) string {
	switch r.Code {
	case core.UpToDate, core.NewImage:
		return string(r.Code)
	case core.Follows:
		return r.Text
	default:
		return r.String()
	}
}

// runCheck shows the plan, and touches nothing: not even the data folder.
func runCheck(ctx context.Context, p *program) (int, error) {
	s, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	p.warn()
	plan, err := s.updater.Plan(ctx, nil, p.names)
	if err != nil {
		return 0, err
	}
	found, code := findings(plan), exitDone
	if p.diff && !s.preview(ctx, plan, found) {
		code = exitFailed
	}
	if err := writeFindings(p.stdout, found, p.format); err != nil {
		return 0, err
	}
	if p.diff && p.format == "table" {
		if err := writeChanges(p.stdout, found, len(p.names) > 0); err != nil {
			return 0, err
		}
	}
	if p.exitCode {
		code = max(code, pending(plan))
	}
	return code, nil
}

// pending is the exit code of check --exit-code.
func pending(plan core.Plan) int {
	code := exitDone
	for _, s := range plan.Steps {
		switch {
		case s.Action == core.Update, s.Action == core.Notify:
			return exitPending
		case s.Action == core.Hold && isFault(s.Reason.Code):
			code = exitFailed
		}
	}
	return code
}

func writeFindings(w io.Writer, found []finding, format string) error {
	switch format {
	case "table":
		rows := [][]string{{"CONTAINER", "IMAGE", "CURRENT", "LATEST", "ACTION", "REASON"}}
		for _, f := range found {
			rows = append(rows, []string{f.Container, f.Image, core.Short(f.Current), core.Short(f.Latest), string(f.Action), why(f.Reason)})
		}
		return writeTable(w, rows)
	case "json":
		return writeJSON(w, found)
	}
	return writeTemplate(w, found, format)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

func parseTemplate(format string) (*template.Template, error) {
	t, err := template.New("format").Funcs(template.FuncMap{"json": asJSON, "short": core.Short}).Parse(format)
	if err != nil {
		return nil, fmt.Errorf("is not a template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return t, nil
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// writeTemplate prints a line for each container.
func writeTemplate(w io.Writer, found []finding, format string) error {
	t, err := parseTemplate(format)
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := t.Execute(w, f); err != nil {
			return fmt.Errorf("fill in the template: %w", err)
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// checkFormat refuses a format before anybody is asked anything: a template is
// tried on a container that is not there, which finds wrong field names.
func checkFormat(format string) error {
	if format == "table" || format == "json" {
		return nil
	}
	if !strings.Contains(format, "{{") {
		if near, ok := core.Nearest(format, []string{"table", "json"}); ok {
			return fmt.Errorf("is not known: did you mean %s?", near)
		}
		return errors.New("is neither table nor json nor a template such as {{.Container}}")
	}
	if _, err := parseTemplate(format); err != nil {
		return err
	}
	if err := writeTemplate(io.Discard, []finding{{}}, format); err != nil {
		return fmt.Errorf("does not fit: %s", strings.TrimPrefix(err.Error(), "fill in the template: template: "))
	}
	return nil
}
