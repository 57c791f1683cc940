package notify_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

var rewrite = flag.Bool("update", false, "write the golden files and the tables of docs/notifications.md anew")

// cest is a zone that is the same on every machine.
var cest = time.FixedZone("CEST", 2*60*60)

func tell(t *testing.T, notices ...core.Notice) notify.Message {
	t.Helper()
	m, err := notify.Words{Host: "nas", Zone: cest}.Message(notify.Channel{Name: "ops"}, notices)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the code says: go test ./notify -update (-there +here):\n%s", name, diff)
	}
}

func everySample() []core.Notice {
	var all []core.Notice
	for _, k := range notify.Kinds() {
		all = append(all, notify.Sample(k)...)
	}
	return all
}

func TestWordsOfEverySample(t *testing.T) {
	t.Parallel()
	samples := map[string][]core.Notice{"all": everySample()}
	for _, k := range notify.Kinds() {
		samples[string(k)] = notify.Sample(k)
	}
	for name, notices := range samples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(notices) == 0 {
				t.Fatal("there is no sample")
			}
			m := tell(t, notices...)
			var indented json.RawMessage
			if err := json.Unmarshal(m.JSON, &indented); err != nil {
				t.Fatal(err)
			}
			pretty, err := json.MarshalIndent(indented, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".golden"), fmt.Sprintf("--- title\n%s\n--- text\n%s\n--- plain\n%s--- html\n%s--- json\n%s\n",
				m.Title, m.Text, m.Plain, m.HTML, pretty))
		})
	}
	if notify.Sample("no such event") != nil {
		t.Error("there is a sample of what does not exist")
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	image := func(digest string) core.Image { return core.Image{Digest: digest} }
	at := time.Date(2026, 5, 3, 2, 0, 0, 0, time.UTC)
	updated := core.Notice{
		Kind: core.NoticeUpdated, Container: "web", From: image("sha256:0123456789abcdef"), To: image("sha256:fedcba9876543210"),
		Downtime: 400 * time.Millisecond,
	}
	with := func(change func(*core.Notice)) core.Notice {
		n := updated
		change(&n)
		return n
	}
	for name, tt := range map[string]struct {
		notice core.Notice
		want   string
	}{
		"versions beat digests": {with(func(n *core.Notice) { n.FromVersion.Version, n.ToVersion.Version = "1.4.2", "1.4.3" }), "web 1.4.2 → 1.4.3, down for 0.4 s"},
		"no versions":           {updated, "web 0123456789ab → fedcba987654, down for 0.4 s"},
		"the same version":      {with(func(n *core.Notice) { n.FromVersion.Version, n.ToVersion.Version = "1", "1" }), "web 0123456789ab → fedcba987654, down for 0.4 s"},
		"one version":           {with(func(n *core.Notice) { n.ToVersion.Version = "2" }), "web 0123456789ab → 2, down for 0.4 s"},
		"ids, where no registry knows the images": {
			with(func(n *core.Notice) { n.From, n.To = core.Image{ID: "sha256:aa"}, core.Image{ID: "sha256:bb"} }), "web aa → bb, down for 0.4 s",
		},
		"in another's wake": {
			with(func(n *core.Notice) {
				n.Kind, n.To, n.Reason.Text = core.NoticeFollowed, n.From, "it was replaced together with vpn"
			}), "web replaced together with vpn, down for 0.4 s",
		},
		"in a wake of a later kind": {
			with(func(n *core.Notice) { n.Kind, n.To, n.Reason.Text = core.NoticeFollowed, n.From, "vpn told it to" }),
			"web followed: vpn told it to, down for 0.4 s",
		},
		"nothing known":           {core.Notice{Kind: core.NoticeUpdated, Container: "web"}, "web"},
		"a source":                {with(func(n *core.Notice) { n.ToVersion.Source = "https://example.com/a" }), "web 0123456789ab → fedcba987654, down for 0.4 s https://example.com/a"},
		"a source that is a trap": {with(func(n *core.Notice) { n.ToVersion.Source = "https://good.example@evil.example/" }), "web 0123456789ab → fedcba987654, down for 0.4 s"},
		"a source that is a program": {
			with(func(n *core.Notice) { n.ToVersion.Source = "javascript:alert(1)" }), "web 0123456789ab → fedcba987654, down for 0.4 s",
		},
		"a revision":        {with(func(n *core.Notice) { n.ToVersion.Revision = "0a1b2c3d4e5f6a7b8c9d" }), "web 0123456789ab → fedcba987654, down for 0.4 s, revision 0a1b2c3d4e5f"},
		"a reason's code":   {core.Notice{Kind: core.NoticeHeld, Container: "web", Reason: core.Reason{Code: core.BadLabel}}, "web held: bad-label"},
		"a kind of a later": {core.Notice{Kind: "celebrated", Container: "web", Reason: core.Reason{Text: "it is ten"}}, "web celebrated: it is ten"},
		"mentions": {
			core.Notice{Kind: core.NoticeHeld, Container: "web", Reason: core.Reason{Text: "@here @everyone <@123> <!channel> a@b.example nginx@sha256:1"}},
			"web held: @\u200bhere @\u200beveryone <\u200b@\u200b123> <\u200b!channel> a@b.example nginx@sha256:1",
		},
		"markup": {
			core.Notice{Kind: core.NoticeHeld, Container: "web", Reason: core.Reason{Text: "```\n[click](http://evil.example) \x1b[31mred\u202e"}},
			"web held: ''' [click] (http://evil.example)  [31mred",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.notice.At = at
			line, _, _ := strings.Cut(tell(t, tt.notice).Text, "\n")
			if line != tt.want {
				t.Errorf("got  %q\nwant %q", line, tt.want)
			}
		})
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0.4 s", 12 * time.Millisecond: "0.012 s", 2345 * time.Millisecond: "2.3 s", 12 * time.Second: "12 s",
		119 * time.Second: "119 s", 200 * time.Second: "3 min 20 s", 150 * time.Minute: "2 h 30 min",
		999 * time.Millisecond: "1 s", 9990 * time.Millisecond: "10 s",
	} {
		n := core.Notice{Kind: core.NoticeUpdated, Container: "web", Downtime: d}
		if line, _, _ := strings.Cut(tell(t, n).Text, "\n"); line != "web, down for "+want {
			t.Errorf("%s is told as %q, want %q", d, line, want)
		}
	}
}

func TestProblemsComeFirst(t *testing.T) {
	t.Parallel()
	m := tell(t,
		core.Notice{Kind: core.NoticeUpdated, Container: "a"},
		core.Notice{Kind: core.NoticeHeld, Container: "b", Reason: core.Reason{Code: core.HookVetoed}},
		core.Notice{Kind: core.NoticeUpdated, Container: "c"},
		core.Notice{Kind: core.NoticeRolledBack, Container: "d"},
		core.Notice{Kind: core.NoticeHeld, Container: "e", Reason: core.Reason{Code: core.BadLabel}},
		core.Notice{Kind: core.NoticeDown, Container: "f"},
	)
	if want := "refit on nas: 1 down, 1 rolled back, 2 held, 2 updated"; m.Title != want {
		t.Errorf("the title is %q, want %q", m.Title, want)
	}
	got := ""
	for line := range strings.Lines(m.Text) {
		got += line[:1]
	}
	if !strings.HasPrefix(got, "fdebac") {
		t.Errorf("the containers come as %q", got)
	}
}

func TestAMessageThatHadToWaitSaysFromWhenToWhen(t *testing.T) {
	t.Parallel()
	at := func(day, hour, minute int) core.Notice {
		return core.Notice{Kind: core.NoticeUpdated, Container: "web", At: time.Date(2026, 5, day, hour, minute, 0, 0, time.UTC)}
	}
	for name, tt := range map[string]struct {
		notices []core.Notice
		want    string
	}{
		"one moment": {[]core.Notice{at(3, 2, 0), at(3, 2, 0)}, "3 May 2026 04:00 CEST"},
		"one day":    {[]core.Notice{at(3, 7, 12), at(3, 2, 0)}, "3 May 2026 04:00 to 09:12 CEST"},
		"two days":   {[]core.Notice{at(3, 2, 0), at(4, 2, 0)}, "3 May 2026 04:00 CEST to 4 May 2026 04:00 CEST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := tell(t, tt.notices...)
			for form, text := range map[string]string{"text": m.Text, "plain": m.Plain, "HTML": m.HTML} {
				if !strings.Contains(text, tt.want) {
					t.Errorf("the %s does not say %q:\n%s", form, tt.want, text)
				}
			}
		})
	}
}

func TestAChatMessageIsCut(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5, 40, 100, 1000} {
		notices := make([]core.Notice, n)
		for i := range notices {
			notices[i] = notify.Sample(core.NoticeRolledBack)[0]
			notices[i].Container = fmt.Sprintf("web%d", i)
			notices[i].Reason.Text = strings.Repeat("long → ", i%300)
		}
		text := tell(t, notices...).Text
		if got := utf8.RuneCountInString(text); got > 3500 {
			t.Errorf("%d events make %d characters", n, got)
		}
		shown, left := strings.Count(text, "rolled back"), 0
		if i := strings.Index(text, "… and "); i >= 0 {
			if _, err := fmt.Sscanf(text[i:], "… and %d more", &left); err != nil {
				t.Error(err)
			}
		}
		if shown+left != n {
			t.Errorf("%d events: %d are shown, and %d more", n, shown, left)
		}
	}
}

func TestNothingIsNoMessage(t *testing.T) {
	t.Parallel()
	if _, err := (notify.Words{Host: "nas"}).Message(notify.Channel{}, nil); err == nil {
		t.Error("a message was made of nothing")
	}
}

// tag matches what our own page has between < and >.
var tag = regexp.MustCompile(`^<(!DOCTYPE html|html lang="en"|/?head|meta charset="utf-8"|meta name="color-scheme" content="light dark"|/?title|body style="font-family:sans-serif"` +
	`|/?p|/?strong|br|table style="border-collapse:collapse" border="1" cellpadding="6"|tr( align="left"| valign="top")?|/?th|/?td|/?tr|/?table` +
	`|pre style="white-space:pre-wrap"|/?pre|a href="https?://[A-Za-z0-9._~/%+=?&;#:-]+"|/a|/body|/html)>`)

// FuzzWords has strangers write everything that strangers can write.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"web", "", "<script>alert(1)</script>", "@here @channel <!everyone> <@U1>", "a\x00b\x1b[2J\r\nSubject: x", "\xff\xfe\xed\xa0\x80", "```", "[a](http://b)",
		"https://example.com/\"onclick=\"x", "javascript:x", "{{.Host}}", "\u202eabc\u2028d\u200b@here", strings.Repeat("ä@b ", 300), "</title></pre>&lt;", "@a@b@c",
	} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, s string, seed int) {
		notices := everySample()
		for i := range notices {
			soil(&notices[i], s)
		}
		m, err := notify.Words{Host: s, Zone: cest}.Message(notify.Channel{Name: "ops"}, notices[:1+(seed&0xff)%len(notices)])
		if err != nil {
			t.Fatal(err)
		}
		fitToBeShown(t, m)
		ourTags(t, m.HTML)
		callsNobody(t, m.Title+" "+m.Text)
	})
}

func fitToBeShown(t *testing.T, m notify.Message) {
	t.Helper()
	for form, text := range map[string]string{"title": m.Title, "text": m.Text, "plain": m.Plain, "HTML": m.HTML, "JSON": string(m.JSON)} {
		steers := func(r rune) bool { return r != '\n' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
		if !utf8.ValidString(text) || strings.ContainsFunc(text, steers) || text == "" {
			t.Errorf("the %s is not fit to be shown: %q", form, text)
		}
	}
	if strings.Contains(m.Title, "\n") || utf8.RuneCountInString(m.Text) > 3500 || !json.Valid(m.JSON) {
		t.Errorf("title %q, text of %d characters, JSON %s", m.Title, utf8.RuneCountInString(m.Text), m.JSON)
	}
}

func ourTags(t *testing.T, page string) {
	t.Helper()
	for i, r := range page {
		if r == '<' && !tag.MatchString(page[i:min(i+400, len(page))]) {
			t.Errorf("in the HTML is what we did not write: %q", page[i:min(i+60, len(page))])
		}
	}
}

var calls = regexp.MustCompile("`|\\]\\(|<[@!#]|(^|[^A-Za-z0-9])@[A-Za-z0-9_]")

func callsNobody(t *testing.T, text string) {
	t.Helper()
	if found := calls.FindString(text); found != "" {
		t.Errorf("in the chat is what has a meaning there: %q", found)
	}
}

// soil puts s wherever it may come from others.
func soil(n *core.Notice, s string) {
	n.Container, n.Reason.Text, n.Reason.Code, n.Channels = s, s, core.Code(s), []string{s}
	n.From.Reference.Text, n.To.Reference.Text, n.From.Digest, n.To.ID = s, s, s, s
	n.FromVersion, n.ToVersion = core.Version{Version: "1" + s, Revision: s, Source: s}, core.Version{Version: s, Revision: s, Source: s}
	if n.Kind == core.NoticeUpdated {
		n.ToVersion.Source = "https://example.com/" + s
	}
	n.Notes = []string{s, s}
	n.Hooks = []core.HookReport{{Hook: s, Stage: core.Stage(s), Fault: s}}
	n.Evidence = &core.Evidence{HealthOutput: s, Logs: []string{s, s}}
	if n.Kind == core.NoticeStarted {
		n.Kind = core.NoticeKind(s)
	}
}
