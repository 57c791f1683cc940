package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// tube is a terminal, as far as the screen needs one: it wraps long lines, and knows
// how to go up and how to clear what is below.
type tube struct {
	columns int
	rows    []string
	row     int
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Z])`)

func (v *tube) Write(b []byte) (int, error) {
	for text := string(b); text != ""; {
		for len(v.rows) <= v.row {
			v.rows = append(v.rows, "")
		}
		if m := sequence.FindStringSubmatch(text); m != nil {
			text = text[len(m[0]):]
			switch n, _ := strconv.Atoi(m[1]); m[2] {
			case "A":
				v.row -= n
			case "J":
				v.rows = v.rows[:v.row]
			}
			continue
		}
		switch text[0] {
		case '\n':
			v.row++
		case '\r':
		default:
			if len(v.rows[v.row]) == v.columns {
				v.row++
				v.rows = append(v.rows, "")
			}
			v.rows[v.row] += text[:1]
		}
		text = text[1:]
	}
	return len(b), nil
}

func (v *tube) String() string { return strings.Join(v.rows[:v.row], "\n") }

func image(name string) core.Image {
	return core.Image{Reference: core.Reference{Text: name, Repository: name}, Digest: newDigest}
}

func newScreen(columns int) (*screen, *tube) {
	v := &tube{columns: columns}
	return &screen{out: v, size: func() (int, int) { return columns, 24 }}, v
}

func TestPullsAreShownBelowTheLog(t *testing.T) {
	t.Parallel()
	s, v := newScreen(80)
	s.Pulling(image("redis:latest"), 0, 0)
	s.Pulling(image("nginx:1"), 0, 12_000_000)
	fmt.Fprintln(s, "a line of the log")
	s.Pulling(image("redis:latest"), 12_300_000, 40_100_000)
	if diff := cmp.Diff("a line of the log\nredis:latest  12.3 MB of 40.1 MB\nnginx:1  0 B of 12.0 MB", v.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Pulled(image("redis:latest"))
	fmt.Fprintln(s, "another line")
	s.Pulled(image("nginx:1"))
	if diff := cmp.Diff("a line of the log\nanother line", v.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Lines that are longer than the terminal is wide are two on it, or are cut.
func TestWhateverHappensTheScreenIsNotGarbled(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		s, v := newScreen(20)
		var written []string
		shown := map[string]bool{}
		for range 40 {
			name := fmt.Sprint("image", r.IntN(4), strings.Repeat("x", r.IntN(3)*6))
			switch r.IntN(3) {
			case 0:
				s.Pulling(image(name), core.Size(r.IntN(1e9)), 1e9)
				shown[name] = true
			case 1:
				s.Pulled(image(name))
				delete(shown, name)
			default:
				line := strings.Repeat("l", 1+r.IntN(19))
				written = append(written, line)
				fmt.Fprintln(s, line)
			}
		}
		rows := strings.Split(v.String(), "\n")
		if v.row == 0 {
			rows = nil
		}
		if len(rows) != len(written)+len(shown) {
			t.Fatalf("seed %d: %d rows, want %d written and %d pulls:\n%s", seed, len(rows), len(written), len(shown), v)
		}
		if diff := cmp.Diff(written, rows[:len(written)]); diff != "" && len(written) > 0 {
			t.Fatalf("seed %d: what was written (-want +got):\n%s", seed, diff)
		}
	}
}

func TestAnImagesNameCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	s := &screen{out: &b, size: func() (int, int) { return 80, 24 }}
	s.Pulling(image("redis\x1b[2J:1"), 0, 0)
	if strings.Contains(b.String(), "\x1b") {
		t.Errorf("it shows %q", b.String())
	}
}

func TestWhoHasNoRoomIsToldWhatToType(t *testing.T) {
	t.Parallel()
	s := &session{program: &program{}}
	r := core.Result{Outcome: core.OutcomeHeld, Reason: core.Reason{Code: core.NoSpace}}
	if got := s.whatToType(r, core.Policy{}); !strings.Contains(got, "docker system df") {
		t.Errorf("the hint is %q", got)
	}
	if r.Reason.Code = core.PullFailed; s.whatToType(r, core.Policy{}) != "" {
		t.Errorf("a hint for %s", r.Reason.Code)
	}
	if code := exitCode([]core.Result{{Outcome: core.OutcomeHeld, Reason: core.Reason{Code: core.NoSpace}}}); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}
