package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// mostAnswer of an answer is read: what a service says of a message is short.
	mostAnswer = 64 << 10
	// longestWait is the most that another side may ask us to wait.
	longestWait = 24 * time.Hour
)

// wire stands below http.DefaultClient, which shoutrrr's services share, since
// shoutrrr takes no context, leaves bodies open, drops Retry-After, and for Telegram
// even takes a failed connection for success. A request is known by what it carries
// of its channel's URL; all others pass through untouched.
type wire struct {
	ours, theirs http.RoundTripper

	mu    sync.Mutex
	tries map[*try]bool
}

// theWire is set under http.DefaultClient once, for good: the client belongs to the
// process, and shoutrrr has no other way in. The client's own timeout stays unset.
// It would keep a goroutine for each body that shoutrrr leaves open, and tries have
// a context.
var theWire = sync.OnceValue(func() *wire {
	w := &wire{theirs: http.DefaultClient.Transport, tries: map[*try]bool{}}
	if w.theirs == nil {
		w.theirs = http.DefaultTransport
	}
	w.ours = w.theirs
	if base, ok := w.theirs.(*http.Transport); ok {
		// Messages are rare: a connection kept for the next one only idles.
		base = base.Clone()
		base.DisableKeepAlives = true
		w.ours = base
	}
	http.DefaultClient.Transport = w
	return w
})

// try is one attempt to send.
type try struct {
	wire  *wire
	ctx   context.Context
	parts []string

	mu     sync.Mutex
	failed *exchange
}

// exchange is a request that failed, and what came back.
type exchange struct {
	err    error
	status int
	after  time.Duration
	body   []byte
}

func (w *wire) begin(ctx context.Context, parts []string) *try {
	t := &try{wire: w, ctx: ctx, parts: parts}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries[t] = true
	return t
}

// end returns the last exchange if it failed.
func (t *try) end() *exchange {
	t.wire.mu.Lock()
	delete(t.wire.tries, t)
	t.wire.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

func (t *try) note(x *exchange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The first failure is the cause; where several are sent, one that failed stays
	// owed.
	if t.failed == nil {
		t.failed = x
	}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	owners := w.owners(req)
	if len(owners) == 0 {
		return w.theirs.RoundTrip(req)
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	defer cancel(nil)
	owner := owners[0]
	defer context.AfterFunc(owner.ctx, func() { cancel(context.Cause(owner.ctx)) })()
	if req.Header.Get("Content-Type") == "" && req.Method == http.MethodPost {
		req = req.Clone(ctx) // a round tripper may not change what it is given
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		req = req.WithContext(ctx)
	}
	res, x, err := w.exchange(req)
	if x != nil {
		if owner.ctx.Err() != nil {
			x.err = context.DeadlineExceeded
		}
		for _, t := range owners {
			t.note(x)
		}
	}
	return res, err
}

// exchange does one request and reads its answer, so that no connection is left
// however shoutrrr treats it.
func (w *wire) exchange(req *http.Request) (*http.Response, *exchange, error) {
	res, err := w.ours.RoundTrip(req)
	if err != nil {
		return nil, &exchange{err: err}, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	res.Body.Close()
	if err != nil {
		return nil, &exchange{err: err}, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	x := &exchange{status: res.StatusCode, body: body, after: retryAfter(res.Header, body)}
	switch res.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if req.Method == http.MethodPost {
			// What is followed is a GET: the message would be lost, and taken for sent.
			res.Header.Del("Location")
			return res, x, nil
		}
	}
	if res.StatusCode < 400 {
		return res, nil, nil
	}
	return res, x, nil
}

// owners are the tries whose channel's URL a request carries most of. More than
// one have the same URL.
func (w *wire) owners(req *http.Request) []*try {
	w.mu.Lock()
	tries := maps.Clone(w.tries)
	w.mu.Unlock()
	if len(tries) == 0 {
		return nil
	}
	text := carried(req)
	var best []*try
	most := 0
	for t := range tries {
		score := 0
		for _, part := range t.parts {
			if strings.Contains(text, part) {
				score += len(part)
			}
		}
		switch {
		case score > most:
			best, most = []*try{t}, score
		case score == most && most > 0:
			best = append(best, t)
		}
	}
	return best
}

// carried is all of a request in which a credential may be.
func carried(req *http.Request) string {
	var b strings.Builder
	b.WriteString(req.URL.String())
	if plain, err := url.PathUnescape(req.URL.String()); err == nil {
		b.WriteString(" " + plain)
	}
	if user, password, ok := req.BasicAuth(); ok {
		b.WriteString(" " + user + " " + password)
	}
	for _, values := range req.Header {
		b.WriteString(" " + strings.Join(values, " "))
	}
	if req.GetBody == nil {
		return b.String()
	}
	if body, err := req.GetBody(); err == nil {
		b.WriteString(" ")
		_, _ = io.Copy(&b, io.LimitReader(body, mostAnswer))
		body.Close()
	}
	return b.String()
}

// later matches how Telegram and Discord say when to try again.
var later = regexp.MustCompile(`"retry_after"\s*:\s*([0-9]+(?:\.[0-9]+)?)`)

// retryAfter reads when to try again: seconds or a date, at most a day.
func retryAfter(header http.Header, body []byte) time.Duration {
	value := header.Get("Retry-After")
	seconds, err := strconv.ParseFloat(value, 64)
	if at, dateErr := http.ParseTime(value); err != nil && dateErr == nil {
		seconds, err = time.Until(at).Seconds(), nil
	}
	if found := later.FindSubmatch(body); err != nil && found != nil {
		seconds, err = strconv.ParseFloat(string(found[1]), 64)
	}
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(math.Ceil(min(seconds, longestWait.Seconds())*1000)) * time.Millisecond
}

// fault says what became of an exchange.
func (x *exchange) fault(clean redactor) *sendFault {
	if x.err != nil {
		text := classOf(x.err)
		if text == "" {
			text = clean.clean(innermost(x.err).Error())
		}
		return &sendFault{text: text}
	}
	f := &sendFault{text: "HTTP " + strconv.Itoa(x.status), after: x.after}
	if text := http.StatusText(x.status); text != "" {
		f.text += " " + text
	}
	switch x.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		f.text += ": the server wants another address"
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		f.refused = true
	}
	if said := answer(x.body); said != "" {
		f.text += ": " + clean.clean(said)
	}
	return f
}

func innermost(err error) error {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err
}

// answer finds what a service says of a failure, which is short, and no page.
func answer(body []byte) string {
	var fields map[string]any
	if json.Unmarshal(body, &fields) == nil {
		for _, key := range []string{"description", "errorDescription", "error", "message", "msg"} {
			if text, ok := fields[key].(string); ok {
				return text
			}
		}
		return ""
	}
	text := strings.TrimSpace(string(body))
	if len(text) > 200 || strings.HasPrefix(text, "<") {
		return ""
	}
	return text
}
