// Package schedule says when something is due: cron expressions, intervals,
// time zones, the two days of the year on which the clock is changed, and runs
// that were missed.
//
// Nothing here waits, remembers or knows a container. No function reads the
// clock: the present arrives as an argument.
package schedule

import "time"

// Schedule is an endless row of times.
type Schedule interface {
	// Next returns the first time that comes after the given one, never that
	// one itself. It is a few years off at most, and never the zero time.
	Next(after time.Time) time.Time
	// String is the schedule as its owner wrote it, or as one would say it.
	String() string
}

// Every is the schedule that comes around each d, counted from the last run and
// not from a clock on the wall. Less than a second is taken for a second:
// whoever reads d from a person refuses that first.
func Every(d time.Duration) Schedule {
	return interval{every: max(d, time.Second)}
}

type interval struct {
	every time.Duration
	text  string // "" where it was not written as a schedule
}

// Next follows docs/design.md, section 8: the interval's clock is the last run.
func (i interval) Next(after time.Time) time.Time { return after.Add(i.every) }

func (i interval) String() string {
	if i.text != "" {
		return i.text
	}
	return "every " + span(i.every)
}

// Due tells when the next run is due, which is never before now. The zero last
// says that there has been none, nor even a first sight.
//
// An interval that never ran is due now, and so is one whose last run is as old
// as the interval: it is no appointment that can be missed, so catchUp changes
// nothing. A cron schedule waits for its next time; with catchUp, one or more
// times that went by since last are made up for by a single run, now.
//
// A last that lies in the future was written by a clock that has been set back
// since; it counts as now, else the schedule would sleep until that clock's time.
func Due(s Schedule, last, now time.Time, catchUp bool) time.Time {
	if last.After(now) {
		last = now
	}
	_, isInterval := s.(interval)
	switch {
	case isInterval && last.IsZero():
		return now
	case isInterval, catchUp && !last.IsZero():
		return later(s.Next(last), now)
	default:
		return s.Next(now)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
