package registry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// A registry that says "in a second" for ever is waited for, and then put off as one
// that says nothing: each time for longer.
func TestARegistryThatIsAlwaysBusyIsTriedAgainEverMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 20)
		reg.Misbehave(registrytest.On(head, manifests, registrytest.RetryAfter(429, "8")))
		for i, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			answers := r.Check(t.Context(), queries)
			least := time.Duration(minutes) * time.Minute
			for _, a := range answers {
				if after := time.Until(a.RetryAt); a.Fault.Code != core.RateLimited || after < least || after > least+least/10 {
					t.Fatalf("refusal %d: %v, to be tried again in %s, want %s and up to a tenth more", i+1, a.Fault, after, least)
				}
			}
			time.Sleep(time.Until(answers[queries[0]].RetryAt))
		}
		reg.Misbehave(nil)
		for _, a := range r.Check(t.Context(), queries) {
			if a.Digest == "" || !a.RetryAt.IsZero() {
				t.Fatalf("when it answers again: %v", a)
			}
		}
		reg.Misbehave(registrytest.On(head, manifests, registrytest.RetryAfter(429, "8")))
		if a := one(t, r, queries[0]); time.Until(a.RetryAt) > 2*time.Minute {
			t.Errorf("busy again, it is to be tried in %s: what was before counts no more", time.Until(a.RetryAt))
		}
	})
}

// It is waited for once: what other registries have said must not wait for it all day.
func TestARegistryThatIsAlwaysBusyCostsACheckOneWait(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{time.Second, 8 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			reg, r := apart(t, registrytest.Options{})
			queries := many(reg, 200)
			busy := registrytest.On(head, manifests, registrytest.RetryAfter(429, fmt.Sprint(after.Seconds())))
			reg.Misbehave(both(registrytest.Delay(50*time.Millisecond), busy))
			for _, atATime := range []int{20, 1, 1} {
				reg.Reset()
				begun := time.Now()
				if got := codes(r.Check(t.Context(), queries)); got[core.RateLimited] != 200 {
					t.Errorf("got %v", got)
				}
				if took := time.Since(begun); took > after+time.Second/2 {
					t.Errorf("it took %s, want a wait of %s", took, after)
				}
				if n := reg.Count(head, manifests); n > 2*atATime {
					t.Errorf("%d requests, want %d before the wait and as many after it", n, atATime)
				}
				time.Sleep(2 * time.Hour)
			}
		})
	}
}

// comeBackTogether asserts that all are to be tried again at one moment, at most so
// much later than the end of the hold.
func comeBackTogether(t *testing.T, answers map[core.Query]core.Answer, end time.Time, most time.Duration) {
	t.Helper()
	moments := map[time.Time]bool{}
	for q, a := range answers {
		moments[a.RetryAt] = true
		if late := a.RetryAt.Sub(end); late < 0 || late > most {
			t.Errorf("%s is to be tried again %s after the hold", q.Reference.Repository, late)
		}
	}
	if len(moments) != 1 {
		t.Errorf("they are to be tried again at %d different moments, want 1", len(moments))
	}
}

// A proxy in front of the registry that reloads refuses everything for a moment.
func TestAMomentsTroubleLeavesNoReferenceWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5, 20, 50, 200} {
		for _, trouble := range []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 600 * time.Millisecond} {
			t.Run(fmt.Sprintf("%d references, %s", n, trouble), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg, r := apart(t, registrytest.Options{})
					queries := many(reg, n)
					r.Check(t.Context(), queries)
					begun := time.Now()
					reg.Misbehave(both(registrytest.Delay(50*time.Millisecond), func(w http.ResponseWriter, q *http.Request) bool {
						return time.Since(begun) < trouble && registrytest.Status(502)(w, q)
					}))
					if got := codes(r.Check(t.Context(), queries)); got[""] != n {
						t.Errorf("got %v", got)
					}
				})
			})
		}
	}
}

func TestReferencesThatFailEachTimeDoNotKeepTheOthersFromTheirTurn(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*registrytest.Registry) registrytest.Trouble{
		"errors": func(*registrytest.Registry) registrytest.Trouble { return registrytest.Status(500) },
		"hangs":  func(reg *registrytest.Registry) registrytest.Trouble { return reg.Hang },
	} {
		for _, test := range []struct{ parallel, bad int }{{20, 19}, {20, 20}, {20, 25}, {3, 3}, {1, 1}, {1, 3}} {
			t.Run(fmt.Sprintf("%s, %d bad ones, %d at a time", name, test.bad, test.parallel), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg, r := apart(t, registrytest.Options{})
					r.Parallel = test.parallel
					good := many(reg, 30)
					var all []core.Query
					for i := range test.bad {
						all = append(all, query(fmt.Sprintf("registry.test/bad%d:1", i)))
					}
					all = append(all, good...)
					bad := trouble(reg)
					reg.Misbehave(both(registrytest.Delay(50*time.Millisecond), func(w http.ResponseWriter, q *http.Request) bool {
						return strings.Contains(q.URL.Path, "/bad") && bad(w, q)
					}))
					r.Check(t.Context(), all) // the bad ones are the first, and may take all that it has
					for day := range 6 {
						time.Sleep(24 * time.Hour)
						begun := time.Now()
						if got := codes(r.Check(t.Context(), all)); got[""] != 30 {
							t.Errorf("day %d: got %v", day, got)
						}
						if took := time.Since(begun); took > 40*time.Second {
							t.Errorf("day %d: it took %s", day, took)
						}
					}
				})
			})
		}
	}
}
