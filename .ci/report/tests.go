package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds

	// ImportPath is set in place of Package where something did not compile.
	ImportPath string
}

// tally collects a test run.
type tally struct {
	passed, failed int
	skipped        []string            // the tests' names
	output         map[string][]string // by package and test, until it has ended
	broken         bool                // a package failed, for whatever reason
	ended          bool                // at least one package came to an end
	open           int                 // packages that have begun and not ended
}

// tests prints what plain `go test` would, with two differences: the tests that
// were skipped are named with their reasons, since nothing may skip silently, and
// there is a line with figures at the end. It tells whether everything passed.
func tests(r io.Reader, w io.Writer) (bool, error) {
	began := time.Now()
	t := tally{output: map[string][]string{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			// The go command's own words: not everything that it says is JSON.
			fmt.Fprintln(w, lines.Text())
			continue
		}
		t.take(e, w)
	}
	if err := lines.Err(); err != nil {
		return false, fmt.Errorf("read the events: %w", err)
	}
	t.unfinished(w)
	for _, s := range t.skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
	fmt.Fprintf(w, "%d tests passed, %d failed, %d skipped in %.0f s\n",
		t.passed, t.failed, len(t.skipped), time.Since(began).Seconds())
	return t.ended && t.open == 0 && !t.broken && t.failed == 0, nil
}

func (t *tally) take(e event, w io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "start":
		t.open++
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "build-fail":
		t.broken = true
	case "output":
		if e.Test == "" {
			t.words(e.Output, w)
			return
		}
		t.output[key] = append(t.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.ended = true
			t.open--
			t.broken = t.broken || e.Action == "fail"
			return
		}
		t.end(e, key, w)
	}
}

// words prints what a package says, closing lines included, but not the PASS
// that go test keeps to itself too.
func (t *tally) words(output string, w io.Writer) {
	if output != "PASS\n" {
		fmt.Fprint(w, output)
	}
}

// unfinished prints what was said by tests that never came to an end, as after a
// panic or os.Exit in another one. Of those that had said nothing there is nothing to say.
func (t *tally) unfinished(w io.Writer) {
	for _, key := range slices.Sorted(maps.Keys(t.output)) {
		said := slices.DeleteFunc(t.output[key], isMark)
		if len(said) > 0 {
			fmt.Fprintf(w, "unfinished: %s\n%s", key, strings.Join(said, ""))
		}
	}
}

// isMark tells whether a line is the testing package's: "=== RUN", "--- SKIP".
func isMark(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===")
}

func (t *tally) end(e event, key string, w io.Writer) {
	output := t.output[key]
	delete(t.output, key)
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		fmt.Fprint(w, strings.Join(output, ""))
	case "skip":
		t.skipped = append(t.skipped, fmt.Sprintf("%s: %s", e.Test, reason(output)))
	}
}

// reason finds what was given to t.Skip, with the place it was called from.
func reason(output []string) string {
	for _, line := range output {
		if !isMark(line) {
			return strings.TrimSpace(line)
		}
	}
	return "no reason given"
}
