package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/refit-dev/refit/core"
)

// mostLine is how much of one line of a log is kept: its beginning.
const mostLine = 1 << 10

// Logs returns the last lines that the container wrote, oldest first, at most
// that many, each cut to 1 KiB and without control characters. Some log drivers
// cannot be read from: that is an error.
func (c *Client) Logs(ctx context.Context, id string, lines int) ([]string, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	var found container.InspectResponse
	if err := c.inspectContainer(ctx, id, &found); err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", core.Short(id), err)
	}
	stream, err := c.api.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", core.Short(id), err)
	}
	defer stream.Close()
	log := &logLines{most: lines}
	stdout, stderr := &logWriter{log: log}, &logWriter{log: log}
	if found.Config != nil && found.Config.Tty {
		_, err = io.Copy(stdout, stream)
	} else {
		_, err = stdcopy.StdCopy(stdout, stderr, stream)
	}
	stdout.end()
	stderr.end()
	if err != nil {
		return log.lines, fmt.Errorf("read the log of %s: %w", core.Short(id), err)
	}
	return log.lines, nil
}

// logLines keeps the last lines.
type logLines struct {
	most  int
	lines []string
}

func (l *logLines) add(line string) {
	l.lines = append(l.lines, line)
	if len(l.lines) > l.most {
		l.lines = l.lines[1:]
	}
}

// logWriter cuts one of a container's two streams into lines, as they end.
type logWriter struct {
	log  *logLines
	line []byte
	open bool // a line has begun
}

func (w *logWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		if b == '\n' {
			w.open = true // an empty line is one too
			w.end()
			continue
		}
		w.open = true
		if len(w.line) < mostLine {
			w.line = append(w.line, b)
		}
	}
	return len(p), nil
}

// end finishes the line that has begun, if one has.
func (w *logWriter) end() {
	if w.open {
		w.log.add(printable(string(w.line)))
	}
	w.line, w.open = w.line[:0], false
}

// printable drops what a terminal would obey, and what the cut at a byte left of
// a character.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, ""))
}
