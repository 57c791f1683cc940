package notify_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	builtIn := tell(t, notify.Sample(core.NoticeRolledBack)...)
	for name, tt := range map[string]struct {
		template          string
		title, text, html string // "" is the built-in one
	}{
		"a file without parts is the text": {"{{range .Events}}{{.Container}} {{.Event}}{{end}}\n", "", "shop rolled-back", "shop rolled-back"},
		"a title alone":                    {`{{define "title"}}{{.Host}}: {{len .Events}}{{end}}`, "nas: 1", "", ""},
		"all three": {
			`{{define "title"}}a{{end}}{{define "text"}}b{{end}}{{define "html"}}<b>{{range .Events}}{{.Reason}}{{end}}</b>{{end}}`,
			"a", "b", "<b>the new container ended with exit code 1 after 2.1 s</b>",
		},
		"HTML is escaped":       {`{{define "html"}}{{"<b>"}}{{end}}`, "", "", "&lt;b&gt;"},
		"parts of one's own":    {`{{define "row"}}{{.Container}}{{end}}{{define "text"}}{{range .Events}}{{template "row" .}}{{end}}{{end}}`, "", "shop", "shop"},
		"text is not HTML":      {`{{define "text"}}<&{{end}}`, "", "<&", "&lt;&amp;"},
		"a title of many lines": {"{{define \"title\"}}\n a\n b {{end}}", "a b", "", ""},
		"functions": {
			`{{range .Events}}{{short .ToDigest}} {{duration .Downtime}} {{join "+" .Logs}} {{version .}} {{json .ExitCode}} {{time .At}} {{.ExitCode}}{{end}}`,
			"", `8e3a5b9cd072 12 s shop 1.4.3 starts+reading /etc/shop.toml+connecting to db:5432+error: relation "orders" does not exist 1.4.2 → 1.4.3 1 3 May 2026 06:00 CEST 1`,
			"8e3a5b9cd072",
		},
		"the built-in words, and more": {`{{define "text"}}{{.Text}} <@ops>{{end}}`, "", builtIn.Text + " <@ops>", "&lt;@ops&gt;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template, err := notify.ParseTemplate("words.tmpl", tt.template)
			if err != nil {
				t.Fatal(err)
			}
			m, err := notify.Words{Host: "nas", Zone: cest, Template: template}.Message(notify.Channel{Name: "ops"}, notify.Sample(core.NoticeRolledBack))
			if err != nil {
				t.Fatal(err)
			}
			want := func(what, got, want, builtIn string) {
				if want == "" && got != builtIn || want != "" && !strings.Contains(got, want) {
					t.Errorf("the %s is %q, want %q", what, got, want)
				}
			}
			want("title", m.Title, tt.title, builtIn.Title)
			want("text", m.Text, tt.text, builtIn.Text)
			want("plain text", m.Plain, tt.text, builtIn.Plain)
			want("HTML", m.HTML, tt.html, builtIn.HTML)
		})
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ template, want string }{
		"an empty one":           {" \n", "it is empty"},
		"a syntax error":         {"{{range .Events}}", "words.tmpl:1: unexpected EOF"},
		"an unknown function":    {"{{upper .Host}}", `function "upper" not defined`},
		"an unknown field":       {"{{.Hots}}", "can't evaluate field Hots"},
		"one that is rarely met": {`{{define "text"}}{{range .Events}}{{if .Watched}}{{.Foo}}{{end}}{{end}}{{end}}`, "try the template with a sample of started"},
		"a misspelt part":        {`{{define "titel"}}x{{end}}{{define "text"}}x{{end}}`, `defines "titel", which nothing calls: its parts are title, text, html`},
		"a part that is missing": {`{{define "text"}}{{template "row"}}{{end}}`, `template "row" not defined`},
		"HTML that cannot be":    {`{{define "html"}}<a href="{{if .Host}}"{{end}}>{{end}}`, "html"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := notify.ParseTemplate("words.tmpl", tt.template)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestATemplateThatFailsIsReplacedByTheBuiltInWords(t *testing.T) {
	t.Parallel()
	template, err := notify.ParseTemplate("words.tmpl", `{{define "title"}}mine{{end}}{{define "text"}}{{if gt (len .Events) 20}}{{index .Events 999}}{{end}}mine{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	words := notify.Words{Host: "nas", Template: template, Log: slog.New(slog.NewTextHandler(&log, nil))}
	var many []core.Notice
	for range 30 {
		many = append(many, notify.Sample(core.NoticeUpdated)...)
	}
	m, err := words.Message(notify.Channel{Name: "ops"}, many)
	if err != nil || m.Title != "refit on nas: 30 updated" || !strings.HasPrefix(m.Text, "shop 1.4.2 → 1.4.3") {
		t.Errorf("got %v, %q, %q", err, m.Title, m.Text)
	}
	if !strings.Contains(log.String(), "the template fails") || !strings.Contains(log.String(), "ops") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestATemplateFileMayHaveTheNameOfAPart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"title", "text", "html"} {
		template, err := notify.ParseTemplate(name, `{{define "title"}}mine{{end}}`)
		if err != nil {
			t.Fatal(err)
		}
		m, err := notify.Words{Host: "nas", Template: template}.Message(notify.Channel{Name: "ops"}, notify.Sample(core.NoticeUpdated))
		if err != nil || m.Title != "mine" || !strings.HasPrefix(m.Text, "shop 1.4.2") || !strings.Contains(m.HTML, "<table") {
			t.Errorf("file %s: %v, %q, %q", name, err, m.Title, m.Text)
		}
	}
}

func TestALongTemplateIsCut(t *testing.T) {
	t.Parallel()
	template, err := notify.ParseTemplate("words.tmpl", `{{define "text"}}{{range 4000}}ä{{end}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	m, err := notify.Words{Host: "nas", Template: template}.Message(notify.Channel{Name: "ops"}, notify.Sample(core.NoticeUpdated))
	if got := utf8.RuneCountInString(m.Text); err != nil || got != 3500 || utf8.RuneCountInString(m.Plain) != 4001 {
		t.Errorf("%v: the text has %d characters, want 3500, and a mail all of it", err, got)
	}
}
