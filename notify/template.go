package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	html "html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/refit-dev/refit/core"
)

// The parts that a template may define.
const (
	titlePart = "title"
	textPart  = "text"
	htmlPart  = "html"
)

func parts() []string { return []string{titlePart, textPart, htmlPart} }

// Template is an operator's own words. It may define the title, the text and the
// HTML of a mail; what it does not define is Refit's. A file that defines none of
// them is the text. Its data is a Report.
type Template struct {
	text *template.Template
	html *html.Template
	has  map[string]bool
}

// functions are what templates may call.
func functions() map[string]any {
	return map[string]any{
		"short":    shortID,
		"json":     asJSON,
		"duration": duration,
		"time":     func(t time.Time) string { return clock(t) },
		"join":     func(separator string, texts []string) string { return strings.Join(texts, separator) },
		"version":  Event.change,
	}
}

func asJSON(value any) (string, error) {
	b, err := json.Marshal(value)
	return string(b), err
}

// ParseTemplate reads a template, and tries it with a sample of every event: one
// that would fail is refused here. The name is the one for errors, the file's.
func ParseTemplate(name, text string) (*Template, error) {
	t := &Template{has: map[string]bool{}}
	if slices.Contains(parts(), name) {
		name = "./" + name // the file is no part of itself
	}
	var err error
	if t.text, err = template.New(name).Funcs(functions()).Parse(text); err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	if t.html, err = html.New(name).Funcs(functions()).Parse(text); err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	for _, part := range parts() {
		t.has[part] = t.text.Lookup(part) != nil
	}
	body := t.text.Lookup(name)
	switch {
	case slices.Contains(slices.Collect(maps.Values(t.has)), true):
		if err := unused(t.text, name, text); err != nil {
			return nil, err
		}
	case body == nil || body.Tree == nil || strings.TrimSpace(body.Root.String()) == "":
		return nil, errors.New("read the template: it is empty, or defines none of title, text and html")
	default:
		if err := t.wholeFile(name); err != nil {
			return nil, err
		}
	}
	return t, t.try()
}

// wholeFile makes a file without parts the text.
func (t *Template) wholeFile(name string) error {
	if _, err := t.text.AddParseTree(textPart, t.text.Lookup(name).Tree); err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	t.has[textPart] = true
	return nil
}

// unused finds a part that is neither one of ours nor called by another: it is meant
// to be one of ours.
func unused(t *template.Template, name, text string) error {
	for _, defined := range t.Templates() {
		part := defined.Name()
		if part == name || slices.Contains(parts(), part) {
			continue
		}
		called := regexp.MustCompile(`(template|block)\s+["` + "`]" + regexp.QuoteMeta(part) + `["` + "`]")
		if !called.MatchString(text) {
			return fmt.Errorf("read the template: it defines %q, which nothing calls: its parts are %s", part, strings.Join(parts(), ", "))
		}
	}
	return nil
}

// try executes the template with every sample, alone and all in one message.
func (t *Template) try() error {
	var all []core.Notice
	for _, k := range Kinds() {
		all = append(all, Sample(k)...)
		if err := t.tryWith(Sample(k)); err != nil {
			return fmt.Errorf("try the template with a sample of %s: %w", k, err)
		}
	}
	if err := t.tryWith(all); err != nil {
		return fmt.Errorf("try the template with samples of all events: %w", err)
	}
	return nil
}

func (t *Template) tryWith(notices []core.Notice) error {
	r := reporter{time.UTC, cleaned}.report("host", "channel", notices)
	r.Text = r.chat(mostChat)
	return t.over(&Message{}, r, r)
}

// over puts the template's words in the place of the built-in ones, all of them or
// none. The text is made of the report that is fit for a chat, the HTML of the other.
func (t *Template) over(m *Message, chat, mail Report) error {
	words := *m
	if t.has[titlePart] {
		title, err := t.execute(titlePart, chat)
		if err != nil {
			return err
		}
		words.Title = cut(strings.Join(strings.Fields(title), " "), 200)
	}
	if t.has[textPart] {
		text, err := t.execute(textPart, chat)
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text)
		words.Text, words.Plain = cut(text, mostChat), text+"\n"
		words.HTML = `<pre style="white-space:pre-wrap;font-family:sans-serif">` + html.HTMLEscapeString(text) + "</pre>\n"
	}
	if t.has[htmlPart] {
		var b strings.Builder
		if err := t.html.ExecuteTemplate(&b, htmlPart, mail); err != nil {
			return err
		}
		words.HTML = b.String()
	}
	*m = words
	return nil
}

func (t *Template) execute(part string, r Report) (string, error) {
	var b strings.Builder
	if err := t.text.ExecuteTemplate(&b, part, r); err != nil {
		return "", err
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
}
