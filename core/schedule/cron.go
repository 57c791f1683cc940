package schedule

import (
	"time"

	"github.com/robfig/cron/v3"
)

// everyHour has the bits of the hours 0 to 23.
const everyHour = 1<<24 - 1

// calendar is a cron expression in a time zone.
//
// The expression is matched against the wall clock alone, as if it were UTC's,
// and the wall clock's times become instants afterwards: the parser's own search
// loses a run when the clock is put forward, repeats one when it is put back,
// and misses times in zones that shift by half an hour (robfig/cron v3.0.1).
//
// What happens on the two days is Vixie cron's rule. A schedule that names
// every hour ("*/10 * * * *") goes by real time: it runs through the hour that
// comes twice, twice, and skips the one that does not come. Any other names
// times of day, and each of them runs once on that day: in the hour that comes
// twice at its first coming, in the hour that is skipped at the moment of the
// jump. Several times in a skipped hour are one run.
type calendar struct {
	text   string
	spec   *cron.SpecSchedule // in UTC, which stands for any wall clock
	zone   *time.Location
	fields int // as written: 5, 6, or 0 for a descriptor
}

func (c calendar) String() string { return c.text }

func (c calendar) Next(after time.Time) time.Time {
	after = after.In(c.zone)
	if c.spec.Hour&everyHour == everyHour {
		return c.nextInstant(after)
	}
	return c.nextTimeOfDay(after)
}

// nextInstant searches each stretch between two changes of the clock by itself.
func (c calendar) nextInstant(after time.Time) time.Time {
	for {
		_, offset := after.Zone()
		_, end := after.ZoneBounds()
		found := c.nextWall(wall(after))
		if found.IsZero() {
			return found
		}
		at := found.Add(-time.Duration(offset) * time.Second).In(c.zone)
		if end.IsZero() || at.Before(end) {
			return at
		}
		if at := end.In(c.zone); c.matches(at) {
			return at
		}
		after = end.In(c.zone)
	}
}

// matches tells whether the wall clock shows one of the schedule's times.
func (c calendar) matches(t time.Time) bool {
	w := wall(t)
	return c.nextWall(w.Add(-time.Second)).Equal(w)
}

func (c calendar) nextTimeOfDay(after time.Time) time.Time {
	for w := wall(after); ; {
		w = c.nextWall(w)
		if w.IsZero() {
			return w
		}
		// In the second coming of an hour the instant is in the past.
		if at := instant(w, c.zone); at.After(after) {
			return at
		}
	}
}

// nextWall returns the next time that matches on a wall clock whose readings
// are written as UTC, and the zero time if there is none. The parser's search
// ends after five years; 29 February can be eight years off (2096 to 2104).
func (c calendar) nextWall(w time.Time) time.Time {
	next := c.spec.Next(w)
	if next.IsZero() {
		next = c.spec.Next(w.AddDate(5, 0, 0))
	}
	return next
}

// wall is what a clock on the wall shows at t, written as UTC.
func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant returns the first moment at which the wall clock in a zone shows w,
// and where it skips w, the moment at which it jumps.
func instant(w time.Time, zone *time.Location) time.Time {
	// Date does not say which of two offsets it takes where there are two.
	t := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, zone)
	start, end := t.ZoneBounds()
	switch shown := wall(t); {
	case shown.After(w) && !start.IsZero():
		return start.In(zone)
	case shown.Before(w) && !end.IsZero():
		return end.In(zone)
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Second).Zone()
	if first := w.Add(-time.Duration(before) * time.Second); first.Before(start) {
		return first.In(zone)
	}
	return t
}
