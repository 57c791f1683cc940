package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// heads is how many users a crowd has.
	heads = 4
	// breath is what each of them takes between two questions.
	breath = 5 * time.Millisecond
)

// addresses differ in what is otherwise the same failure.
var addresses = regexp.MustCompile(`[0-9]+(\.[0-9]+){3}:[0-9]+`)

// crowd are users who ask a service all the time, over connections that they keep.
type crowd struct {
	url string

	mu      sync.Mutex
	asked   int
	answers map[string]int
	lost    map[string]int // what they heard instead of an answer
	slowest time.Duration
}

// begin lets them ask until the function that it returns is called.
func (c *crowd) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.answers, c.lost = map[string]int{}, map[string]int{}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: heads}, Timeout: time.Minute}
	var users sync.WaitGroup
	for range heads {
		users.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				answer, err := visit(client, c.url)
				c.note(answer, err, time.Since(began))
				time.Sleep(breath)
			}
		})
	}
	return func() {
		cancel()
		users.Wait() // who has asked gets to hear the answer
		client.CloseIdleConnections()
	}
}

func visit(client *http.Client, url string) (string, error) {
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", answer.Status, text)
	}
	return strings.TrimSpace(string(text)), nil
}

func (c *crowd) note(answer string, err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	c.slowest = max(c.slowest, took)
	if err != nil {
		why := addresses.ReplaceAllString(strings.TrimSpace(err.Error()), "there")
		c.lost[why]++
		return
	}
	c.answers[answer]++
}

// heard waits until somebody has heard that answer.
func (c *crowd) heard(t testing.TB, answer string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(glance) {
		c.mu.Lock()
		there := c.answers[answer] > 0
		c.mu.Unlock()
		if there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody behind %s has heard %q: %s", c.url, answer, c)
		}
	}
}

// failures is how many requests were not answered.
func (c *crowd) failures() int {
	n := 0
	for _, times := range c.lost {
		n += times
	}
	return n
}

// String tells of all of them; for when they have ended.
func (c *crowd) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%d requests, %d failed, the slowest took %s", c.asked, c.failures(), c.slowest.Round(time.Millisecond))
	for _, why := range slices.Sorted(maps.Keys(c.lost)) {
		text += fmt.Sprintf("\n%d × %s", c.lost[why], why)
	}
	return text
}
