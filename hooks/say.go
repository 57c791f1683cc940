package hooks

import (
	"context"
	"log/slog"
)

// sayer takes what a hook says while a stage runs. Nil takes it and keeps quiet,
// so that a hook can be tested with an Update made by hand.
type sayer func(message any)

// report is one Progress.
type report struct {
	text        string
	done, total int64
}

// Progress tells how far the stage is: "archiving /data", in any one unit (bytes as
// a rule). A total of 0 is one that is not known. Call it as often as you like; a
// hook that says nothing for long is taken for dead.
func (u *Update) Progress(text string, done, total int64) {
	if u.say != nil {
		u.say(report{text, done, total})
	}
}

// Log is for what the operator should know. It becomes part of Refit's own log, with the
// hook, the container and the stage. It never shows a secret: you do not log one.
func (u *Update) Log() *slog.Logger {
	if u.say == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(&handler{say: u.say})
}

// handler is a slog.Handler that says its records.
type handler struct {
	say   sayer
	attrs []slog.Attr
	group string // of the attributes to come, with a dot behind
}

// line is one record, ready to be sent.
type line struct {
	level      slog.Level
	text       string
	attributes map[string]string
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	l := line{level: r.Level, text: r.Message, attributes: map[string]string{}}
	for _, a := range h.attrs {
		l.attributes[a.Key] = a.Value.Resolve().String()
	}
	r.Attrs(func(a slog.Attr) bool {
		l.attributes[h.group+a.Key] = a.Value.Resolve().String()
		return true
	})
	h.say(l)
	return nil
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := &handler{say: h.say, group: h.group, attrs: append([]slog.Attr{}, h.attrs...)}
	for _, a := range attrs {
		next.attrs = append(next.attrs, slog.Attr{Key: h.group + a.Key, Value: a.Value})
	}
	return next
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{say: h.say, attrs: h.attrs, group: h.group + name + "."}
}
