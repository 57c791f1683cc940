package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// teller is a log for a person who waits for the end of a command: one indented
// line for each record, without the time, and without what the command was asked
// for anyway.
type teller struct {
	*pen
	least slog.Level
	attrs []slog.Attr
}

// pen writes one line at a time.
type pen struct {
	mu sync.Mutex
	w  io.Writer
}

func newTeller(w io.Writer, least slog.Level) *teller { return &teller{pen: &pen{w: w}, least: least} }

// unsaid are the attributes that go without saying; a progress has its percent.
var unsaid = map[string]bool{"hook": true, "container": true, "stage": true, "stream": true, "done": true, "total": true}

// Enabled tells whether records of that level are shown.
func (t *teller) Enabled(_ context.Context, l slog.Level) bool { return l >= t.least }

// Handle prints a line. Where there is a text, that is what the record is about.
func (t *teller) Handle(_ context.Context, r slog.Record) error {
	text, rest := r.Message, ""
	show := func(a slog.Attr) {
		switch value := clean(a.Value.String()); {
		case unsaid[a.Key]:
		case a.Key == "text":
			text = value
		case a.Key == "percent":
			rest += " " + value + " %"
		default:
			rest += " " + clean(a.Key) + "=" + value
		}
	}
	for _, a := range t.attrs {
		show(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Value = a.Value.Resolve()
		if a.Value.Kind() != slog.KindGroup {
			show(a)
			return true
		}
		for _, inner := range a.Value.Group() {
			show(inner)
		}
		return true
	})
	if r.Level > slog.LevelInfo {
		text = strings.ToLower(r.Level.String()) + ": " + text
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fprintf(t.w, "    | %s%s\n", clean(text), rest)
	return err
}

// WithAttrs returns a teller that shows these, too.
func (t *teller) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &teller{pen: t.pen, least: t.least, attrs: append(append([]slog.Attr{}, t.attrs...), attrs...)}
}

// WithGroup returns the same teller: the names of groups help nobody here.
func (t *teller) WithGroup(string) slog.Handler { return t }
