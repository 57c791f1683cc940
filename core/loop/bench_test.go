package loop

import (
	"fmt"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// BenchmarkAgenda keeps 1,000 containers on as many schedules: what a look at the
// engine and a turn of the loop cost beside the engine's answers.
func BenchmarkAgenda(b *testing.B) {
	settings := core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: schedule.Check}
	l := &Loop{Settings: settings, Policies: settings.Policies(), Default: schedule.Every(time.Hour), Zone: time.UTC, CatchUp: true}
	var all []core.Container
	for n := range 1000 {
		all = append(all, container(fmt.Sprintf("c%d", n), fmt.Sprintf("schedule=%d %d * * *", n%60, n%24)))
	}
	now := wall()
	r := &run{Loop: l, last: map[string]time.Time{}}
	r.agenda.update(r, all, now)
	b.Run("begin", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fresh := agenda{}
			fresh.update(r, all, now)
		}
	})
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.agenda.update(r, all, now)
		}
	})
	b.Run("turn", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r.agenda.next() == nil || len(r.agenda.due(now)) > 0 {
				b.Fatal("none, or some that are not due")
			}
		}
	})
}
