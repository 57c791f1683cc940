package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// maxLine is the most that is read of a line, which is a bit more than a
	// handshake needs. The rest of a longer one is dropped.
	maxLine = 8 << 10
	// maxWord is the most that is told of a line when the program has ended.
	maxWord = 256
	// maxLines is how many lines of one plugin are logged in a second.
	maxLines = 100
	// chatter is the stream of go-plugin's own log in the plugin.
	chatter = "go-plugin"
)

// listener takes what a program prints, line by line, and passes on as much of it as
// a log can bear.
type listener struct {
	hear func(stream, text string)

	mu   sync.Mutex
	last string // worth telling if the program ends now
	tap  tap
}

func newListener(hear func(stream, text string)) *listener { return &listener{hear: hear} }

// listen reads until the end. The first line goes to first, if that is given, and is
// not logged; it is closed in any case.
func (l *listener) listen(r io.ReadCloser, stream string, first chan<- string) {
	defer r.Close()
	lines := l.writer(stream)
	if first != nil {
		take, taken := lines.take, false
		lines.take = func(line string) {
			if taken {
				take(line)
				return
			}
			taken = true
			first <- line
			close(first)
		}
		defer func() {
			if !taken {
				close(first)
			}
		}()
	}
	_, _ = io.Copy(lines, r) // It ends when the program does, and cannot fail otherwise.
	lines.flush()
}

// writer returns a writer that takes what is printed on a stream.
func (l *listener) writer(stream string) *splitter {
	return &splitter{take: func(line string) { l.take(stream, line) }}
}

// splitter makes lines of what is written, and drops the rest of long ones.
type splitter struct {
	take func(line string)
	line []byte
	long bool // the line was taken already
}

// Write never fails.
func (s *splitter) Write(text []byte) (int, error) {
	written := len(text)
	for len(text) > 0 {
		piece, rest, end := bytes.Cut(text, []byte{'\n'})
		text = rest
		if !s.long {
			s.line = append(s.line, piece[:min(len(piece), maxLine-len(s.line))]...)
		}
		if end || len(s.line) == maxLine {
			s.flush()
			s.long = !end
		}
	}
	return written, nil
}

// flush takes what there is of a line.
func (s *splitter) flush() {
	if !s.long && len(s.line) > 0 {
		s.take(string(s.line))
	}
	s.line = s.line[:0]
}

// take logs a line.
func (l *listener) take(stream, line string) {
	word := line
	if strings.HasPrefix(line, `{"@level":`) {
		stream, word = chatter, complaint(line)
	}
	line, word = tidy(line, maxText), tidy(word, maxWord)
	if line == "" {
		return
	}
	l.mu.Lock()
	dropped, ok := l.tap.allow(time.Now())
	// Of a Go program that panics the first line says most, not the last.
	if stream != "stdout" && word != "" && !strings.HasPrefix(l.last, "panic: ") && !strings.HasPrefix(l.last, "fatal error: ") {
		l.last = word
	}
	l.mu.Unlock()
	if dropped > 0 {
		l.hear(stream, leftOut(dropped))
	}
	if ok {
		l.hear(stream, line)
	}
}

// complaint is what a line of go-plugin's log says, if it is about an error.
func complaint(line string) string {
	var said struct {
		Level   string `json:"@level"`
		Message string `json:"@message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal([]byte(line), &said) != nil || said.Level != "error" {
		return ""
	}
	return strings.TrimSuffix(said.Message+": "+said.Error, ": ")
}

// flush tells what was left out, if anything.
func (l *listener) flush() {
	l.mu.Lock()
	dropped := l.tap.dropped
	l.tap.dropped = 0
	l.mu.Unlock()
	if dropped > 0 {
		l.hear("stdout", leftOut(dropped))
	}
}

func leftOut(lines int) string {
	return fmt.Sprintf("… and %d more lines, too many to be logged", lines)
}

// tap lets through what a log can bear. It is not safe for use at the same time.
type tap struct {
	since   time.Time
	lines   int // in the second since then
	dropped int // that nobody was told of
}

// allow tells whether one more line may be logged, and how many were not since
// somebody was last told.
func (t *tap) allow(now time.Time) (dropped int, ok bool) {
	if now.Sub(t.since) >= time.Second {
		dropped = t.dropped
		*t = tap{since: now}
	}
	if t.lines == maxLines {
		t.dropped++
		return dropped, false
	}
	t.lines++
	return dropped, true
}

// lastWords is the last line on stderr, or the one that says why it panicked.
func (l *listener) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
