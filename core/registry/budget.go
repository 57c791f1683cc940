package registry

import "time"

// budget spreads requests out where a registry lets only so many pass, so that
// they last until its window ends. It is only numbers: the peer that it belongs to
// guards it.
type budget struct {
	rate
	next time.Time // when the next request may go, where they are spread out

	// heard, high and low are the answers of one Check, or of two, and what was left by the
	// most and by the least generous of them. They tell whether costs is true:
	// Docker Hub shows its limit with every HEAD and takes nothing off for it.
	heard, high, low int64
	costs            bool
}

// begin starts to count what requests cost. Between two Checks others may spend: the
// engine, or another host behind the same address. But one answer alone tells nothing:
// it is compared with the next Check's.
func (b *budget) begin() {
	if b.heard > 1 {
		b.heard = 0
	}
}

// note takes in what one answer says.
func (b *budget) note(r rate, now time.Time) {
	fresh := r.limit != b.limit || !now.Before(b.ends) || 2*(r.remaining-b.remaining) > r.limit
	if r.ends.IsZero() {
		// When the window began is not known. That it began with the first that was
		// heard of it is the careful guess.
		if r.ends = b.ends; fresh {
			r.ends = now.Add(r.window)
		}
	}
	if fresh {
		b.heard, b.next = 0, time.Time{}
	}
	b.rate = r
	if b.heard++; b.heard == 1 {
		b.high, b.low = r.remaining, r.remaining
		return
	}
	b.high, b.low = max(b.high, r.remaining), min(b.low, r.remaining)
	b.costs = 2*(b.high-b.low) >= b.heard-1
}

// turn is when the next request may go, and latest is the last moment that helps
// whoever asks: what comes later is not taken up.
//
// Requests go as they come while there is more than half of the limit left, or
// more than the rest of the window's fair share. Then what is left is spread
// evenly over that rest.
func (b *budget) turn(now, latest time.Time) time.Time {
	rest := b.ends.Sub(now)
	if !b.costs || rest <= 0 || 2*b.remaining > b.limit ||
		float64(b.remaining) >= float64(b.limit)*float64(rest)/float64(b.window) {
		return now
	}
	if b.remaining <= 0 {
		return b.ends
	}
	at := now
	if b.next.After(at) {
		at = b.next
	}
	if !at.After(latest) {
		b.next = at.Add(rest / time.Duration(b.remaining))
	}
	return at
}
