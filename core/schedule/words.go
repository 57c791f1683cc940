package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Words says the next n times as a person would: "today 04:00 (in 2 h 13 min)",
// "tomorrow 04:00 (in 26 h 13 min)", "Tue 24 Nov 04:00 (in 2 d 2 h)". They are
// in the schedule's zone, which is named where its clocks differ from now's.
func Words(s Schedule, now time.Time, n int) []string {
	words := make([]string, 0, n)
	for at := now; len(words) < n; {
		at = s.Next(at)
		if at.IsZero() { // no schedule of ours, but the interface is open
			break
		}
		words = append(words, When(at, now))
	}
	return words
}

// When says one time as a person would, see Words.
func When(at, now time.Time) string {
	here := now.In(at.Location())
	clock := "15:04"
	if at.Second() != 0 {
		clock = "15:04:05"
	}
	_, there := at.Zone()
	if _, ours := at.In(now.Location()).Zone(); there != ours {
		clock += " MST"
	}
	day := at.Format("Mon 2 Jan")
	switch {
	case sameDay(at, here):
		day = "today"
	case sameDay(at, here.AddDate(0, 0, 1)):
		day = "tomorrow"
	case at.Year() != here.Year():
		day = at.Format("Mon 2 Jan 2006")
	}
	return fmt.Sprintf("%s %s (in %s)", day, at.Format(clock), span(at.Sub(now)))
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

// span says a duration in its two largest units, cut off and not rounded up.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return units(d, time.Minute, "min", time.Second, "s")
	case d < 2*day:
		return units(d, time.Hour, "h", time.Minute, "min")
	default:
		return units(d, day, "d", time.Hour, "h")
	}
}

func units(d, large time.Duration, one string, small time.Duration, other string) string {
	text := fmt.Sprintf("%d %s", d/large, one)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, other)
	}
	return text
}

// Hint says what a schedule does that its owner may not have meant, and "" where
// nothing looks like it. The commonest slip is a sixth field: 0 4 * * * * is
// minute 4 of every hour, by someone who wanted 04:00.
func Hint(s Schedule) string {
	c, ok := s.(calendar)
	if !ok || c.fields != 6 || c.spec.Hour&everyHour != everyHour {
		return ""
	}
	words := strings.Fields(c.text)
	words = words[len(words)-c.fields:]
	hour, minute := bits.TrailingZeros64(c.spec.Minute), bits.TrailingZeros64(c.spec.Second)
	single := bits.OnesCount64(c.spec.Second) == 1 && bits.OnesCount64(c.spec.Minute) == 1
	if !single || hour > 23 || words[4] != "*" {
		return ""
	}
	return fmt.Sprintf("six fields begin with the second: this is minute %d of every hour; for %02d:%02d write %s",
		hour, hour, minute, strings.Join(append(words[:4:4], words[5]), " "))
}
