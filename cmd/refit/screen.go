package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/refit-dev/refit/core"
)

// screen shows on a terminal the pulls that run, one line for each, below what else
// is written there. All that goes to the terminal meanwhile has to go through it.
type screen struct {
	out io.Writer
	// size is the terminal's, in columns and rows; 0 where it is not known.
	size func() (columns, rows int)

	mu    sync.Mutex
	lines []pullLine
	shown int // how many lines stand below what was written
}

type pullLine struct{ image, text string }

// share puts a screen between the program and its terminal, if there is one and
// somebody waits in front of it for pulls.
func (p *program) share() {
	file, ok := p.stderr.(*os.File)
	if !ok || !p.onTerminal() || p.command != "update" && p.command != "rollback" {
		return
	}
	p.screen = &screen{out: file, size: func() (columns, rows int) {
		columns, rows, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 0, 0
		}
		return columns, rows
	}}
	p.stderr = p.screen
}

// onTerminal tells whether people read along.
func (p *program) onTerminal() bool {
	file, ok := p.stderr.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// Pulling shows how far a pull is.
func (s *screen) Pulling(image core.Image, done, of core.Size) {
	text := clean(image.Reference.Text) + "  " + done.String()
	if of > 0 {
		text += " of " + of.String()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	line := pullLine{keyOf(image), text}
	i := slices.IndexFunc(s.lines, func(l pullLine) bool { return l.image == line.image })
	switch {
	case i < 0:
		s.lines = append(s.lines, line)
	case s.lines[i] == line:
		return
	default:
		s.lines[i] = line
	}
	_ = s.draw(nil) // a terminal that is gone is found by who writes what matters
}

// Pulled takes the line of a pull away: what became of it is told elsewhere.
func (s *screen) Pulled(image core.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = slices.DeleteFunc(s.lines, func(l pullLine) bool { return l.image == keyOf(image) })
	_ = s.draw(nil) // as above
}

// keyOf tells apart what is pulled at the same time.
func keyOf(i core.Image) string {
	return i.Reference.Repository + "@" + i.Digest + " " + i.Platform.OS + "/" + i.Platform.Architecture + "/" + i.Platform.Variant
}

// Write writes whole lines above those of the pulls.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.draw(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// draw takes away what is shown, writes what is to stay, and shows the pulls anew.
func (s *screen) draw(above []byte) error {
	var b strings.Builder
	if s.shown > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", s.shown) // up to the first of them, and clear what follows
	}
	b.Write(above)
	columns, rows := s.size()
	lines := s.lines
	if rows > 0 { // what has scrolled away cannot be taken away
		lines = lines[:min(len(lines), rows-1)]
	}
	for _, l := range lines {
		text := []rune(l.text)
		if columns > 0 && len(text) >= columns { // one that wraps would be two
			text = text[:columns-1]
		}
		b.WriteString(string(text) + "\n")
	}
	s.shown = len(lines)
	if b.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}
