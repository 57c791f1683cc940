package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/refit-dev/refit/hooks"
)

// maxRetry is the longest that an answer may put an update off.
const maxRetry = 30 * 24 * time.Hour

// answer is what came back.
type answer struct {
	status int
	text   string    // to be shown: cleaned, cut, without secrets
	later  time.Time // to ask again at; zero if nothing is said of it
	broken string    // why what it says cannot be read; "" if it can

	// What the answer's own JSON says, where it is an object.
	Verdict    string  `json:"verdict"`
	Reason     string  `json:"reason"`
	RetryAt    string  `json:"retry_at"`    // RFC 3339
	RetryAfter float64 `json:"retry_after"` // seconds
}

// understand reads an answer.
func (t target) understand(response *http.Response, said []byte) answer {
	a := answer{status: response.StatusCode}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")) // a bad one is no JSON
	switch said := bytes.TrimSpace(said); {
	case len(said) > 0 && said[0] == '{' && json.Unmarshal(said, &a) != nil,
		len(said) > 0 && kind == "application/json" && !json.Valid(said):
		a = answer{status: response.StatusCode, broken: "is not the JSON that it seems to be"}
		if len(said) > maxAnswer {
			a.broken = fmt.Sprintf("is longer than %d KiB", maxAnswer>>10)
		}
	}
	a.text, a.Reason = t.show(string(said)), t.show(a.Reason)
	a.when(response.Header.Get("Retry-After"), time.Now())
	return a
}

// when reads the time at which to ask again.
func (a *answer) when(header string, now time.Time) {
	seconds, notSeconds := strconv.ParseUint(header, 10, 31)
	date, notDate := http.ParseTime(header)
	switch {
	case a.RetryAt != "":
		at, err := time.Parse(time.RFC3339, a.RetryAt)
		if err != nil {
			a.broken = "has a retry_at that is not a time such as 2030-01-31T04:00:00Z"
		}
		a.later = at
	case a.RetryAfter > 0:
		a.later = now.Add(time.Duration(min(a.RetryAfter, maxRetry.Seconds()) * float64(time.Second)))
	case notSeconds == nil:
		a.later = now.Add(time.Duration(seconds) * time.Second)
	case notDate == nil:
		a.later = date
	}
	if latest := now.Add(maxRetry); a.later.After(latest) {
		a.later = latest
	}
}

// verdict is what the answer means before the update. A good one that cannot be
// read is none: it may have said no.
func (a answer) verdict(t target) (hooks.Verdict, error) {
	switch a.status {
	case http.StatusAccepted, http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return hooks.Defer(a.later, a.word(t, "asks for later")), nil
	case http.StatusConflict:
		return hooks.Veto(a.word(t, "refuses this image")), nil
	}
	switch {
	case a.status/100 != 2:
		return hooks.Verdict{}, a.failure(t)
	case a.broken != "":
		return hooks.Verdict{}, fmt.Errorf("the answer of %s %s", t.name, a.broken)
	case a.Verdict == "" || a.Verdict == "proceed":
		return hooks.Proceed(), nil
	case a.Verdict == "defer":
		return hooks.Defer(a.later, a.word(t, "asks for later")), nil
	case a.Verdict == "veto":
		return hooks.Veto(a.word(t, "refuses this image")), nil
	}
	return hooks.Verdict{}, errors.New(t.name + " answers with a verdict that is none: proceed, defer or veto")
}

// pass is what the answer means after the update: nil lets it stand. It is too late
// to put it off, so every other word than "proceed" is a no, and so is a good answer
// that cannot be read: it may have said no.
func (a answer) pass(t target) error {
	switch {
	case a.status/100 != 2 || a.broken == "" && a.Verdict != "" && a.Verdict != "proceed":
		return a.failure(t)
	case a.broken != "":
		return fmt.Errorf("the answer of %s %s", t.name, a.broken)
	}
	return nil
}

// word is the answer in words, with its reason.
func (a answer) word(t target, what string) string { return t.name + " " + what + a.because() }

// because is the reason that the answer gives, or its text, to be put behind something.
func (a answer) because() string {
	switch {
	case a.Reason != "":
		return ": " + a.Reason
	case a.text != "" && a.Verdict == "":
		return ": " + a.text
	}
	return ""
}

func (a answer) statusText() string {
	text := strings.TrimSpace(strconv.Itoa(a.status) + " " + http.StatusText(a.status))
	switch {
	case a.status/100 == 3:
		text += ", a redirect, and none is followed"
	case a.status/100 == 2 && a.Verdict != "":
		text += " with another verdict than proceed"
	}
	return text
}
