package schedule_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/schedule"
)

// The clock is changed: what runs between two moments.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	const stamp = "2 15:04:05 MST"
	tests := map[string]struct {
		zone, text, from, until string
		want                    []string
	}{
		"Berlin, spring: a time in the skipped hour runs at the jump": {
			"Europe/Berlin", "30 2 * * *", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"28 02:30:00 CET", "29 03:00:00 CEST", "30 02:30:00 CEST"},
		},
		"Berlin, spring: several times in the skipped hour are one run": {
			"Europe/Berlin", "0,20,40 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z",
			[]string{"29 03:00:00 CEST", "29 03:20:00 CEST", "29 03:40:00 CEST"},
		},
		"Berlin, autumn: a time in the hour that comes twice runs at its first coming": {
			"Europe/Berlin", "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z",
			[]string{"25 02:30:00 CEST", "26 02:30:00 CET"},
		},
		"Berlin, autumn: midnight and three o'clock run once": {
			"Europe/Berlin", "0 0,3 * * *", "2026-10-24T21:00:00Z", "2026-10-25T12:00:00Z",
			[]string{"25 00:00:00 CEST", "25 03:00:00 CET"},
		},
		"Berlin, autumn: every half hour goes by real time": {
			"Europe/Berlin", "*/30 * * * *", "2026-10-24T23:30:00Z", "2026-10-25T02:00:00Z",
			[]string{"25 02:00:00 CEST", "25 02:30:00 CEST", "25 02:00:00 CET", "25 02:30:00 CET", "25 03:00:00 CET"},
		},
		"Berlin, spring: every half hour goes by real time": {
			"Europe/Berlin", "*/30 0-23 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:30:00Z",
			[]string{"29 01:30:00 CET", "29 03:00:00 CEST", "29 03:30:00 CEST"},
		},
		"New York, autumn: hourly goes by real time": {
			"America/New_York", "@hourly", "2026-11-01T04:30:00Z", "2026-11-01T08:00:00Z",
			[]string{"1 01:00:00 EDT", "1 01:00:00 EST", "1 02:00:00 EST", "1 03:00:00 EST"},
		},
		"New York, autumn: half past one runs once": {
			"America/New_York", "30 1 * * *", "2026-11-01T04:30:00Z", "2026-11-02T08:00:00Z",
			[]string{"1 01:30:00 EDT", "2 01:30:00 EST"},
		},
		"New York, spring: half past two runs at three": {
			"America/New_York", "0 30 2 * * *", "2026-03-08T05:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"8 03:00:00 EDT", "9 02:30:00 EDT"},
		},
		"Lord Howe, spring: a time in the skipped half hour runs at the jump": {
			"Australia/Lord_Howe", "15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-05T12:00:00Z",
			[]string{"4 02:30:00 +11", "5 02:15:00 +11"},
		},
		"Lord Howe, spring: hourly at ten past misses the hour that lacks it": {
			"Australia/Lord_Howe", "10 * * * *", "2026-10-03T14:00:00Z", "2026-10-03T17:00:00Z",
			[]string{"4 01:10:00 +1030", "4 03:10:00 +11"},
		},
		"Lord Howe, autumn: a time in the half hour that comes twice runs once": {
			"Australia/Lord_Howe", "45 1 * * *", "2026-04-04T12:00:00Z", "2026-04-06T00:00:00Z",
			[]string{"5 01:45:00 +11", "6 01:45:00 +1030"},
		},
		"Lord Howe, autumn: two o'clock comes after the half hour that comes twice": {
			"Australia/Lord_Howe", "0 2 * * *", "2026-04-04T12:00:00Z", "2026-04-05T12:00:00Z",
			[]string{"5 02:00:00 +1030"},
		},
		"Lord Howe, autumn: every quarter goes by real time": {
			"Australia/Lord_Howe", "*/15 * * * *", "2026-04-04T14:30:00Z", "2026-04-04T15:30:00Z",
			[]string{"5 01:45:00 +11", "5 01:30:00 +1030", "5 01:45:00 +1030", "5 02:00:00 +1030"},
		},
		"Havana, spring at midnight: midnight runs at the jump": {
			"America/Havana", "@daily", "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"8 01:00:00 CDT", "9 00:00:00 CDT"},
		},
		"Havana, autumn at one: half past midnight runs once": {
			"America/Havana", "30 0 * * *", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z",
			[]string{"1 00:30:00 CDT", "2 00:30:00 CST"},
		},
		"São Paulo, autumn at midnight: the last hour of the day runs once": {
			"America/Sao_Paulo", "30 23 * * *", "2018-02-17T12:00:00Z", "2018-02-19T12:00:00Z",
			[]string{"17 23:30:00 -02", "18 23:30:00 -03"},
		},
		"Apia, a whole day is skipped: what was set for it runs at the jump": {
			"Pacific/Apia", "0 12 30 12 *", "2011-12-29T12:00:00Z", "2012-01-30T12:00:00Z",
			[]string{"31 00:00:00 +14"},
		},
		"a leap of an interval is no matter of the clock on the wall": {
			"Europe/Berlin", "@every 24h", "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z",
			[]string{"29 14:00:00 CEST"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			s, until := parse(t, tt.text, zone), at(t, tt.until)
			var got []string
			for next := s.Next(at(t, tt.from).In(zone)); !next.After(until); next = s.Next(next) {
				got = append(got, next.Format(stamp))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// Every time that is fixed comes exactly once a day, in every year and zone.
func TestFixedTimesComeOnceADay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "Antarctica/Troll"} {
		for _, text := range []string{"0 0 * * *", "30 0 * * *", "30 1 * * *", "15 2 * * *", "0 3 * * *", "59 23 * * *"} {
			t.Run(name+" "+text, func(t *testing.T) {
				t.Parallel()
				zone, err := time.LoadLocation(name)
				if err != nil {
					t.Fatal(err)
				}
				s := parse(t, text, zone)
				next := time.Date(2025, 12, 31, 23, 59, 59, 0, zone)
				for day := range 800 {
					next = s.Next(next)
					want := time.Date(2026, 1, 1+day, 12, 0, 0, 0, zone)
					if next.YearDay() != want.YearDay() {
						t.Fatalf("run %d is at %s, want it on %s", day, next, want.Format(time.DateOnly))
					}
				}
			})
		}
	}
}

// A sleeper that asks for the next time whenever it wakes runs as often as the
// table says, across the night in which the clock is put back.
func TestSleeperAcrossTheChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		// A bubble begins on 1 January 2000: sleep until the night of 29 October.
		time.Sleep(time.Until(time.Date(2000, 10, 28, 20, 0, 0, 0, zone)))
		runs := func(text string, hours time.Duration) (n int) {
			s, end := parse(t, text, zone), time.Now().Add(hours*time.Hour)
			for next := s.Next(time.Now()); !next.After(end); next = s.Next(time.Now()) {
				time.Sleep(time.Until(next))
				n++
			}
			return n
		}
		if got := runs("30 2 * * *", 12); got != 1 {
			t.Errorf("half past two ran %d times in the night, want 1", got)
		}
		time.Sleep(time.Until(time.Date(2001, 3, 24, 20, 0, 0, 0, zone)))
		if got := runs("30 2 * * *", 12); got != 1 {
			t.Errorf("half past two ran %d times in the spring night, want 1", got)
		}
		time.Sleep(time.Until(time.Date(2001, 10, 27, 20, 0, 0, 0, zone)))
		if got := runs("*/10 * * * *", 12); got != 72 {
			t.Errorf("every ten minutes ran %d times in twelve hours, want 72", got)
		}
	})
}

func TestDue(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-22T12:00:00Z")
	tests := map[string]struct {
		text, last string
		catchUp    bool
		want       string
	}{
		"an interval that never ran is due now":                   {"@every 6h", "", true, "2026-11-22T12:00:00Z"},
		"an interval that never ran, without catch-up":            {"@every 6h", "", false, "2026-11-22T12:00:00Z"},
		"an interval runs when the last run is as old as it":      {"@every 6h", "2026-11-22T10:00:00Z", true, "2026-11-22T16:00:00Z"},
		"an interval that has passed is due now":                  {"@every 6h", "2026-11-20T10:00:00Z", true, "2026-11-22T12:00:00Z"},
		"an interval that has passed is due without catch-up":     {"@every 6h", "2026-11-20T10:00:00Z", false, "2026-11-22T12:00:00Z"},
		"an interval after a clock that was set back":             {"@every 6h", "2030-01-01T00:00:00Z", true, "2026-11-22T18:00:00Z"},
		"a schedule that was never seen waits for its time":       {"0 4 * * *", "", true, "2026-11-23T04:00:00Z"},
		"a schedule that was missed is caught up now":             {"0 4 * * *", "2026-11-21T20:00:00Z", true, "2026-11-22T12:00:00Z"},
		"a schedule that was missed many times is caught up once": {"0 4 * * *", "2026-10-01T20:00:00Z", true, "2026-11-22T12:00:00Z"},
		"a schedule that was missed, without catch-up":            {"0 4 * * *", "2026-11-21T20:00:00Z", false, "2026-11-23T04:00:00Z"},
		"a schedule that was not missed":                          {"0 4 * * *", "2026-11-22T05:00:00Z", true, "2026-11-23T04:00:00Z"},
		"a schedule whose time is this moment":                    {"0 12 * * *", "2026-11-22T05:00:00Z", true, "2026-11-22T12:00:00Z"},
		"a schedule after a clock that was set back":              {"0 4 * * *", "2030-01-01T00:00:00Z", true, "2026-11-23T04:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last time.Time
			if tt.last != "" {
				last = at(t, tt.last)
			}
			got := schedule.Due(parse(t, tt.text, time.UTC), last, now, tt.catchUp)
			if want := at(t, tt.want); !got.Equal(want) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestEveryIsAtLeastASecond(t *testing.T) {
	t.Parallel()
	now := at(t, "2026-11-22T12:00:00Z")
	if got, want := schedule.Every(0).Next(now), now.Add(time.Second); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text, now string
		want      []string
	}{
		"daily": {"0 4 * * *", "2026-11-22T01:47:00Z", []string{
			"today 04:00 (in 2 h 13 min)", "tomorrow 04:00 (in 26 h 13 min)", "Tue 24 Nov 04:00 (in 2 d 2 h)",
		}},
		"with seconds": {"30 0 4 * * *", "2026-11-22T04:00:00Z", []string{
			"today 04:00:30 (in 30 s)", "tomorrow 04:00:30 (in 24 h)", "Tue 24 Nov 04:00:30 (in 2 d)",
		}},
		"in another zone, which is named": {"CRON_TZ=America/New_York 0 4 * * *", "2026-11-22T08:59:00Z", []string{
			"today 04:00 EST (in 1 min)", "tomorrow 04:00 EST (in 24 h 1 min)", "Tue 24 Nov 04:00 EST (in 2 d)",
		}},
		"in another year": {"@yearly", "2026-11-22T00:00:00Z", []string{
			"Fri 1 Jan 2027 00:00 (in 40 d)", "Sat 1 Jan 2028 00:00 (in 405 d)", "Mon 1 Jan 2029 00:00 (in 771 d)",
		}},
		"an interval": {"@every 90m", "2026-11-22T22:15:00Z", []string{
			"today 23:45 (in 1 h 30 min)", "tomorrow 01:15 (in 3 h)", "tomorrow 02:45 (in 4 h 30 min)",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := schedule.Words(parse(t, tt.text, time.UTC), at(t, tt.now), 3)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func TestHint(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"a sixth field by mistake": {"0 4 * * * *", "six fields begin with the second: this is minute 4 of every hour; for 04:00 write 0 4 * * *"},
		"the same on Mondays":      {"TZ=UTC 30 5 * * * 1", "six fields begin with the second: this is minute 5 of every hour; for 05:30 write 30 5 * * 1"},
		"five fields":              {"0 4 * * *", ""},
		"six fields with an hour":  {"0 0 4 * * *", ""},
		"every ten minutes":        {"0 */10 * * * *", ""},
		"a minute that is no hour": {"0 45 * * * *", ""},
		"a descriptor":             {"@hourly", ""},
		"an interval":              {"@every 6h", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := schedule.Hint(parse(t, tt.text, time.UTC)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestStringIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" CRON_TZ=UTC   0 4 * * * ": "CRON_TZ=UTC 0 4 * * *",
		"@every 6h":                 "@every 6h",
		"@daily":                    "@daily",
	} {
		if got := parse(t, text, time.UTC).String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got, want := schedule.Every(24*time.Hour).String(), "every 24 h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
