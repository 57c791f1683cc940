package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/notify"
)

// notifyCommands are those that have to do with notifications.
func notifyCommands() []command {
	return []command{
		{
			name: "notify", run: runNotify, usage: "notify [flags]",
			summary: "show the channels, and what they are owed; the same as notify list",
			more:    aboutNotify,
		},
		{
			name: "notify list", run: runNotify, usage: "notify list [flags]",
			summary: "show the channels, what they are owed, and what could not be delivered",
			more:    aboutNotify,
		},
		{
			name: "notify test", run: runNotifyTest, usage: "notify test [flags] [CHANNEL…]", most: -1, argument: "channel",
			summary: "send a sample to every channel, or to the named ones, now",
			more: `Needs no engine. Ends with 30 if one of them could not be reached.

Examples:
    refit notify test
    refit notify test ops
    refit notify test --notify ops=slack://hook:TOKEN@webhook`,
		},
		{
			name: "notify preview", run: runNotifyPreview, usage: "notify preview [flags]",
			summary: "show the words that a channel would get for an event, without sending",
			more: `Needs neither an engine nor a channel. The containers in it do not exist.

Examples:
    refit notify preview
    refit notify preview --event updated --format html >preview.html
    refit notify preview --event down --notify-template words.tmpl`,
		},
	}
}

const aboutNotify = `Looks at the state in --data, not at the engine, and asks no channel. Of a channel's URL
it shows the service. A message that fails is tried again, less and less often, until
--notify-give-up; what was given up stays in the list, at most 200 messages of a channel.
Ends with 30 if something was given up.

The sidecar delivers while it runs. A command that changes containers waits up to 10 s for
its messages to go out when it is done; the sidecar, or the next command, delivers the rest.

Examples:
    refit notify
    refit notify list --format json`

// channelRow is what notify list tells of one channel. Its fields are for programs
// too: they are only ever added to.
type channelRow struct {
	Name string `json:"channel"`
	// Service and Level are "" for a channel that is not configured any more, or not
	// for this process.
	Service string       `json:"service"`
	Level   notify.Level `json:"level"`
	Warning string       `json:"warning,omitempty"`

	Owed    int       `json:"owed"` // messages, and since when
	Since   time.Time `json:"since,omitzero"`
	NextTry time.Time `json:"next_try,omitzero"`
	Fault   string    `json:"fault,omitempty"`

	GivenUp []givenUp `json:"given_up"`
}

// givenUp is a message that nobody got.
type givenUp struct {
	Posted  time.Time       `json:"posted"`
	At      time.Time       `json:"given_up"`
	Fault   string          `json:"fault"`
	Notices []noticeSummary `json:"notices"`
}

type noticeSummary struct {
	Event     core.NoticeKind `json:"event"`
	At        time.Time       `json:"at"`
	Container string          `json:"container,omitempty"`
}

// runNotify shows what the ledger has for whom.
func runNotify(ctx context.Context, p *program) (int, error) {
	if p.format != "table" && p.format != "json" {
		return 0, refusal{problem: "notify has no templates", hint: "--format table or json"}
	}
	letters, err := ledger.At(p.data).Letters(ctx)
	if err != nil {
		return 0, refusal{problem: err.Error(), hint: "--data or REFIT_DATA names the folder with the state of the Refit that is meant"}
	}
	rows := p.channelRows(letters)
	code := exitDone
	for _, r := range rows {
		if len(r.GivenUp) > 0 {
			code = exitFailed
		}
	}
	if p.format == "json" {
		return code, writeJSON(p.stdout, rows)
	}
	return code, writeChannels(p.stdout, rows)
}

// channelRows has the configured channels first, in their order, and then those
// that only the ledger knows.
func (c config) channelRows(letters []core.Letter) []channelRow {
	rows := []channelRow{} // not null
	row := func(name string) *channelRow {
		i := slices.IndexFunc(rows, func(r channelRow) bool { return r.Name == name })
		if i < 0 {
			i = len(rows)
			rows = append(rows, channelRow{Name: name, GivenUp: []givenUp{}})
		}
		return &rows[i]
	}
	for _, ch := range c.notify.channels {
		r := row(ch.Name)
		r.Level = ch.Level
		r.Service, _, _ = strings.Cut(ch.URL, "://")
	}
	for _, w := range notify.Warnings(c.notify.channels) {
		row(w.Channel).Warning = w.Text
	}
	for _, l := range letters {
		row(l.Channel).add(l)
	}
	return rows
}

func (r *channelRow) add(l core.Letter) {
	if !l.GivenUp.IsZero() {
		g := givenUp{Posted: l.Posted, At: l.GivenUp, Fault: l.Fault, Notices: []noticeSummary{}}
		for _, n := range l.Notices {
			g.Notices = append(g.Notices, noticeSummary{n.Kind, n.At, n.Container})
		}
		r.GivenUp = append(r.GivenUp, g)
		return
	}
	r.Owed++
	if r.Since.IsZero() || l.Posted.Before(r.Since) {
		r.Since = l.Posted
	}
	if l.Tries > 0 {
		r.NextTry, r.Fault = l.NextTry, l.Fault
	}
}

// writeChannels prints a table, and under it what was given up.
func writeChannels(w io.Writer, rows []channelRow) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "no channels: --notify NAME=URL, or REFIT_NOTIFY, makes one")
		return err
	}
	table := [][]string{{"CHANNEL", "SERVICE", "LEVEL", "OWED", "SINCE", "NEXT TRY", "GIVEN UP", "LAST FAULT"}}
	for _, r := range rows {
		service := r.Service
		if service == "" {
			service = "(not configured)"
		}
		table = append(table, []string{
			r.Name, service, string(r.Level), fmt.Sprint(r.Owed), clockOrNone(r.Since), clockOrNone(r.NextTry), fmt.Sprint(len(r.GivenUp)), r.Fault,
		})
	}
	if err := writeTable(w, table); err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range rows {
		if r.Warning != "" {
			fmt.Fprintf(&b, "%s: mind: %s\n", clean(r.Name), clean(r.Warning))
		}
		for _, g := range r.GivenUp {
			fmt.Fprintf(&b, "%s: given up at %s: %s (%s)\n", clean(r.Name), clock(g.At), clean(g.summary()), clean(g.Fault))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// summary names what the message told: "web updated, db rolled-back".
func (g givenUp) summary() string {
	const most = 5
	var parts []string
	for i, n := range g.Notices {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(g.Notices)-most))
			break
		}
		parts = append(parts, strings.TrimSpace(n.Container+" "+string(n.Event)))
	}
	return strings.Join(parts, ", ")
}

// clockOrNone is "" for the zero time.
func clockOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return clock(t)
}
