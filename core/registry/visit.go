package registry

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/refit-dev/refit/core"
)

const (
	// tries is how often a reference is asked for while its registry fails in a
	// way that may have passed the next moment.
	tries = 4
	// firstPause is about how long to wait before the second try; the pause
	// before each further one is twice as long.
	firstPause = 200 * time.Millisecond
	// freeTries is how many tries a Check may repeat at a host that answers
	// nothing. Each answer pays for another: a host that is down is not asked
	// four times about everything.
	freeTries = 3
	// mostFailures is how many references in a row may fail before the host is
	// given up for this Check.
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

	// answers counts the references that the host has said something about,
	// failures those since the last of them that it was no use asking for, and
	// repeats the tries that were repeated.
	answers, failures, repeats atomic.Int64
	// silence is set when the host has been given up for this Check.
	silence atomic.Pointer[core.Reason]
	// doubt is set when the host is to be got to know anew at the next.
	doubt atomic.Bool
}

// newVisit looks up the login for the host, and asks it nothing yet.
func (r *Registry) newVisit(ctx context.Context, creds *config, host string) *visit {
	v := &visit{peer: r.peer(host), host: host, lax: r.insecure(host), timeout: r.timeout(), begun: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	v.login = creds.login(ctx, host)
	return v
}

// visit asks one host all its references, some at a time.
func (r *Registry) visit(ctx context.Context, creds *config, host string, parallel int, asks []*ask) {
	v := r.newVisit(ctx, creds, host)
	v.peer.order(asks)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range v.peer.call(parallel) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(len(asks)); i = next.Add(1) {
				a := asks[i-1]
				a.answer = v.answer(ctx, a)
			}
		})
	}
	wg.Wait()
	if v.doubt.Load() {
		v.peer.greeting.forget(nil)
	}
	v.peer.adjourn(asks)
	r.remember(ctx, v.peer)
}

// answer answers for one reference.
func (v *visit) answer(ctx context.Context, a *ask) core.Answer {
	if no := v.obstacle(ctx); no.Code != "" {
		return core.Answer{Fault: no}
	}
	before := v.answers.Load()
	timed, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	digest := ""
	err := v.insist(timed, a.ref.Context(), func(ctx context.Context, t *trip, way *access) (err error) {
		digest, err = v.peer.digest(ctx, t, way, a.ref)
		return err
	})
	switch {
	case err == nil:
		v.spoke()
		v.peer.answered(a)
		return core.Answer{Digest: digest}
	case ctx.Err() != nil:
		return core.Answer{Fault: v.stopped()}
	}
	fault := v.explain(a, err)
	// Who runs out of time while the host answers nobody else either gives it up
	// at once: the others would wait as long, one batch after the other.
	switch {
	case timedOut(err) && v.answers.Load() == before, transient(err) && v.failures.Add(1) >= mostFailures:
		v.silence.Store(&fault)
	case !timedOut(err) && !transient(err):
		v.spoke()
	}
	if fault.Code != core.NotFound && fault.Code != core.RateLimited {
		// What was known of the registry may be wrong by now.
		v.doubt.Store(true)
		v.peer.leave(a.ref.Context(), nil)
	}
	return core.Answer{Fault: fault}
}

// obstacle waits for the host to be ready for a reference. It says why it is
// not to be asked, if it is not.
func (v *visit) obstacle(ctx context.Context) core.Reason {
	if v.login.firm {
		return v.login.fault
	}
	refused := v.admit(ctx, time.Now().Add(v.timeout))
	silence := v.silence.Load()
	switch {
	case ctx.Err() != nil:
		return v.stopped()
	case silence != nil:
		return *silence
	}
	return refused
}

// spoke notes that the host has said something about a reference.
func (v *visit) spoke() {
	v.answers.Add(1)
	v.failures.Store(0)
}

func (v *visit) stopped() core.Reason {
	return core.Reason{Code: core.Cancelled, Text: "the check was stopped before " + v.host + " answered"}
}

// question is what is asked about a repository, once the way into it is open. It
// may be asked more than once.
type question func(ctx context.Context, t *trip, way *access) error

// insist asks again where that may help, as long as there is time.
func (v *visit) insist(ctx context.Context, repo name.Repository, q question) error {
	latest, _ := ctx.Deadline()
	for try := 1; ; try++ {
		err := v.ask(ctx, repo, q)
		if err == nil || try == tries || !v.pause(ctx, try, latest, err) {
			return err
		}
	}
}

// pause waits for the moment of the next try, and tells whether there is one.
func (v *visit) pause(ctx context.Context, try int, latest time.Time, err error) bool {
	answer, refused := refusal(err)
	switch {
	case refused && limited(answer) && !v.peer.held().IsZero(): // then that is how long
	case !transient(err):
		return false
	default:
		// By chance, so that those that failed together do not come back together.
		pause := firstPause << (try - 1)
		pause = pause/2 + rand.N(pause)
		if time.Until(latest) < pause || sleep(ctx, pause) != nil || !v.affords() {
			return false
		}
	}
	return v.admit(ctx, latest).Code == "" && ctx.Err() == nil
}

// affords tells whether another try may be made at this host.
func (v *visit) affords() bool {
	return v.silence.Load() == nil && v.repeats.Add(1) <= freeTries+v.answers.Load()
}

// ask asks once, or twice where what opened the repository at an earlier Check is
// refused: a token may have been revoked, or the registry may have changed its
// way of logging in.
func (v *visit) ask(ctx context.Context, repo name.Repository, q question) error {
	way, err := v.askOnce(ctx, repo, q)
	if way != nil && way.since.Before(v.begun) && unauthorized(err) {
		v.peer.leave(repo, way)
		v.peer.greeting.forget(way.greeting)
		_, err = v.askOnce(ctx, repo, q)
	}
	return err
}

// askOnce returns the way that it took, nil if it found none.
func (v *visit) askOnce(ctx context.Context, repo name.Repository, q question) (*access, error) {
	t := &trip{peer: v.peer}
	ctx = withTrip(ctx, t)
	way, err := v.peer.enter(ctx, repo, v.login.auth)
	if err != nil {
		return nil, err
	}
	return way, q(ctx, t, way)
}

func unauthorized(err error) bool {
	answer, ok := refusal(err)
	return ok && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}
