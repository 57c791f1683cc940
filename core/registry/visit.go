package registry

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refit-dev/refit/core"
)

const (
	// tries is how often a reference is asked for while its registry fails in a
	// way that may have passed the next moment.
	tries = 4
	// firstPause is about how long to wait before the second try; the pause
	// before each further one is twice as long.
	firstPause = 200 * time.Millisecond
	// mostFailures is how many references in a row may fail before the others are
	// left for the next try, and how many are asked at the same time then: a host
	// that is down is not asked four times about everything.
	mostFailures = 3
)

// visit is the conversation with one registry host in one Check.
type visit struct {
	peer    *peer
	host    string
	lax     bool // may do without TLS, or without a good certificate
	login   login
	timeout time.Duration
	begun   time.Time
	places  int64 // how many references are asked at the same time
	last    bool  // this is the last try
	// remember writes down until when the host wants to be left alone.
	remember func()

	// answers counts the references that the host has said something about,
	// failures those since the last of them that it was no use asking for, in this
	// try, hangs those that ran out of time, and busy those that are under way.
	answers, failures, hangs, busy atomic.Int64
	// waited is set when the host has been waited for because it said so.
	waited atomic.Bool
	// trouble is set when the host is left alone until the next try.
	trouble atomic.Pointer[core.Reason]
	// silence is set when the host has been given up for this Check.
	silence atomic.Pointer[core.Reason]
	// doubt is set when the host is to be got to know anew at the next.
	doubt atomic.Bool
}

// newVisit looks up the login for the host, and asks it nothing yet.
func (r *Registry) newVisit(ctx context.Context, creds *config, host string) *visit {
	v := &visit{peer: r.peer(host), host: host, lax: r.insecure(host), timeout: r.timeout(), places: 1}
	v.remember = func() { r.remember(ctx, v.peer) }
	timed, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	v.login = creds.login(timed, host)
	v.begun = time.Now()
	return v
}

// visit asks one host all its references, some at a time.
func (r *Registry) visit(ctx context.Context, creds *config, host string, parallel int, asks []*ask) {
	v := r.newVisit(ctx, creds, host)
	v.places = int64(v.peer.call(parallel))
	for _, a := range asks {
		a.question = func(ctx context.Context, t *trip, way *access) (err error) {
			a.answer.Digest, err = v.peer.digest(ctx, t, way, a.ref)
			return err
		}
	}
	v.insist(ctx, asks)
	if v.doubt.Load() {
		v.peer.greeting.forget(nil)
	}
	v.peer.adjourn(asks)
	v.peer.tidy()
}

// insist asks about all of them, and again where that may help. There is one pause
// for all that failed: what befell the host befell all that were under way.
func (v *visit) insist(ctx context.Context, asks []*ask) {
	for try := 1; len(asks) > 0 && try <= tries; try++ {
		v.last = try == tries
		asks = v.round(ctx, asks)
		if slices.ContainsFunc(asks, func(a *ask) bool { return a.answer.Fault.Code != core.RateLimited }) && !v.last {
			// By chance, so that those that failed together do not come back together.
			pause := firstPause << (try - 1)
			_ = sleep(ctx, pause/2+rand.N(pause)) // where that ends early, the next round says so
		}
	}
	v.remember()
}

// round asks about each of them once, and returns those that may be asked again.
func (v *visit) round(ctx context.Context, asks []*ask) []*ask {
	if v.trouble.Swap(nil) != nil {
		v.places = min(v.places, mostFailures)
	}
	v.failures.Store(0)
	v.peer.order(asks)
	again := make([]bool, len(asks))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range v.places {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(len(asks)); i = next.Add(1) {
				again[i-1] = v.answer(ctx, asks[i-1])
			}
		})
	}
	wg.Wait()
	var left []*ask
	for i, a := range asks {
		if again[i] {
			left = append(left, a)
		}
	}
	return left
}

// answer answers for one reference, and tells whether it may be asked again.
func (v *visit) answer(ctx context.Context, a *ask) (again bool) {
	no, trouble := v.obstacle(ctx), v.trouble.Load()
	switch {
	case no.Code != "":
		a.answer.Fault = no
		return false
	case trouble != nil:
		a.answer.Fault = *trouble
		return true
	}
	v.busy.Add(1)
	defer v.busy.Add(-1)
	before, waited := v.answers.Load(), v.waited.Load()
	timed, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	err := v.ask(timed, a)
	switch {
	case err == nil:
		v.spoke(a)
		a.answer.Fault = core.Reason{}
		return false
	case ctx.Err() != nil:
		a.answer.Fault = v.stopped()
		return false
	}
	a.answer.Fault = v.explain(a, err)
	switch {
	case a.answer.Fault.Code == core.RateLimited:
		v.remember()
		if waited { // once is enough
			v.giveUp(a)
		}
		return !waited
	case v.failed(a, err, v.answers.Load() == before) && !v.last:
		return true
	}
	if a.answer.Fault.Code != core.NotFound {
		// What was known of the registry may be wrong by now.
		v.doubt.Store(true)
		v.peer.leave(a.ref.Context(), nil)
	}
	return false
}

// failed draws the conclusions for the other references, and tells whether this one
// may be asked again. alone is whether none of them was answered meanwhile.
func (v *visit) failed(a *ask, err error, alone bool) (again bool) {
	switch {
	case timedOut(err):
		v.peer.asked(a, false)
		// Those under way have as little hope. The others would wait as long, one
		// batch after the other.
		mute := v.failures.Add(1)-1+v.busy.Load() >= mostFailures
		if mute && alone || v.hangs.Add(1) >= mostFailures*v.places {
			v.giveUp(a)
		}
		return false
	case transient(err):
		v.peer.asked(a, false)
		if v.failures.Add(1) >= mostFailures {
			fault := a.answer.Fault
			v.trouble.Store(&fault)
		}
		return true
	}
	v.spoke(a)
	return false
}

// giveUp has all other references answered as this one, without a request.
func (v *visit) giveUp(a *ask) {
	fault := a.answer.Fault
	v.silence.Store(&fault)
}

// spoke notes that the host has said something about a reference.
func (v *visit) spoke(a *ask) {
	v.answers.Add(1)
	v.failures.Store(0)
	v.peer.asked(a, true)
}

// obstacle waits for the host to be ready for a reference. It says why it is
// not to be asked, if it is not.
func (v *visit) obstacle(ctx context.Context) core.Reason {
	if v.login.firm {
		return v.login.fault
	}
	if no := v.over(ctx); no.Code != "" {
		return no
	}
	refused := v.admit(ctx, v.begun.Add(v.timeout))
	if no := v.over(ctx); no.Code != "" {
		return no
	}
	return refused
}

// over says why nothing is asked of the host any more.
func (v *visit) over(ctx context.Context) core.Reason {
	switch silence := v.silence.Load(); {
	case ctx.Err() != nil:
		return v.stopped()
	case silence != nil:
		return *silence
	}
	return core.Reason{}
}

func (v *visit) stopped() core.Reason {
	return core.Reason{Code: core.Cancelled, Text: "the check was stopped before " + v.host + " answered"}
}

// question is what is asked about a repository, once the way into it is open. It
// may be asked more than once.
type question func(ctx context.Context, t *trip, way *access) error

// ask asks once, or twice where what opened the repository at an earlier Check is
// refused: a token may have been revoked, or the registry may have changed its
// way of logging in.
func (v *visit) ask(ctx context.Context, a *ask) error {
	way, err := v.askOnce(ctx, a)
	if way != nil && way.since.Before(v.begun) && unauthorized(err) {
		v.peer.leave(a.ref.Context(), way)
		v.peer.greeting.forget(way.greeting)
		_, err = v.askOnce(ctx, a)
	}
	return err
}

// askOnce returns the way that it took, nil if it found none.
func (v *visit) askOnce(ctx context.Context, a *ask) (*access, error) {
	t := &trip{peer: v.peer}
	ctx = withTrip(ctx, t)
	way, err := v.peer.enter(ctx, a.ref.Context(), v.login.auth)
	if err != nil {
		return nil, err
	}
	return way, a.question(ctx, t, way)
}

func unauthorized(err error) bool {
	answer, ok := refusal(err)
	return ok && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}
