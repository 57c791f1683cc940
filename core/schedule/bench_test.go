package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/refit-dev/refit/core/schedule"
)

// BenchmarkScheduleNext asks each of 1,000 schedules once in 1,000 rounds.
func BenchmarkScheduleNext(b *testing.B) {
	var all []schedule.Schedule
	for n := range 1000 {
		s, err := schedule.Parse(fmt.Sprintf("%d %d %d * * *", n%60, n%59, n%24), time.UTC)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, s)
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if !all[n%1000].Next(now).After(now) {
			b.Fatal("a time that is past")
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schedule.Parse("0 30 4 * * MON-FRI", time.UTC); err != nil {
			b.Fatal(err)
		}
	}
}
