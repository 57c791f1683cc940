package watchtower

import (
	"strconv"
	"strings"
)

// The translators of values.

// truth spells a switch as ours are spelled. Go's own spellings are all that
// Watchtower understood; yes and no are ours.
func truth(text string) string {
	switch strings.ToLower(text) {
	case "yes", "on":
		return "true"
	case "no", "off":
		return "false"
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return text
	}
	return strconv.FormatBool(on)
}

// opposite is for a word whose counterpart says the contrary.
func opposite(text string) string {
	switch t := truth(text); t {
	case "true":
		return "false"
	case "false":
		return "true"
	default:
		return t
	}
}

// mode is for a switch where we have two modes.
func mode(text string) string {
	switch t := truth(text); t {
	case "true":
		return "notify"
	case "false":
		return "update"
	default:
		return t
	}
}

// anyText is Docker's own reading of DOCKER_TLS_VERIFY: any text means yes.
func anyText(string) string { return "true" }

// one is for a switch that stands for the number 1; off it says nothing.
func one(text string) string {
	switch t := truth(text); t {
	case "true":
		return "1"
	case "false":
		return ""
	default:
		return t
	}
}

// level maps the levels that we do not have to the nearest one.
func level(text string) string {
	switch t := strings.ToLower(text); t {
	case "trace":
		return "debug"
	case "fatal", "panic":
		return "error"
	case "warning":
		return "warn"
	default:
		return t
	}
}

// format maps the looks of a log.
func format(text string) string {
	switch t := strings.ToLower(text); t {
	case "auto", "logfmt", "pretty":
		return "text"
	default:
		return t
	}
}

// names drops the slash that the engine puts before a name.
func names(text string) string {
	list := strings.Split(text, ",")
	for i, name := range list {
		list[i] = strings.TrimPrefix(strings.TrimSpace(name), "/")
	}
	return strings.Join(list, ",")
}

// FiveFields tells whether a schedule has the five fields that Watchtower read in its own
// way: from the second to the month. (robfig/cron 1.2.0, whose last field could be left
// out.)
func FiveFields(schedule string) bool {
	fields := strings.Fields(schedule)
	if len(fields) > 0 && strings.Contains(fields[0], "TZ=") {
		fields = fields[1:]
	}
	return len(fields) == 5
}

// patience makes the shortest of ours of no patience at all.
func patience(text string) string {
	if strings.Contains(text, "0") && strings.Trim(text, "0.hmsuµn") == "" {
		return "1s"
	}
	return text
}

// sixFields adds the day of the week to a schedule that lacks it.
func sixFields(text string) string {
	if FiveFields(text) {
		return strings.TrimSpace(text) + " *"
	}
	return text
}

// minutes is for a whole number of minutes.
func minutes(text string) string {
	if n, err := strconv.ParseUint(text, 10, 16); err == nil {
		return strconv.FormatUint(n, 10) + "m"
	}
	return text
}
