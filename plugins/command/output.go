package command

import (
	"log/slog"
	"regexp"
	"strings"
	"unicode"
)

// What is kept and shown of a command's output. A flood is read to its end, so that
// the command does not wait, and is counted only.
const (
	maxLines = 200 // that are logged
	maxLine  = 500 // bytes of a line that are kept
	maxTail  = 5   // lines that an error shows
	maxShown = 200 // bytes of each
)

// output is what a command writes, line by line.
type output struct {
	log    *slog.Logger
	lines  int // seen
	tail   []string
	number func(line string) bool // takes the first line, unless it is an ordinary one; nil takes none
}

// stream is one of the command's two.
type stream struct {
	out     *output
	name    string
	pending []byte // the line so far, cut
}

// Write takes it apart. A carriage return ends a line, too: what draws a bar of
// progress would never end one else.
func (s *stream) Write(p []byte) (int, error) {
	for _, b := range p {
		switch {
		case b == '\n' || b == '\r':
			s.flush()
		case len(s.pending) < maxLine:
			s.pending = append(s.pending, b)
		}
	}
	return len(p), nil
}

// flush ends the line, if there is one.
func (s *stream) flush() {
	line := clean(string(s.pending))
	s.pending = s.pending[:0]
	if line != "" {
		s.out.take(s.name, line)
	}
}

func (o *output) take(name, line string) {
	if number := o.number; number != nil {
		o.number = nil
		if number(line) {
			return
		}
	}
	if len(o.tail) == maxTail {
		o.tail = append(o.tail[:0], o.tail[1:]...)
	}
	o.tail = append(o.tail, line)
	if o.lines++; o.lines <= maxLines {
		o.log.Info("the command says", slog.String("stream", name), slog.String("line", line))
	}
}

// end tells how much was not shown.
func (o *output) end() {
	if o.lines > maxLines {
		o.log.Info("the command has said more than is shown", slog.Int("lines", o.lines), slog.Int("shown", maxLines))
	}
}

// last is the end of the output for an error, "" if there was none.
func (o *output) last() string {
	shown := make([]string, len(o.tail))
	for i, line := range o.tail {
		if len(line) > maxShown {
			line = strings.ToValidUTF8(line[:maxShown], "") + "…"
		}
		shown[i] = line
	}
	return strings.Join(shown, " | ")
}

// escape is a sequence by which terminals are coloured and moved.
var escape = regexp.MustCompile(`\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])`)

// clean leaves what can be read.
func clean(line string) string {
	line = escape.ReplaceAllString(strings.ToValidUTF8(line, "?"), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return -1
	}, line))
}
