package schedule_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/refit-dev/refit/core/schedule"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"nothing":                              {"", "is empty"},
		"blanks":                               {" \t\n", "is empty"},
		"four fields":                          {"0 4 * *", "has 4 fields: a schedule has five (minute first) or six (second first)"},
		"one word":                             {"daily", "has 1 field: a schedule has five"},
		"seven fields, as with a year":         {"0 0 4 * * * 2027", "has 7 fields"},
		"a flood":                              {strings.Repeat("1,", 200) + "1 * * * *", "is longer than 256 characters"},
		"a minute that is none":                {"60 4 * * *", `has "60" in its minute field, which takes 0 to 59`},
		"an hour that is none":                 {"0 24 * * *", `has "24" in its hour field`},
		"day 0":                                {"0 4 0 * *", `has "0" in its day of month field, which takes 1 to 31`},
		"month 13":                             {"0 4 * 13 *", `has "13" in its month field`},
		"day 7 of the week":                    {"0 4 * * 7", `has "7" in its day of week field, which takes 0 (Sunday) to 6`},
		"a number beyond all bounds":           {"99999999999999999999 * * * *", `in its minute field`},
		"a range that runs backwards":          {"0 4 * * FRI-MON", `has "FRI-MON" in its day of week field`},
		"a letter of other crons":              {"0 4 L * *", `has "L" in its day of month field`},
		"an empty part":                        {"1,,2 4 * * *", `has "" in its minute field`},
		"a comma for never":                    {", * * * *", `has "" in its minute field`},
		"something after a star":               {"*-5 * * * *", `has "*-5" in its minute field`},
		"a step of nothing":                    {"*/0 * * * *", `has "*/0" in its minute field`},
		"a step that is larger than the range": {"*/100 * * * *", "the step is larger than the range"},
		"a step as large as the range":         {"*/60 * * * *", "the step is larger than the range"},
		"a step out of a short range":          {"0 1-3/5 * * *", "the step is larger than the range"},
		"30 February":                          {"0 0 30 2 *", "never comes"},
		"31 June, with seconds":                {"0 0 0 31 6 *", "never comes"},
		"a zone and nothing else":              {"CRON_TZ=Europe/Berlin", "has a time zone, but nothing after it"},
		"a short zone and nothing else":        {"TZ=UTC", "has a time zone, but nothing after it"},
		"an unknown zone":                      {"CRON_TZ=Mars/Base 0 4 * * *", `names the time zone "Mars/Base", which is not known`},
		"an empty zone":                        {"TZ= 0 4 * * *", `names the time zone ""`},
		"a zone that is a path":                {"TZ=../../etc/passwd 0 4 * * *", "which is not known"},
		"a second zone":                        {"TZ=UTC TZ=UTC * * * *", `has "TZ=UTC" in its minute field`},
		"a zone in the middle":                 {"0 4 * * TZ=UTC", `has "TZ=UTC" in its day of week field`},
		"a zone joined by commas":              {"0 4 * * 1,TZ=UTC", `has "TZ=UTC" in its day of week field`},
		"a descriptor as a field":              {"@daily 4 * * *", "is not known"},
		"an unknown descriptor":                {"@noon", "is not known: use @every 6h, @hourly, @daily"},
		"at every start":                       {"@reboot", "is not known"},
		"every nothing":                        {"@every", "does not say how often"},
		"every two things":                     {"@every 1h 30m", "does not say how often"},
		"every word":                           {"@every day", `has "day" after @every, which is not a duration`},
		"every plain number":                   {"@every 30", `has "30" after @every, which is not a duration`},
		"every zero":                           {"@every 0s", "the shortest interval is 1s"},
		"every minus one hour":                 {"@every -1h", "the shortest interval is 1s"},
		"every half second":                    {"@every 500ms", "the shortest interval is 1s"},
		"every second and a half":              {"@every 1500ms", "use whole seconds"},
		"every two years":                      {"@every 17520h", "the longest interval is 366 d"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := schedule.Check(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Check(%q) = %v, want an error with %q", tt.text, err, tt.want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, after, want string }{
		"five fields begin with the minute":     {"30 4 * * *", "2026-11-22T04:29:59Z", "2026-11-22T04:30:00Z"},
		"six fields begin with the second":      {"15 30 4 * * *", "2026-11-22T04:30:14.9Z", "2026-11-22T04:30:15Z"},
		"the time itself is not after itself":   {"30 4 * * *", "2026-11-22T04:30:00Z", "2026-11-23T04:30:00Z"},
		"a fraction after the time is after it": {"30 4 * * *", "2026-11-22T04:30:00.1Z", "2026-11-23T04:30:00Z"},
		"a fixed hour in another zone":          {"CRON_TZ=Asia/Tokyo 0 4 * * *", "2026-11-22T00:00:00Z", "2026-11-22T19:00:00Z"},
		"the short form of a zone":              {"TZ=Asia/Tokyo  0 4 * * *", "2026-11-22T00:00:00Z", "2026-11-22T19:00:00Z"},
		"a descriptor in another zone":          {"CRON_TZ=America/New_York @daily", "2026-11-22T00:00:00Z", "2026-11-22T05:00:00Z"},
		"names of months and days":              {"0 4 * dec mon-FRI", "2026-11-22T00:00:00Z", "2026-12-01T04:00:00Z"},
		"day of month or day of week":           {"0 4 1 * SUN", "2026-11-22T05:00:00Z", "2026-11-29T04:00:00Z"},
		"a list, a range and a step":            {"5,10-30/10 4 * * *", "2026-11-22T04:10:00Z", "2026-11-22T04:20:00Z"},
		"weekly is Sunday at midnight":          {"@weekly", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"},
		"every six hours from then":             {"@every 6h", "2026-11-22T01:02:03Z", "2026-11-22T07:02:03Z"},
		"leap day":                              {"0 0 29 2 *", "2025-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		"leap day across a year without one":    {"0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"},
		"every minute of a leap day":            {"* * 29 2 *", "2096-02-29T23:59:00Z", "2104-02-29T00:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parse(t, tt.text, time.UTC).Next(at(t, tt.after))
			if want := at(t, tt.want); !got.Equal(want) {
				t.Errorf("%q after %s: got %s, want %s", tt.text, tt.after, got, want)
			}
		})
	}
}

func TestParseTakesTheMachinesZoneForNil(t *testing.T) {
	t.Parallel()
	got := parse(t, "0 4 * * *", nil).Next(at(t, "2026-11-22T00:00:00Z"))
	if got.Location() != time.Local || got.Hour() != 4 {
		t.Errorf("got %s, want 04:00 in the machine's zone", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"0 4 * * *", "0 0 4 * * *", "@daily", "@every 6h", "CRON_TZ=Europe/Berlin 30 2 * * *", "TZ=UTC", "TZ=",
		"*/100 * * * *", "0 0 30 2 *", "@every -1ns", ", * * * *", "*-5 * * * *", "TZ=Australia/Lord_Howe */7 * * * *",
		"59 59 23 31 12 *", "0 0 29 2 *", "?/2 1-5/4,7 * JAN-DEC/11 sun", "TZ=Pacific/Apia 0 12 30 12 *",
	} {
		f.Add(seed, int64(1_795_312_800))
	}
	const century = 3_155_760_000
	f.Fuzz(func(t *testing.T, text string, second int64) {
		s, err := schedule.Parse(text, time.UTC)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a text")
			}
			return
		}
		after := time.Unix((second%century+century)%century, second&0xffff).UTC()
		for range 3 {
			next := s.Next(after)
			if !next.After(after) {
				t.Fatalf("%q: the next time after %s is %s", text, after, next)
			}
			if next.After(after.AddDate(8, 0, 2)) {
				t.Fatalf("%q: the next time after %s is as far off as %s", text, after, next)
			}
			after = next
		}
		if words := schedule.Words(s, after, 2); len(words) != 2 {
			t.Errorf("%q: got the words %q, want two times", text, words)
		}
	})
}

func parse(t *testing.T, text string, local *time.Location) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(text, local)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}
