package core

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads "90s", "1h30m" or plain seconds ("90"). It refuses what
// is negative.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, plain := strconv.ParseUint(text, 10, 31); plain == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return 0, errors.New("is not a duration: use 90s, 5m, 1h30m or plain seconds")
	}
	if d < 0 {
		return 0, errors.New("is a negative duration")
	}
	return d, nil
}

// signals are Linux's, in the order of their numbers from 1 on.
var signals = strings.Fields(`HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM
	TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`)

// ParseSignal reads "SIGTERM", "term", "15" or "SIGRTMIN+3" and returns it with
// its prefix and in capitals, as the engine wants it.
func ParseSignal(text string) (string, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n, err := strconv.Atoi(name); err == nil && name == text {
		if n < 1 || n > len(signals) {
			return "", fmt.Errorf("is not a signal number from 1 to %d", len(signals))
		}
		return "SIG" + signals[n-1], nil
	}
	for _, known := range signals {
		if name == known {
			return "SIG" + known, nil
		}
	}
	if realtime(name) {
		return "SIG" + name, nil
	}
	if near, ok := Nearest(name, signals); ok {
		return "", fmt.Errorf("is not a signal: did you mean SIG%s?", near)
	}
	return "", errors.New("is not a signal: use a name such as SIGTERM or SIGQUIT")
}

// realtime tells whether name is RTMIN, RTMAX, RTMIN+1 to 15 or RTMAX-1 to 14.
func realtime(name string) bool {
	for _, base := range []struct {
		prefix string
		most   int
	}{{"RTMIN+", 15}, {"RTMAX-", 14}} {
		if name == base.prefix[:5] {
			return true
		}
		if rest, found := strings.CutPrefix(name, base.prefix); found {
			n, err := strconv.Atoi(rest)
			return err == nil && n >= 1 && n <= base.most && strconv.Itoa(n) == rest
		}
	}
	return false
}

// Nearest returns the known word that is most like word, if one is near enough
// to be meant: at most a third of its letters differ.
func Nearest(word string, known []string) (string, bool) {
	best, least := "", len(word)/3+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k), least); d < least {
			best, least = k, d
		}
	}
	return best, best != ""
}

// distance counts the letters that must be put in, taken out or changed to
// make b of a (Levenshtein); any number of at least limit means limit or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, corner := i+1, row[0]
		row[0] = left
		for j := range len(b) {
			cost := corner
			if a[i] != b[j] {
				cost++
			}
			corner = row[j+1]
			left = min(cost, corner+1, left+1)
			row[j+1] = left
		}
	}
	return row[len(b)]
}
