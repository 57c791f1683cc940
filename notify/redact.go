package notify

import (
	"cmp"
	"encoding/base64"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// redactor takes the parts of one URL out of a text, in every form in which a
// client, a server or a library may have put them into it.
type redactor struct {
	parts []string
	own   *regexp.Regexp // nil where the URL has no parts
}

// hidden stands where something was.
const hidden = "[hidden]"

// Shorter parts than these are only hidden where they stand alone as a word:
// everything would be full of holes.
const shortPart = 4

// strange matches what looks like an address or a credential, whosever it is.
var strange = []*regexp.Regexp{
	regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://[^\s"'<>]*`),
	regexp.MustCompile(`[^\s"'<>:]+@[^\s"'<>]+`),
	regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`),
	regexp.MustCompile(`\[[0-9a-fA-F:.%]{2,}\](?::\d+)?`),
	regexp.MustCompile(`[A-Za-z0-9_+/=-]{24,}`),
}

// newRedactor makes the redactor of a channel's URL. It need not be one that
// parses.
func newRedactor(raw string) redactor {
	words := map[string]bool{}
	add := func(part string) {
		for _, form := range forms(part) {
			words[form] = true
		}
	}
	for _, part := range partsOf(raw) {
		add(part)
		// A service may put the pieces of a token together in another way.
		for _, piece := range strings.FieldsFunc(part, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(piece) >= 6 && !slices.Contains(schemes(), piece) && piece != "webhook" {
				add(piece)
			}
		}
	}
	return redactor{parts: partsOf(raw), own: anyOf(words)}
}

// partsOf takes a URL apart: all of it but the scheme, and the names of settings
// that shoutrrr itself has given.
func partsOf(raw string) []string {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return []string{raw}
	}
	parts := []string{raw, rest}
	u, err := url.Parse(raw)
	if err != nil {
		return append(parts, strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("/?#&=@:,;", r) })...)
	}
	user, password := "", ""
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
		parts = append(parts, u.User.String(), user, password, user+":"+password, "\x00"+user+"\x00"+password)
	}
	parts = append(parts, u.Host, u.Hostname(), u.Opaque, u.Path, u.EscapedPath(), u.RawQuery, u.Fragment, u.EscapedFragment())
	parts = append(parts, strings.Split(u.Path, "/")...)
	parts = append(parts, strings.Split(u.EscapedPath(), "/")...)
	for key, values := range u.Query() {
		if strings.HasPrefix(key, "@") || strings.HasPrefix(key, "$") {
			parts = append(parts, key[1:])
		}
		for _, value := range values {
			parts = append(parts, value)
			parts = append(parts, strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",;: ", r) })...)
		}
	}
	slices.Sort(parts)
	return slices.DeleteFunc(slices.Compact(parts), func(part string) bool {
		// In some services' URLs the host is only a word that stands there always.
		return strings.Trim(part, "/:") == "" || part == u.Scheme || part == "webhook"
	})
}

// forms are the ways in which a part may be written.
func forms(part string) []string {
	all := []string{
		part, url.QueryEscape(part), url.PathEscape(part), (&url.URL{Path: part}).EscapedPath(),
		html.EscapeString(part), strings.Trim(strconv.Quote(part), `"`), strings.Trim(strconv.QuoteToASCII(part), `"`),
		strings.Trim(part, "/"), strings.ReplaceAll(part, " ", "+"),
	}
	if plain, err := url.QueryUnescape(part); err == nil {
		all = append(all, plain)
	}
	if plain, err := url.PathUnescape(part); err == nil {
		all = append(all, plain)
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, encoding.EncodeToString([]byte(part)))
	}
	return slices.DeleteFunc(all, func(form string) bool { return form == "" })
}

// anyOf matches any of the words, the longest first, whatever the case.
func anyOf(words map[string]bool) *regexp.Regexp {
	var all []string
	for word := range words {
		all = append(all, word)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for i, word := range all {
		quoted := regexp.QuoteMeta(strings.ToValidUTF8(word, "\uFFFD"))
		if len(word) < shortPart {
			quoted = `\b` + quoted + `\b`
		}
		all[i] = quoted
	}
	return regexp.MustCompile(`(?i)(?:` + strings.Join(all, "|") + `)`)
}

// clean makes a text one line of at most 200 characters without anything of the
// URL, or of any other.
func (r redactor) clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }), " ")
	if r.own != nil {
		text = r.own.ReplaceAllString(text, hidden)
	}
	for _, pattern := range strange {
		text = pattern.ReplaceAllString(text, hidden)
	}
	for doubled := hidden + hidden; strings.Contains(text, doubled); {
		text = strings.ReplaceAll(text, doubled, hidden)
	}
	runes := []rune(text)
	if len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return text
}
