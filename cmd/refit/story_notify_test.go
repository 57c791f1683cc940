package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// webhook is a channel that remembers what it was told.
type webhook struct {
	mu     sync.Mutex
	down   bool
	bodies []string
}

type webhookKey struct{}

// ServeHTTP takes a message, or refuses it while the webhook is down.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down || err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, "back soon at "+r.URL.Path) // as some do, which shows a part of the URL
		return
	}
	h.bodies = append(h.bodies, string(body))
}

func (h *webhook) count(pattern *regexp.Regexp) (matching int, all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, body := range h.bodies {
		if pattern.MatchString(body) {
			matching++
		}
	}
	return matching, append(all, h.bodies...)
}

// withWebhook gives a script a webhook at 127.0.0.1, $WEBHOOK.
func withWebhook(e *testscript.Env) {
	h := &webhook{}
	server := httptest.NewServer(h)
	e.Defer(server.Close)
	e.Values[webhookKey{}] = h
	e.Setenv("WEBHOOK", strings.TrimPrefix(server.URL, "http://"))
}

// turnWebhook takes the webhook down or up: webhook down.
func turnWebhook(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "up" && args[0] != "down" {
		ts.Fatalf("usage: webhook up|down")
	}
	h := ts.Value(webhookKey{}).(*webhook)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = args[0] == "down"
}

// heard wants the webhook to have been told so many messages that match, and waits
// until it was: heard 1 '"event":"updated"'.
func heard(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: heard NUMBER PATTERN")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	h := ts.Value(webhookKey{}).(*webhook)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, all := h.count(pattern)
		if got == want {
			return
		}
		if got > want || time.Now().After(deadline) {
			ts.Fatalf("%d messages match, want %d; all of them:\n%s", got, want, strings.Join(all, "\n"))
		}
	}
}
