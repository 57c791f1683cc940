package registry

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestHold is the longest that a registry is left alone because it asks for
// it. One that says "in a hundred years" must not be forgotten about.
const longestHold = 24 * time.Hour

// retryAfter reads the header of that name: seconds, or a date. The zero time
// means that it says nothing that can be understood, or nothing of the future.
func retryAfter(header string, now time.Time) time.Time {
	header = strings.TrimSpace(header)
	latest := now.Add(longestHold)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		switch {
		case seconds <= 0:
			return time.Time{}
		case seconds > int64(longestHold/time.Second):
			return latest
		}
		return now.Add(time.Duration(seconds) * time.Second)
	}
	at, err := http.ParseTime(header)
	switch {
	case err != nil, !at.After(now):
		return time.Time{}
	case at.After(latest):
		return latest
	}
	return at
}

// rate is what a registry says of its limit in one answer: of limit requests,
// remaining are left until the window ends.
type rate struct {
	limit, remaining int64
	window           time.Duration
	ends             time.Time // zero where it does not say
}

// rateOf reads RateLimit-Limit and RateLimit-Remaining in Docker Hub's form
// ("100;w=21600"), and RateLimit-Reset where there is one: seconds from now, or
// since 1970 as some have it. ok is false where there is nothing to go by.
func rateOf(h http.Header, now time.Time) (r rate, ok bool) {
	limit, window := quota(h.Get("RateLimit-Limit"))
	remaining, other := quota(h.Get("RateLimit-Remaining"))
	if limit <= 0 || remaining < 0 {
		return rate{}, false
	}
	r = rate{limit: limit, remaining: min(remaining, limit), window: max(window, other)}
	if reset, _ := quota(h.Get("RateLimit-Reset")); reset > 0 {
		r.ends = time.Unix(reset, 0)
		if r.ends.Before(now.Add(-longestHold)) {
			r.ends = now.Add(time.Duration(min(reset, int64(longestHold/time.Second))) * time.Second)
		}
		r.ends = earlier(r.ends, now.Add(longestHold))
		r.window = max(r.window, r.ends.Sub(now))
	}
	return r, r.window > 0
}

// mostQuota bounds the numbers in these headers, as no sane limit and no sane
// time since 1970 does.
const mostQuota = 1 << 40

// quota reads "100;w=21600", of several with commas between them the first. n is
// -1 where it cannot be read, the window 0 where there is none.
func quota(text string) (n int64, window time.Duration) {
	text, _, _ = strings.Cut(text, ",")
	number, parameters, _ := strings.Cut(text, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > mostQuota {
		return -1, 0
	}
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		seconds, err := strconv.ParseInt(value, 10, 64)
		if name == "w" && err == nil && seconds > 0 {
			window = min(time.Duration(min(seconds, mostQuota/1000))*time.Second, longestHold)
		}
	}
	return n, window
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
