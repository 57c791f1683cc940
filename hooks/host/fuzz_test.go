package host

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func FuzzTidy(f *testing.F) {
	f.Add("a\nb\x1b[31m\u202e\xff", 8)
	f.Add(strings.Repeat("é", 100), 11)
	f.Fuzz(func(t *testing.T, text string, most int) {
		most = 3 + (most%1000+1000)%1000
		got := tidy(text, most)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("got %q of %q, at most %d bytes", got, text, most)
		}
		if again := tidy(got, most); again != got {
			t.Errorf("got %q, and then %q", got, again)
		}
	})
}

func FuzzChecksums(f *testing.F) {
	f.Add(strings.Repeat("0a", 32) + " *name\n# x\n\n\\" + strings.Repeat("F", 64) + `  a\\b\n`)
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseChecksums(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, line := range lines {
			if sum, err := hex.DecodeString(line.sum); err != nil || len(sum) != 32 || line.name == "" || line.sum != strings.ToLower(line.sum) {
				t.Errorf("got %+v of %q", line, text)
			}
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add("1|1|unix|/x|grpc|AAAA")
	f.Add("1|1|tcp|127.0.0.1:80|grpc|")
	f.Fuzz(func(t *testing.T, line string) {
		if err := checkHandshake(line); err != nil && len(err.Error()) > 400 {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzPrinted prints in pieces, and wants whole lines, the long ones cut.
func FuzzPrinted(f *testing.F) {
	f.Add([]byte("a\n\nb"), 1)
	f.Add(bytes.Repeat([]byte("x"), 3*maxLine), maxLine)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = max(1, size%10000)
		var got []string
		s := &splitter{take: func(line string) { got = append(got, line) }}
		for piece := range slices.Chunk(text, size) {
			_, _ = s.Write(piece)
		}
		s.flush()
		var want []string
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(line) > 0 {
				want = append(want, string(line[:min(len(line), maxLine)]))
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
