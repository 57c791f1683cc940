package registry

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/refit-dev/refit/core"
)

// How long a registry is left alone that says "too many requests" and not until
// when: this long at first, twice as long each further time.
const (
	firstHold = time.Minute
	mostHold  = time.Hour
)

// limits are what a registry host has said of how often it may be asked. The peer
// that they belong to guards them.
type limits struct {
	budget budget
	until  time.Time // nobody asks it before
	// refusals counts how often it has said "too many requests" since it last
	// answered about an image.
	refusals int
	saved    time.Time // the until that is remembered
}

// recall takes up what was remembered of the host.
func (l *limits) recall(until time.Time) {
	l.until, l.saved = until, until
	if !until.IsZero() {
		l.refusals = 1
	}
}

// hold notes that the host has refused to answer, until a time if it said one.
func (l *limits) hold(until, now time.Time) {
	switch {
	case !until.IsZero():
		l.refusals = max(l.refusals, 1)
	case now.Before(l.until):
		return // many were under way when it began to refuse
	default:
		l.refusals++
		until = now.Add(min(firstHold<<min(l.refusals-1, 16), mostHold))
	}
	if until.After(l.until) {
		l.until = until
	}
}

// heed takes in what an answer says of the host's limits, whichever of its
// servers gave it. What is left counts for manifests only.
func (p *peer) heed(resp *http.Response, manifest bool) {
	now := time.Now()
	after := retryAfter(resp.Header.Get("Retry-After"), now)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := rateOf(resp.Header, now); ok && manifest {
		p.limits.budget.note(r, now)
	}
	switch status := resp.StatusCode; {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && !after.IsZero():
		p.limits.hold(after, now)
	case manifest && status < http.StatusBadRequest:
		p.limits.refusals = 0
	}
}

// refuse notes a refusal that no status told of.
func (p *peer) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits.hold(time.Time{}, time.Now())
}

// call begins a Check of that many references, and returns how many may be asked
// at the same time: one by one where the host has refused the last that were.
func (p *peer) call(parallel int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits.budget.begin()
	if p.limits.refusals > 0 {
		return 1
	}
	return parallel
}

// held is until when the host is left alone; the zero time if it is not.
func (p *peer) held() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !time.Now().Before(p.limits.until) {
		return time.Time{}
	}
	return p.limits.until
}

// turn is when the next request may go, and a reason where that is after latest.
func (p *peer) turn(latest time.Time) (time.Time, core.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, b := time.Now(), &p.limits.budget
	if now.Before(p.limits.until) {
		if p.limits.until.After(latest) {
			return time.Time{}, p.alone(p.limits.until)
		}
		return p.limits.until, core.Reason{}
	}
	at := b.turn(now, latest)
	if at.After(latest) {
		return time.Time{}, core.Reason{Code: core.RateLimited, Text: fmt.Sprintf(
			"%s takes %d more requests until %s, and other images come first", p.host, b.remaining, clock(b.ends))}
	}
	return at, core.Reason{}
}

// alone is the reason for not asking a host before a time.
func (p *peer) alone(until time.Time) core.Reason {
	return core.Reason{Code: core.RateLimited, Text: p.host + " wants no more requests until " + clock(until)}
}

func clock(at time.Time) string { return at.Local().Format(time.DateTime) }

// admit waits until the host may be asked, or says why it is not before latest.
func (v *visit) admit(ctx context.Context, latest time.Time) core.Reason {
	for {
		at, refused := v.peer.turn(latest)
		if refused.Code != "" || sleep(ctx, time.Until(at)) != nil {
			return refused
		}
		if v.peer.held().IsZero() {
			return core.Reason{}
		}
	}
}

// sleep waits, and returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
