package registry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// many pushes n images and returns the queries for them.
func many(reg *registrytest.Registry, n int) []core.Query {
	queries := make([]core.Query, n)
	for i := range queries {
		must(reg.Push(fmt.Sprintf("web%d", i), "1"))
		queries[i] = query(fmt.Sprintf("registry.test/web%d:1", i))
	}
	return queries
}

// codes counts the answers by the code of their fault, "" for a digest.
func codes(answers map[core.Query]core.Answer) map[core.Code]int {
	n := map[core.Code]int{}
	for _, a := range answers {
		n[a.Fault.Code]++
	}
	return n
}

// notebook is a memory that survives the Registry that writes into it.
type notebook struct {
	mu    sync.Mutex
	holds map[string]time.Time
	err   error
}

func (n *notebook) RegistryHolds(context.Context) (map[string]time.Time, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.holds), n.err
}

func (n *notebook) SetRegistryHold(_ context.Context, host string, until time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if delete(n.holds, host); !until.IsZero() {
		n.holds[host] = until
	}
	return n.err
}

// until is the reason for leaving registry.test alone.
func until(at time.Time) core.Reason {
	return core.Reason{Code: core.RateLimited, Text: "registry.test wants no more requests until " + at.Local().Format(time.DateTime)}
}

func TestWhatMayHavePassedTheNextMomentIsTriedAgain(t *testing.T) {
	t.Parallel()
	troubles := map[string]registrytest.Trouble{"a connection that is cut": registrytest.Cut}
	for _, status := range []int{408, 500, 502, 503, 504} {
		troubles[http.StatusText(status)] = registrytest.Status(status)
	}
	for name, trouble := range troubles {
		for kind, trouble := range map[string]func(*registrytest.Registry, int) registrytest.Trouble{
			"of a manifest": func(r *registrytest.Registry, n int) registrytest.Trouble {
				return registrytest.On(head, manifests, r.Times(n, trouble))
			},
			"of the greeting": func(r *registrytest.Registry, n int) registrytest.Trouble {
				return registrytest.On(get, registrytest.Ping, r.Times(n, trouble))
			},
			"of the token": func(r *registrytest.Registry, n int) registrytest.Trouble {
				return registrytest.On(get, registrytest.Token, r.Times(n, trouble))
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg, r := apart(t, registrytest.Options{Bearer: true})
					want, begun := must(reg.Push("web", "1")), time.Now()
					reg.Misbehave(trouble(reg, 3))
					if got := one(t, r, query("registry.test/web:1")); got.Digest != want {
						t.Errorf("after three failures: %+v", got)
					}
					if took := time.Since(begun); took < 700*time.Millisecond || took > 2100*time.Millisecond {
						t.Errorf("three pauses took %s", took)
					}
					reg, r = apart(t, registrytest.Options{Bearer: true})
					reg.Misbehave(trouble(reg, 4))
					if got := one(t, r, query("registry.test/web:1")); got.Fault.Code != core.RegistryError && got.Fault.Code != core.RegistryUnreachable {
						t.Errorf("after four failures: %+v", got)
					}
				})
			})
		}
	}
}

func TestWhatWillNotPassIsAskedOnce(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 418, 501} {
		synctest.Test(t, func(t *testing.T) {
			reg, r := apart(t, registrytest.Options{})
			reg.Misbehave(registrytest.On(head, manifests, registrytest.Status(status)))
			one(t, r, query("registry.test/web:1"))
			if n := reg.Count("", manifests); n != 1 {
				t.Errorf("%d requests after a %d, want 1", n, status)
			}
		})
	}
}

func TestARegistryThatIsDownIsNotAskedAboutEverything(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]registrytest.Trouble{"errors": registrytest.Status(500), "no connection": registrytest.Cut} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				queries := many(reg, 200)
				r.Check(t.Context(), queries) // it is known by now, and could be asked about all of them at once
				reg.Reset()
				reg.Misbehave(both(registrytest.Delay(50*time.Millisecond), trouble))
				begun := time.Now()
				answers := r.Check(t.Context(), queries)
				if got := codes(answers); got[""] > 0 || len(got) != 1 || len(answers) != 200 {
					t.Errorf("got %v", got)
				}
				if n := len(reg.Requests()); n > 20+2+3*(3+2) {
					t.Errorf("%d requests: want 20 at a time, and three at a time when it is tried again, and two before it is given up", n)
				}
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("it took %s to find out", took)
				}
			})
		})
	}
}

func TestARegistryThatFailsNowAndThenIsAskedToTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 200)
		var mu sync.Mutex
		n := 0
		reg.Misbehave(registrytest.On(head, manifests, func(w http.ResponseWriter, q *http.Request) bool {
			mu.Lock()
			n++
			bad := n%3 == 0
			mu.Unlock()
			return bad && registrytest.Cut(w, q)
		}))
		got := codes(r.Check(t.Context(), queries))
		// Four failures in a row befall one in 81 by chance.
		if got[""] < 180 {
			t.Errorf("got %v of 200, though two of three requests are answered", got)
		}
	})
}

func TestOneRepositoryThatFailsDoesNotSilenceTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 20)
		reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
			return strings.Contains(q.URL.Path, "/web0/") && registrytest.Status(500)(w, q)
		})
		r.Parallel = 1
		if diff := cmp.Diff(map[core.Code]int{"": 19, core.RegistryError: 1}, codes(r.Check(t.Context(), queries))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARegistryThatSaysUntilWhenIsLeftAloneUntilThen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		header func(now time.Time) string
		hold   time.Duration
	}{
		"429 and seconds":           {429, func(time.Time) string { return "300" }, 5 * time.Minute},
		"503 and seconds":           {503, func(time.Time) string { return "300" }, 5 * time.Minute},
		"429 and a date":            {429, func(now time.Time) string { return now.Add(time.Hour).UTC().Format(http.TimeFormat) }, time.Hour},
		"503 and a date":            {503, func(now time.Time) string { return now.Add(time.Hour).UTC().Format(http.TimeFormat) }, time.Hour},
		"429 and nothing":           {429, func(time.Time) string { return "" }, time.Minute},
		"429 and nonsense":          {429, func(time.Time) string { return "in a while" }, time.Minute},
		"429 and a date that is by": {429, func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, time.Minute},
		"429 and a hundred years":   {429, func(time.Time) string { return "3153600000" }, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				book := &notebook{holds: map[string]time.Time{}}
				r.Holds = book
				queries := many(reg, 50)
				begun := time.Now()
				reg.Misbehave(registrytest.On(head, manifests, registrytest.RetryAfter(test.status, test.header(begun))))

				answers := r.Check(t.Context(), queries)
				comeBackTogether(t, answers, begun.Add(test.hold), min(test.hold/10, 5*time.Minute))
				for q, a := range answers {
					if a.Fault != until(begun.Add(test.hold)) {
						t.Fatalf("%s: got %v, want %v", q.Reference.Repository, a.Fault, until(begun.Add(test.hold)))
					}
				}
				if n := reg.Count(head, manifests); n > 20 {
					t.Errorf("%d requests at a host that wants none, with 20 at a time", n)
				}
				// Neither this process nor the next asks before; what is remembered is enough.
				reg.Misbehave(nil)
				time.Sleep(test.hold - 11*time.Second)
				again := &registry.Registry{ConfigDir: r.ConfigDir, Transport: r.Transport, Holds: book}
				for _, r := range []*registry.Registry{r, again} {
					reg.Reset()
					if got := one(t, r, queries[0]); got.Fault != until(begun.Add(test.hold)) || len(reg.Requests()) != 0 {
						t.Errorf("before its time: got %v and %d requests", got, len(reg.Requests()))
					}
				}
				time.Sleep(11 * time.Second)
				for _, r := range []*registry.Registry{r, again} {
					if got := codes(r.Check(t.Context(), queries)); got[""] != 50 {
						t.Errorf("after its time: got %v", got)
					}
				}
				if len(book.holds) != 0 {
					t.Errorf("remembered for no use: %v", book.holds)
				}
			})
		})
	}
}

func TestAShortWhileIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 100)
		reg.Misbehave(registrytest.On(head, manifests, reg.Times(1, registrytest.RetryAfter(429, "3"))))
		begun := time.Now()
		if got := codes(r.Check(t.Context(), queries)); got[""] != 100 {
			t.Errorf("got %v", got)
		}
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("it took %s, want 3s", took)
		}
	})
}

func TestARegistryThatRefusesOnAndOnIsAskedEverMoreRarely(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 50)
		reg.Misbehave(registrytest.On(head, manifests, registrytest.Status(429)))
		for i, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			reg.Reset()
			want := until(time.Now().Add(time.Duration(minutes) * time.Minute))
			if got := r.Check(t.Context(), queries)[queries[7]]; got.Fault != want {
				t.Fatalf("refusal %d: got %v, want %v", i+1, got.Fault, want)
			}
			if n := reg.Count(head, manifests); i > 0 && n != 1 {
				t.Errorf("refusal %d: %d requests to find out that it refuses still, want 1", i+1, n)
			}
			time.Sleep(time.Duration(minutes) * time.Minute)
		}
		reg.Misbehave(nil)
		r.Check(t.Context(), queries)
		reg.Misbehave(registrytest.On(head, manifests, registrytest.Status(429)))
		if got, want := one(t, r, queries[0]).Fault, until(time.Now().Add(time.Minute)); got != want {
			t.Errorf("after an answer: got %v, want %v", got, want)
		}
	})
}

func TestALimitOfTheTokenServerHoldsTheRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{Bearer: true})
		queries := many(reg, 50)
		reg.Misbehave(registrytest.On(get, registrytest.Token, registrytest.RetryAfter(429, "60")))
		want := until(time.Now().Add(time.Minute))
		for _, a := range r.Check(t.Context(), queries) {
			if a.Fault != want {
				t.Fatalf("got %v, want %v", a.Fault, want)
			}
		}
	})
}

func TestALimitHoldsNoOtherRegistry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		want := must(reg.Push("web", "1"))
		reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
			return q.Host == "busy.test" && registrytest.RetryAfter(429, "60")(w, q)
		})
		busy, other := query("busy.test/web:1"), query("registry.test/web:1")
		got := r.Check(t.Context(), []core.Query{busy, other})
		if got[busy].Fault.Code != core.RateLimited || got[other].Digest != want {
			t.Errorf("got %v", got)
		}
	})
}

func TestALimitThatCannotBeRememberedIsKeptMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		r.Holds = &notebook{holds: map[string]time.Time{}, err: errors.New("the disk is full")}
		queries := many(reg, 1)
		reg.Misbehave(registrytest.On(head, manifests, reg.Times(1, registrytest.RetryAfter(429, "60"))))
		want := until(time.Now().Add(time.Minute))
		for range 2 {
			if got := one(t, r, queries[0]); got.Fault != want {
				t.Errorf("got %v, want %v", got, want)
			}
		}
	})
}

func TestAllHostsTogetherAreAskedSoManyAtATime(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hosts, references, want int
	}{
		"few hosts have all that they may":     {3, 50, 60},
		"many hosts share":                     {30, 50, 100},
		"more hosts than places have one each": {150, 2, 150},
		"hosts with one reference need one":    {40, 1, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				reg.Misbehave(registrytest.Delay(time.Second))
				var queries []core.Query
				for h := range test.hosts {
					for i := range test.references {
						queries = append(queries, query(fmt.Sprintf("r%d.test/web%d:1", h, i)))
					}
				}
				r.Check(t.Context(), queries)
				if got := reg.Busiest(); got > test.want || got < test.want*9/10 {
					t.Errorf("%d requests at the same time, want about %d", got, test.want)
				}
			})
		})
	}
}
