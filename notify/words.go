package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/refit-dev/refit/core"
)

// mostChat is how many characters a chat message has at most: what Telegram takes in
// one piece, and a person reads on a phone. A service that takes less is given less.
const mostChat = 3500

// Words makes messages of notices.
type Words struct {
	// Host is what people call the machine. Required.
	Host string
	// Zone is that of all times; nil is the local one.
	Zone *time.Location
	// Template, if it is set, takes the place of the built-in words.
	Template *Template
	Log      *slog.Logger // hears of a template that fails; nil means silence
}

// Message tells the notices of one channel, oldest first: of one letter, or of many
// that had to wait. It is an error if there are none.
func (w Words) Message(ch Channel, notices []core.Notice) (Message, error) {
	if len(notices) == 0 {
		return Message{}, errors.New("there is nothing to tell")
	}
	zone := w.Zone
	if zone == nil {
		zone = time.Local
	}
	chat := reporter{zone, tame}.report(w.Host, ch.Name, notices)
	mail := reporter{zone, cleaned}.report(w.Host, ch.Name, notices)
	chat.Text = chat.chat(mostChat)
	mail.Text = chat.Text
	m := Message{Title: chat.Title, Text: chat.Text, Plain: mail.plain(), HTML: mail.html()}
	if w.Template != nil {
		if err := w.Template.over(&m, chat, mail); err != nil && w.Log != nil {
			w.Log.Warn("a notification is told in the built-in words: the template fails",
				slog.String("channel", ch.Name), slog.Any("error", err))
		}
	}
	mail.Title, mail.Text = m.Title, m.Text
	var err error
	if m.JSON, err = json.Marshal(mail); err != nil {
		return Message{}, fmt.Errorf("write JSON: %w", err)
	}
	return m, nil
}

// title sums up: "refit on nas: 1 rolled back, 2 updated". A single event is told
// with its container.
func (r Report) title() string {
	var parts []string
	if len(r.Events) == 1 {
		parts = []string{r.Events[0].short()}
	} else {
		for _, k := range kindsOf(r.Events) {
			row, _ := rowOf(core.NoticeKind(k))
			parts = append(parts, fmt.Sprintf("%d %s", r.Counts[k], row.many))
		}
	}
	return cut("refit on "+r.Host+": "+strings.Join(parts, ", "), 200)
}

// kindsOf are the kinds that occur, in the order of the events.
func kindsOf(events []Event) []string {
	var all []string
	seen := map[string]bool{}
	for _, e := range events {
		if !seen[e.Event] {
			seen[e.Event] = true
			all = append(all, e.Event)
		}
	}
	return all
}

// short tells the event in a few words.
func (e Event) short() string {
	row, _ := rowOf(core.NoticeKind(e.Event))
	switch {
	case row.kind == core.NoticeStarted:
		return fmt.Sprintf("watching %d of %d containers", e.Watched, e.All)
	case e.Container == "":
		return row.one
	case row.kind == core.NoticeUpdated && e.To != "":
		return e.Container + " updated to " + e.To
	case row.kind == core.NoticeDown:
		return e.Container + " is down"
	case row.kind == core.NoticeAvailable:
		return "new image for " + e.Container
	case row.kind == core.NoticeHookFailed:
		return "a hook of " + e.Container + " failed"
	default:
		return e.Container + " " + row.one
	}
}

// line tells the event in one line: "web 1.4.2 → 1.4.3, down for 0.4 s".
func (e Event) line() string {
	row, _ := rowOf(core.NoticeKind(e.Event))
	who := e.Container
	if who == "" {
		who = "refit"
	}
	changed := strings.TrimSpace(who + " " + e.change())
	switch row.kind {
	case core.NoticeStarted:
		return e.started()
	case core.NoticeUpdated:
		return changed + e.wasDown() + e.origin()
	case core.NoticeFollowed:
		return who + " " + e.followed() + e.wasDown()
	case core.NoticeAvailable:
		return changed + " is available" + e.origin()
	case core.NoticeDown:
		return who + " IS DOWN" + e.why()
	case core.NoticeHookFailed, core.NoticeDeferred:
		return who + e.why() + e.again()
	case core.NoticeUndeliverable:
		return strings.TrimPrefix(e.why(), ": ")
	default:
		return changed + " " + row.one + e.wasDown() + e.why()
	}
}

// followed says in whose wake it was replaced or restarted.
func (e Event) followed() string {
	if done, ok := strings.CutPrefix(e.Reason, "it was "); ok {
		return done
	}
	return "followed" + e.why()
}

func (e Event) started() string {
	text := fmt.Sprintf("watching %d of %d containers", e.Watched, e.All)
	if !e.Next.IsZero() {
		text += ", next look at " + clock(e.Next)
	}
	return text
}

// change is "1.4.2 → 1.4.3", as far as it is known.
func (e Event) change() string {
	switch {
	case e.To == "", core.NoticeKind(e.Event) == core.NoticeFollowed:
		return ""
	case e.From == "" || e.From == e.To:
		return e.To
	default:
		return e.From + " → " + e.To
	}
}

func (e Event) why() string {
	switch {
	case e.Reason != "":
		return ": " + e.Reason
	case e.Code != "":
		return ": " + e.Code
	default:
		return ""
	}
}

func (e Event) again() string {
	if e.RetryAt.IsZero() {
		return ""
	}
	return "; asked again at " + clock(e.RetryAt)
}

func (e Event) wasDown() string {
	if e.Downtime <= 0 {
		return ""
	}
	return ", down for " + duration(e.Downtime)
}

// origin says where the new image's source is.
func (e Event) origin() string {
	text := ""
	if e.Revision != "" {
		text += ", revision " + shortID(e.Revision)
	}
	if e.Source != "" {
		text += " " + e.Source
	}
	return text
}

// duration is as exact as a person wants to know it.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2g s", d.Seconds())
	case d < 9950*time.Millisecond: // which would be "10.0"
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

const clockForm = "2 Jan 2006 15:04 MST"

func clock(t time.Time) string { return t.Format(clockForm) }

// when says from when to when the report is: a message that had to wait tells of
// hours.
func (r Report) when() string {
	from, to := clock(r.From), clock(r.To)
	switch {
	case from == to:
		return to
	case r.From.Format(time.DateOnly) == r.To.Format(time.DateOnly):
		return r.From.Format("2 Jan 2006 15:04") + " to " + r.To.Format("15:04 MST")
	default:
		return from + " to " + to
	}
}

// chat is the text for a chat, of at most that many characters: a line for each
// event, then what is known of the problems as far as there is room, then the time.
func (r Report) chat(most int) string {
	end := r.when()
	room := most - utf8.RuneCountInString(end) - len("… and 9999 more\n")
	lines := make([]string, 0, len(r.Events))
	for i, e := range r.Events {
		line := cut(e.Line, 600)
		room -= utf8.RuneCountInString(line) + 1
		if room < 0 && i > 0 {
			break
		}
		lines = append(lines, line)
	}
	var b strings.Builder
	for i, line := range lines {
		b.WriteString(line + "\n")
		details := r.Events[i].brief()
		if need := utf8.RuneCountInString(details); need <= room {
			b.WriteString(details)
			room -= need
		}
	}
	if left := len(r.Events) - len(lines); left > 0 {
		fmt.Fprintf(&b, "… and %d more\n", left)
	}
	return b.String() + end
}

// brief is what a phone shows of the evidence.
func (e Event) brief() string {
	if !e.Problem {
		return ""
	}
	var b strings.Builder
	for _, line := range e.evidence(3) {
		b.WriteString("  " + cut(line, 300) + "\n")
	}
	return b.String()
}

// evidence is what is known of a failure, line by line, with that many log lines.
func (e Event) evidence(logs int) []string {
	var lines []string
	switch {
	case e.ExitCode != nil && e.OutOfMemory:
		lines = append(lines, fmt.Sprintf("exit code %d, killed for want of memory", *e.ExitCode))
	case e.ExitCode != nil:
		lines = append(lines, fmt.Sprintf("exit code %d", *e.ExitCode))
	case e.OutOfMemory:
		lines = append(lines, "killed for want of memory")
	}
	if e.Health != "" {
		lines = append(lines, "healthcheck: "+e.Health)
	}
	for _, l := range e.Logs[max(0, len(e.Logs)-logs):] {
		lines = append(lines, "| "+l)
	}
	if core.NoticeKind(e.Event) != core.NoticeHookFailed { // whose reason it is
		for _, h := range e.Hooks {
			if h.Fault != "" {
				lines = append(lines, fmt.Sprintf("hook %s failed at %s: %s", h.Hook, h.Stage, h.Fault))
			}
		}
	}
	for _, n := range e.Notes {
		lines = append(lines, "note: "+n)
	}
	return lines
}
