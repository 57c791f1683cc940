package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	// adjourned counts the Checks in a row in which it has left references unanswered.
	adjourned int
}

// recall takes up what was remembered of the host, by whomever. What is further away
// than any hold may be comes of a clock that was wrong, and is forgotten.
func (p *peer) recall(until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.limits
	if !until.After(l.until) {
		return
	}
	l.saved = until
	if until.Before(time.Now().Add(longestHold + time.Second)) {
		l.until, l.refusals = until, max(l.refusals, 1)
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

// turn is when the next request may go, and a reason where that is after latest,
// or in the future once that is over.
func (p *peer) turn(latest time.Time) (time.Time, core.Reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, b := time.Now(), &p.limits.budget
	if latest.Before(now) {
		latest = now
	}
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

// mostDelay is how much later than need be those may come back whom a registry put
// off: many Refits behind one address share its limit, and are put off to one moment.
const mostDelay = 5 * time.Minute

// adjourn says of the references that a limit has left without an answer when to ask
// again, of all the same. That is when the host may be asked; but not sooner than it
// would be where the host said nothing: one that says "in a second" for ever must not
// be asked for ever.
func (p *peer) adjourn(asks []*ask) {
	var left []*ask
	for _, a := range asks {
		if a.answer.Fault.Code == core.RateLimited {
			left = append(left, a)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, now := &p.limits, time.Now()
	if len(left) == 0 {
		l.adjourned = 0
		return
	}
	at := now.Add(min(firstHold<<min(l.adjourned, 16), mostHold))
	l.adjourned++
	over := l.until
	if l.budget.turn(now, time.Time{}).After(now) && l.budget.ends.After(over) { // it is spent, or spread out
		over = l.budget.ends
	}
	if over.After(at) {
		at = over
	}
	at = at.Add(rand.N(min(at.Sub(now)/10, mostDelay))).Round(0)
	for _, a := range left {
		a.answer.RetryAt = at
	}
}

func clock(at time.Time) string { return at.Local().Format(time.DateTime) }

// admit waits until the host may be asked, or says why it is not before latest.
func (v *visit) admit(ctx context.Context, latest time.Time) core.Reason {
	for {
		held := v.peer.held()
		at, refused := v.peer.turn(latest)
		if refused.Code != "" || sleep(ctx, time.Until(at)) != nil {
			return refused
		}
		if !held.IsZero() {
			v.waited.Store(true)
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
