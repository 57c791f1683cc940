package host

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The most that is kept of what a plugin says, in bytes.
const (
	maxText   = 1 << 10 // of a reason, a log line, or a value beside one
	maxFields = 32      // values beside a log line
)

// tidy makes one line of a plugin's text that is safe to show: valid, without
// control and formatting characters, and at most that many bytes.
func tidy(text string, most int) string {
	const cut = "…"
	// More than this never shows, and need not be looked at.
	text = text[:min(len(text), 4*most)]
	text = strings.Join(strings.Fields(strings.Map(plain, strings.ToValidUTF8(text, "?"))), " ")
	if len(text) <= most {
		return text
	}
	end := most - len(cut)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cut
}

// plain makes a space of what ends a line, and drops what a terminal would obey.
func plain(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
		return -1
	default:
		return r
	}
}
