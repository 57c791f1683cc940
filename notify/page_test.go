package notify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

// TestNotificationsPage holds the parts of docs/notifications.md that are made from
// code: the tables, and the examples.
func TestNotificationsPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "notifications.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	night := append(notify.Sample(core.NoticeUpdated), notify.Sample(core.NoticeRolledBack)...)
	night[0].Container = "mail"
	m := tell(t, night...)
	for mark, made := range map[string]string{
		"events":   notify.EventsTable(),
		"holds":    notify.HoldsTable(),
		"services": notify.ServicesTable(),
		"chat":     fence("", m.Title+"\n"+m.Text),
		"report":   fieldsTable(t, reflect.TypeFor[notify.Report]()),
		"event":    fieldsTable(t, reflect.TypeFor[notify.Event]()),
		"hook":     fieldsTable(t, reflect.TypeFor[notify.Hook]()),
		"json":     fence("json", indented(t, tell(t, notify.Sample(core.NoticeRolledBack)...).JSON)),
		"examples": examples(t),
	} {
		page = fillIn(t, page, mark, made)
	}
	golden(t, path, page)
}

// TestTheTemplateOfThePage tries what the page shows, and looks for each function.
func TestTheTemplateOfThePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "notifications.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```\n{{define")
	shown, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatal("docs/notifications.md shows no template")
	}
	if _, err := notify.ParseTemplate("page.tmpl", "{{define"+shown); err != nil {
		t.Error(err)
	}
	for _, name := range notify.Functions() {
		if !strings.Contains(string(text), "| `"+name+" ") {
			t.Errorf("docs/notifications.md does not mention the function %s", name)
		}
	}
}

func fence(language, text string) string {
	return "```" + language + "\n" + strings.TrimSuffix(text, "\n") + "\n```\n"
}

func indented(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// examples has each event as a chat message, and as its part of the JSON.
func examples(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, k := range notify.Kinds() {
		m := tell(t, notify.Sample(k)...)
		var report struct {
			Events []json.RawMessage `json:"events"`
		}
		if err := json.Unmarshal(m.JSON, &report); err != nil || len(report.Events) != 1 {
			t.Fatalf("read the report of %s: %v", k, err)
		}
		fmt.Fprintf(&b, "`%s`:\n\n%s\n%s\n", k, fence("", m.Title+"\n"+m.Text), fence("json", indented(t, report.Events[0])))
	}
	return b.String()
}

// fieldsTable has a row for each field of a struct, of what its tags say.
func fieldsTable(t *testing.T, of reflect.Type) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| in a template | in JSON | type | what it is |\n|---|---|---|---|\n")
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		is := f.Tag.Get("is")
		if name == "" || is == "" {
			t.Errorf("field %s of %s does not say what it is", f.Name, of)
		}
		if name = "`" + name + "`"; name == "`-`" {
			name = ""
		}
		fmt.Fprintf(&b, "| `.%s` | %s | %s | %s |\n", f.Name, name, typeName(f.Type), is)
	}
	return b.String()
}

func typeName(of reflect.Type) string {
	switch of.String() {
	case "time.Time":
		return "time"
	case "time.Duration":
		return "duration"
	case "*int":
		return "number, or none"
	case "int", "float64":
		return "number"
	case "bool":
		return "yes or no"
	case "[]string":
		return "texts"
	case "map[string]int":
		return "numbers by event"
	case "string":
		return "text"
	default:
		return "list, see below"
	}
}

// fillIn puts a text between a mark and the next end.
func fillIn(t *testing.T, page, mark, text string) string {
	t.Helper()
	const end = "<!-- end -->"
	before, rest, found := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("docs/notifications.md has no place for %s", mark)
	}
	return before + "<!-- " + mark + " -->\n" + text + end + after
}
