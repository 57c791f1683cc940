package notify

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/refit-dev/refit/core"
)

// outcome is what became of the container, in two words at most.
func (e Event) outcome() string {
	row, _ := rowOf(core.NoticeKind(e.Event))
	return row.one
}

// rows are what there is to say of an event, each with its name.
func (e Event) rows(timed bool) [][2]string {
	reason := e.Reason
	if e.Code != "" && e.Reason != "" && core.NoticeKind(e.Event) != core.NoticeUpdated {
		reason += " (" + e.Code + ")"
	}
	all := [][2]string{{"image", e.Image}, {"change", e.change()}}
	if e.FromVersion+e.ToVersion != "" && e.change() != "" {
		digests := Event{From: shortID(e.FromDigest), To: shortID(e.ToDigest)}.change()
		all = append(all, [2]string{"digest", digests})
	}
	all = append(all, [2]string{"revision", e.Revision}, [2]string{"source", e.Source}, [2]string{"reason", reason})
	if e.PulledBytes > 0 {
		all = append(all, [2]string{"pulled", core.Size(e.PulledBytes).String() + " in " + duration(e.PullTook)})
	}
	if e.Downtime > 0 {
		all = append(all, [2]string{"downtime", duration(e.Downtime)})
	}
	if !e.RetryAt.IsZero() {
		all = append(all, [2]string{"asked again", clock(e.RetryAt)})
	}
	if timed {
		all = append(all, [2]string{"time", clock(e.At)})
	}
	var said [][2]string
	for _, row := range all {
		if row[1] != "" {
			said = append(said, row)
		}
	}
	return said
}

// name is the heading of an event.
func (e Event) name() string {
	switch {
	case core.NoticeKind(e.Event) == core.NoticeStarted:
		return e.Line
	case e.Container == "":
		return "refit: " + e.outcome()
	default:
		return e.Container + ": " + e.outcome()
	}
}

// plain is the mail for who reads no HTML.
func (r Report) plain() string {
	var b strings.Builder
	b.WriteString(r.Title + "\n" + r.when() + "\n")
	timed := clock(r.From) != clock(r.To)
	for _, e := range r.Events {
		fmt.Fprintf(&b, "\n%s\n", e.name())
		for _, row := range e.rows(timed) {
			fmt.Fprintf(&b, "    %-12s %s\n", row[0]+":", row[1])
		}
		for _, line := range e.evidence(mostLines) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	return b.String()
}

// page has no colours but those of the reader's client, which may be dark, and no
// style that a client throws away to harm.
var page = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>{{.Title}}</title></head>
<body style="font-family:sans-serif">
<p><strong>{{.Title}}</strong><br>{{.When}}</p>
<table style="border-collapse:collapse" border="1" cellpadding="6">
<tr align="left"><th>container</th><th>image</th><th>from → to</th><th>outcome</th><th>downtime</th><th>reason</th></tr>
{{range .Rows}}<tr valign="top"><td>{{.Container}}</td><td>{{.Image}}</td><td>{{.Change}}{{if .Source}}<br><a href="{{.Source}}">source</a>{{end}}</td>` +
	`<td>{{if .Problem}}<strong>{{.Outcome}}</strong>{{else}}{{.Outcome}}{{end}}</td><td>{{.Downtime}}</td><td>{{.Reason}}</td></tr>
{{end}}</table>
{{range .Rows}}{{if .Evidence}}<p><strong>{{.Name}}</strong></p>
<pre style="white-space:pre-wrap">{{range .Evidence}}{{.}}
{{end}}</pre>
{{end}}{{end}}</body></html>
`))

// mailRow is a row of the table in a mail.
type mailRow struct {
	Name, Container, Image, Change, Source, Outcome, Downtime, Reason string
	Problem                                                           bool
	Evidence                                                          []string
}

// html is the mail as a page.
func (r Report) html() string {
	data := struct {
		Title, When string
		Rows        []mailRow
	}{r.Title, r.when(), nil}
	for _, e := range r.Events {
		row := mailRow{
			Name: e.name(), Container: e.Container, Image: e.Image, Change: e.change(), Source: e.Source,
			Outcome: e.outcome(), Reason: e.Reason, Problem: e.Problem, Evidence: e.evidence(mostLines),
		}
		if e.Downtime > 0 {
			row.Downtime = duration(e.Downtime)
		}
		if core.NoticeKind(e.Event) == core.NoticeStarted {
			row.Reason = e.Line
		}
		data.Rows = append(data.Rows, row)
	}
	var b strings.Builder
	if err := page.Execute(&b, data); err != nil {
		return "" // a mail without a page is sent as plain text
	}
	return b.String()
}
