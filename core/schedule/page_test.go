package schedule_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/schedule"
)

// pageRow is a row of docs/schedules.md that begins with a schedule.
var pageRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*) \\| (.*) \\|$")

// rowsBelow are those of the table whose head has the text.
func rowsBelow(t *testing.T, head string) [][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/schedules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), head)
	table, _, _ := strings.Cut(rest, "\n\n")
	rows := pageRow.FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 2 {
		t.Fatalf("below %q are %d rows", head, len(rows))
	}
	return rows
}

func TestThePageSaysWhenSchedulesAreDue(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-22T12:00:00Z")
	for _, row := range rowsBelow(t, "next, at 12:00 on Sunday 22 November 2026") {
		if got := parse(t, row[1], time.UTC).Next(now).UTC().Format(time.DateTime); got != row[3] {
			t.Errorf("%s: the page says %s, want %s", row[1], row[3], got)
		}
	}
}

func TestThePageSaysWhatHappensWhenTheClockIsChanged(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rowsBelow(t, "| 28 March 2027 | 31 October 2027 |") {
		s := parse(t, row[1], zone)
		want := []string{
			timesOf(s, time.Date(2027, time.March, 28, 0, 0, 0, 0, zone)),
			timesOf(s, time.Date(2027, time.October, 31, 0, 0, 0, 0, zone)),
		}
		if diff := cmp.Diff(want, row[2:]); diff != "" {
			t.Errorf("%s (-want +page):\n%s", row[1], diff)
		}
	}
}

// timesOf are those of one day.
func timesOf(s schedule.Schedule, day time.Time) string {
	var times []string
	for next := s.Next(day); next.Day() == day.Day(); next = s.Next(next) {
		times = append(times, next.Format("15:04 MST"))
	}
	return strings.Join(times, ", ")
}
