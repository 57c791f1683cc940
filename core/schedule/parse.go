package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	// longest bounds what a stranger may write, in bytes.
	longest = 256
	// farthest bounds an interval: a longer one is a slip of the pen.
	farthest = 366 * 24 * time.Hour
	// starBit marks a field that was written as a star (robfig/cron).
	starBit = 1 << 63
)

var descriptors = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}

// Check says what is wrong with a schedule. Its text goes on where a sentence
// such as `refit.schedule="0 4 * *" ` ends.
func Check(text string) error {
	_, err := Parse(text, time.UTC)
	return err
}

// Parse reads a cron expression of five fields, or of six with the seconds
// first, or a descriptor such as @daily or @every 6h, each with CRON_TZ=Zone or
// TZ=Zone in front if it is not meant in the local zone; a nil one is the
// machine's. Where @every counts from, see Every.
//
// The error's text goes on where a sentence such as `refit.schedule="0 4 * *" `
// ends. What the parser below would take for something else than was written,
// or would crash on, is an error here.
func Parse(text string, local *time.Location) (Schedule, error) {
	if len(text) > longest {
		return nil, fmt.Errorf("is longer than %d characters", longest)
	}
	if local == nil {
		local = time.Local
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, errors.New("is empty: write a schedule such as 0 4 * * *, or none at all")
	}
	text = strings.Join(words, " ")
	zone, words, err := cutZone(words, local)
	switch {
	case err != nil:
		return nil, err
	case len(words) == 0:
		return nil, errors.New("has a time zone, but nothing after it: write CRON_TZ=Europe/Berlin 0 4 * * *")
	case words[0] == "@every":
		return parseEvery(words[1:], text)
	case strings.HasPrefix(words[0], "@"):
		return parseDescriptor(words, text, zone)
	default:
		return parseFields(words, text, zone)
	}
}

// cutZone takes the time zone off the front. The parser panics where nothing
// follows it, so it never sees one.
func cutZone(words []string, local *time.Location) (*time.Location, []string, error) {
	name, found := strings.CutPrefix(words[0], "CRON_TZ=")
	if !found {
		name, found = strings.CutPrefix(words[0], "TZ=")
	}
	if !found {
		return local, words, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return nil, nil, fmt.Errorf("names the time zone %q, which is not known: use a name such as Europe/Berlin or UTC", name)
	}
	return zone, words[1:], nil
}

func parseEvery(words []string, text string) (Schedule, error) {
	if len(words) != 1 {
		return nil, errors.New("does not say how often: write @every 6h")
	}
	d, err := time.ParseDuration(words[0])
	switch {
	case err != nil:
		return nil, fmt.Errorf("has %q after @every, which is not a duration: use 6h, 90m or 1h30m", words[0])
	case d < time.Second:
		return nil, fmt.Errorf("comes around every %s: the shortest interval is 1s", words[0])
	case d%time.Second != 0:
		return nil, fmt.Errorf("comes around every %s: use whole seconds", words[0])
	case d > farthest:
		return nil, fmt.Errorf("comes around every %s: the longest interval is %s", words[0], span(farthest))
	}
	return interval{every: d, text: text}, nil
}

func parseDescriptor(words []string, text string, zone *time.Location) (Schedule, error) {
	if len(words) > 1 || !slices.Contains(descriptors, words[0]) {
		return nil, fmt.Errorf("is not known: use @every 6h, %s or a cron expression", strings.Join(descriptors, ", "))
	}
	parsed, err := cron.NewParser(cron.Descriptor).Parse(words[0])
	if err != nil {
		return nil, fmt.Errorf("is not a schedule: %w", err)
	}
	return newCalendar(parsed, text, zone, 0)
}

func parseFields(words []string, text string, zone *time.Location) (Schedule, error) {
	if len(words) != 5 && len(words) != 6 {
		return nil, fmt.Errorf("has %s: a schedule has five (minute first) or six (second first)", count(len(words), "field"))
	}
	six := words
	if len(words) == 5 {
		six = append([]string{"0"}, words...)
	}
	for i, f := range fields {
		if err := f.check(six[i]); err != nil {
			return nil, err
		}
	}
	parsed, err := cron.NewParser(all).Parse(strings.Join(six, " "))
	if err != nil {
		return nil, fmt.Errorf("is not a schedule: %w", err)
	}
	return newCalendar(parsed, text, zone, len(words))
}

// newCalendar refuses what never comes: the search for it ends without a time.
func newCalendar(parsed cron.Schedule, text string, zone *time.Location, fields int) (Schedule, error) {
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, errors.New("is not a schedule")
	}
	spec.Location = time.UTC
	c := calendar{text: text, spec: spec, zone: zone, fields: fields}
	if c.nextWall(time.Unix(0, 0).UTC()).IsZero() {
		return nil, errors.New("never comes: those months do not have that day")
	}
	return c, nil
}

const all = cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow

// field is one column of a cron expression.
type field struct {
	name   string
	takes  string
	option cron.ParseOption
	values func(*cron.SpecSchedule) uint64
}

var fields = []field{
	{"second", "0 to 59", cron.Second, func(s *cron.SpecSchedule) uint64 { return s.Second }},
	{"minute", "0 to 59", cron.Minute, func(s *cron.SpecSchedule) uint64 { return s.Minute }},
	{"hour", "0 to 23", cron.Hour, func(s *cron.SpecSchedule) uint64 { return s.Hour }},
	{"day of month", "1 to 31", cron.Dom, func(s *cron.SpecSchedule) uint64 { return s.Dom }},
	{"month", "1 to 12 or JAN to DEC", cron.Month, func(s *cron.SpecSchedule) uint64 { return s.Month }},
	{"day of week", "0 (Sunday) to 6 or SUN to SAT", cron.Dow, func(s *cron.SpecSchedule) uint64 { return s.Dow }},
}

// check looks at each part of a field by itself. The parser lets pass, in
// silence: empty parts ("1,,2", and "," for never), what stands after a star
// ("*-5"), and steps that are too large ("*/100" minutes for hourly).
func (f field) check(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		wrong := fmt.Errorf("has %q in its %s field, which takes %s", part, f.name, f.takes)
		// Anything else, a time zone or a descriptor, would be read as such.
		if part == "" || strings.Trim(part, alphabet) != "" {
			return wrong
		}
		span, _, stepped := strings.Cut(part, "/")
		if strings.ContainsAny(span, "*?") && len(span) > 1 {
			return wrong
		}
		parsed, err := cron.NewParser(f.option).Parse(part)
		if err != nil {
			return wrong
		}
		spec, ok := parsed.(*cron.SpecSchedule)
		if !ok {
			return wrong
		}
		if stepped && !strings.HasSuffix(part, "/1") && bits.OnesCount64(f.values(spec)&^starBit) < 2 {
			return fmt.Errorf("has %q in its %s field: the step is larger than the range, so it would be one value only", part, f.name)
		}
	}
	return nil
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*?-/"

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
