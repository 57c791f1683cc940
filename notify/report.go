package notify

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/refit-dev/refit/core"
)

// reportVersion is raised when a field of Report changes its meaning or goes. New
// fields do not raise it.
const reportVersion = 1

// Report is what one message tells: the data of templates, and the JSON of webhooks.
// All text in it is of one line, without control characters.
type Report struct {
	Version int            `json:"version" is:"of this form: 1. New fields do not raise it"`
	Title   string         `json:"title" is:"the title"`
	Text    string         `json:"text" is:"the text for a chat. Of several lines"`
	Host    string         `json:"host" is:"the host that Refit runs on"`
	Channel string         `json:"channel" is:"the channel's name"`
	From    time.Time      `json:"from" is:"when the first of the events was"`
	To      time.Time      `json:"to" is:"when the last of them was"`
	Counts  map[string]int `json:"counts" is:"how many events there are of each kind"`
	Events  []Event        `json:"events" is:"the events, problems first"`
}

// Event is one thing that happened.
type Event struct {
	Event     string    `json:"event" is:"what happened, see the table of events"`
	Problem   bool      `json:"problem,omitempty" is:"a person may have to mend something"`
	At        time.Time `json:"at" is:"when"`
	Container string    `json:"container,omitempty" is:"the container's name; none where it is about Refit itself"`
	Line      string    `json:"line" is:"all of it in one line"`

	Image       string `json:"image,omitempty" is:"the image's reference: nginx:1"`
	From        string `json:"from,omitempty" is:"the image before, as people call it: its version, or 12 digits of its digest"`
	To          string `json:"to,omitempty" is:"the new one"`
	FromVersion string `json:"from_version,omitempty" is:"what the image before calls its version (label org.opencontainers.image.version)"`
	ToVersion   string `json:"to_version,omitempty" is:"what the new one does"`
	FromDigest  string `json:"from_digest,omitempty" is:"the digest of the image before, or its id where it has none"`
	ToDigest    string `json:"to_digest,omitempty" is:"that of the new one"`
	Revision    string `json:"revision,omitempty" is:"the new image's source revision (label …revision)"`
	Source      string `json:"source,omitempty" is:"the address of its source (label …source), if it is http or https"`

	Code    string    `json:"code,omitempty" is:"the reason's code: gate-failed"`
	Reason  string    `json:"reason,omitempty" is:"the reason in a sentence"`
	RetryAt time.Time `json:"retry_at,omitzero" is:"when it is tried again out of its turn: a hook has put it off, or a registry wants to be left alone until then"`

	PulledBytes   int64         `json:"pulled_bytes,omitempty" is:"how much was downloaded for it, compressed; none where the engine had it"`
	PullTook      time.Duration `json:"-" is:"how long that took"`
	PulledSeconds float64       `json:"pulled_seconds,omitempty" is:"the same in seconds"`

	Downtime        time.Duration `json:"-" is:"how long the container did not run"`
	DowntimeSeconds float64       `json:"downtime_seconds,omitempty" is:"the same in seconds"`

	ExitCode    *int     `json:"exit_code,omitempty" is:"the new container's exit code, where it was seen"`
	OutOfMemory bool     `json:"out_of_memory,omitempty" is:"it was killed for want of memory"`
	Health      string   `json:"health,omitempty" is:"the last output of its healthcheck"`
	Logs        []string `json:"logs,omitempty" is:"its last log lines, at most 20"`

	Hooks []Hook   `json:"hooks,omitempty" is:"the calls of hooks"`
	Notes []string `json:"notes,omitempty" is:"what was left where, and what to type"`

	Watched int       `json:"watched,omitempty" is:"started: how many containers Refit watches"`
	All     int       `json:"all,omitempty" is:"started: how many there are"`
	Next    time.Time `json:"next,omitzero" is:"started: when it looks next"`
}

// Hook is one call of a hook.
type Hook struct {
	Hook        string        `json:"hook" is:"its name"`
	Stage       string        `json:"stage" is:"the stage that it was called at"`
	Took        time.Duration `json:"-" is:"how long it took"`
	TookSeconds float64       `json:"took_seconds" is:"the same in seconds"`
	Fault       string        `json:"fault,omitempty" is:"what went wrong, if anything did"`
}

// reporter makes reports: zone is that of all times, and fix goes over all text
// that others wrote.
type reporter struct {
	zone *time.Location
	fix  func(string) string
}

func (p reporter) report(host, channel string, notices []core.Notice) Report {
	r := Report{Version: reportVersion, Host: p.fix(host), Channel: p.fix(channel), Counts: map[string]int{}}
	for _, n := range notices {
		e := p.event(n)
		r.Counts[e.Event]++
		r.Events = append(r.Events, e)
		if r.From.IsZero() || e.At.Before(r.From) {
			r.From = e.At
		}
		if e.At.After(r.To) {
			r.To = e.At
		}
	}
	slices.SortStableFunc(r.Events, func(a, b Event) int {
		if a.Problem != b.Problem {
			if a.Problem {
				return -1
			}
			return 1
		}
		_, x := rowOf(core.NoticeKind(a.Event))
		_, y := rowOf(core.NoticeKind(b.Event))
		return x - y
	})
	r.Title = r.title()
	return r
}

func (p reporter) event(n core.Notice) Event {
	e := Event{
		Event: p.fix(string(n.Kind)), Problem: levelOf(n) == Problems, At: p.local(n.At), Container: p.fix(n.Container),
		FromVersion: p.fix(n.FromVersion.Version), ToVersion: p.fix(n.ToVersion.Version),
		FromDigest: p.fix(digest(n.From)), ToDigest: p.fix(digest(n.To)),
		Revision: p.fix(n.ToVersion.Revision), Source: source(n.ToVersion.Source),
		Code: p.fix(string(n.Reason.Code)), Reason: p.fix(n.Reason.Text), RetryAt: p.local(n.RetryAt),
		PulledBytes: int64(n.Pull.Bytes), PullTook: n.Pull.Took, PulledSeconds: n.Pull.Took.Seconds(),
		Downtime: n.Downtime, DowntimeSeconds: n.Downtime.Seconds(),
		Watched: n.Watched, All: n.All, Next: p.local(n.Next),
	}
	e.Image = p.fix(n.To.Reference.Text)
	if e.Image == "" {
		e.Image = p.fix(n.From.Reference.Text)
	}
	e.From, e.To = e.versions()
	if n.Evidence != nil {
		e.ExitCode, e.OutOfMemory = n.Evidence.ExitCode, n.Evidence.OOMKilled
		e.Health, e.Logs = p.fix(n.Evidence.HealthOutput), p.all(n.Evidence.Logs)
	}
	for _, h := range n.Hooks {
		e.Hooks = append(e.Hooks, Hook{
			Hook: p.fix(h.Hook), Stage: p.fix(string(h.Stage)), Took: h.Took, TookSeconds: h.Took.Seconds(), Fault: p.fix(h.Fault),
		})
	}
	e.Notes = p.all(n.Notes)
	e.Line = e.line()
	return e
}

func (p reporter) all(texts []string) []string {
	var fixed []string
	for _, t := range texts {
		if t = p.fix(t); t != "" {
			fixed = append(fixed, t)
		}
	}
	return fixed
}

// local leaves the zero time zero.
func (p reporter) local(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(p.zone)
}

func digest(i core.Image) string {
	if i.Digest != "" {
		return i.Digest
	}
	return i.ID
}

// versions are what people call the two images. Versions beat digests, unless they
// do not tell the two apart: a tag that moves is often rebuilt under its old version.
func (e Event) versions() (from, to string) {
	from, to = e.FromVersion, e.ToVersion
	if from == to {
		from, to = "", ""
	}
	if from == "" {
		from = shortID(e.FromDigest)
	}
	if to == "" {
		to = shortID(e.ToDigest)
	}
	return from, to
}

// shortID is core.Short, for text that may be no digest at all.
func shortID(id string) string { return strings.ToValidUTF8(core.Short(id), "") }

// sourceForm is what an address may consist of to be shown: nothing that ends it in
// a chat, hides where it leads, or calls somebody.
var sourceForm = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/%+=?&#-]*)?$`)

// source is the address of an image's source, "" if it is not fit to be shown.
func source(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || !sourceForm.MatchString(raw) {
		return ""
	}
	return raw
}

// cleaned makes one line of what others wrote: valid, without line breaks and
// characters that steer a terminal, hide, or turn the direction of the text.
func cleaned(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
	}), " ")
}

// tame is cleaned, for a chat: nothing in it calls somebody (@here, <!channel>,
// <@123>), opens code that swallows what follows, or hides where a link leads. What
// is put in between has no width.
func tame(text string) string {
	text = cleaned(text)
	if !strings.ContainsAny(text, "@<`]") {
		return text
	}
	var b strings.Builder
	before := ' '
	for _, r := range text {
		b.WriteString(between(before, r))
		if r == '`' {
			r = '\''
		}
		b.WriteRune(r)
		if r == '@' && before < unicode.MaxASCII && before != '_' && isWord(before) {
			r = ' ' // the middle of an address or a digest: it calls nobody
		}
		before = r
	}
	return b.String()
}

// between is what keeps two characters from being read as the start of something.
func between(a, b rune) string {
	const narrow = "\u200b"
	switch {
	case a == '@' && isWord(b):
		return narrow
	case a == '<' && (isWord(b) || strings.ContainsRune("@#!&:/", b)):
		return narrow
	case a == ']' && b == '(':
		return " "
	default:
		return ""
	}
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
