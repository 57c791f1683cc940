package registry_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// The sidecar and a command may have the same ledger.
func TestWhatAnotherProcessHasLearnedIsHeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, sidecar := apart(t, registrytest.Options{})
		sidecar.Holds = &notebook{holds: map[string]time.Time{}}
		command := &registry.Registry{ConfigDir: sidecar.ConfigDir, Transport: sidecar.Transport, Holds: sidecar.Holds}
		queries := many(reg, 1)
		one(t, sidecar, queries[0])

		reg.Misbehave(registrytest.On(head, manifests, registrytest.RetryAfter(429, "3600")))
		want := until(time.Now().Add(time.Hour))
		one(t, command, queries[0])
		reg.Misbehave(nil)
		reg.Reset()
		if got := one(t, sidecar, queries[0]); got.Fault != want || len(reg.Requests()) != 0 {
			t.Errorf("the sidecar got %v with %d requests, want %v", got.Fault, len(reg.Requests()), want)
		}

		time.Sleep(time.Hour)
		for _, r := range []*registry.Registry{command, sidecar} {
			if got := one(t, r, queries[0]); got.Digest == "" {
				t.Errorf("when it is over: %v", got.Fault)
			}
		}
	})
}

// Who is killed meanwhile must not ask again at the next start.
func TestALimitIsRememberedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		book := &notebook{holds: map[string]time.Time{}}
		r.Holds = book
		queries, begun := many(reg, 20), time.Now()
		reg.Misbehave(registrytest.On(head, manifests, func(w http.ResponseWriter, q *http.Request) bool {
			if strings.Contains(q.URL.Path, "/web0/") {
				return registrytest.RetryAfter(429, "3600")(w, q)
			}
			return reg.Hang(w, q)
		}))
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Check(t.Context(), queries)
		}()
		time.Sleep(time.Second)
		holds, _ := book.RegistryHolds(t.Context())
		if got, want := holds["registry.test"], begun.Add(time.Hour); !got.Equal(want) {
			t.Errorf("a second later there is remembered %v, want %v", got, want)
		}
		<-done
	})
}

// Refit never writes down such a hold: the clock was wrong, or somebody else wrote it.
func TestAHoldFromTheFarFutureIsNotBelieved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		book := &notebook{holds: map[string]time.Time{"registry.test": time.Now().AddDate(10, 0, 0)}}
		r.Holds = book
		if got := one(t, r, many(reg, 1)[0]); got.Digest == "" {
			t.Errorf("got %v", got.Fault)
		}
		if len(book.holds) != 0 {
			t.Errorf("it is remembered still: %v", book.holds)
		}
		reg.Misbehave(registrytest.On(head, manifests, registrytest.RetryAfter(429, "3600")))
		if got := one(t, r, query("registry.test/web0:1")); got.Fault.Code != core.RateLimited || len(book.holds) != 1 {
			t.Errorf("then it says so itself: got %v, and remembered is %v", got.Fault, book.holds)
		}
	})
}
