package registry_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

func TestABudgetLastsUntilItsWindowEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		reg.Limit(100, time.Hour)
		queries := many(reg, 10)
		answered, last, longest := map[core.Query]int{}, time.Now(), time.Duration(0)
		// Ten references every minute are 600 requests for the 100 that are allowed.
		for end := time.Now().Add(3*time.Hour - time.Minute); time.Now().Before(end); time.Sleep(time.Minute) {
			for q, a := range r.Check(t.Context(), queries) {
				if a.Digest != "" {
					longest, last = max(longest, time.Since(last)), time.Now()
					answered[q]++
				} else if !strings.Contains(a.Fault.String(), "rate-limited: registry.test takes ") {
					t.Fatalf("after %v: got %v", answered, a.Fault)
				}
			}
		}
		all := 0
		for _, n := range answered {
			all += n
		}
		fewest := slices.Min(slices.Collect(maps.Values(answered)))
		if len(answered) < 10 || fewest < 27 || all > 300 {
			t.Errorf("%v answers in three windows of 100, want about 30 for each of 10", answered)
		}
		if n := reg.Count(head, manifests); n != all {
			t.Errorf("%d requests and %d answers: it was asked beyond its limit", n, all)
		}
		if longest > 3*time.Minute {
			t.Errorf("nothing was answered for %s: the budget did not last", longest)
		}
	})
}

// Each container may have a schedule of its own: then each Check asks about one.
func TestABudgetLastsAlsoForChecksOfOneReferenceEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		reg.Limit(100, time.Hour)
		queries := many(reg, 10)
		answered, begun := 0, time.Now()
		for i := 0; time.Since(begun) < time.Hour; i++ {
			a := one(t, r, queries[i%10])
			switch {
			case a.Digest != "":
				answered++
			case !strings.Contains(a.Fault.String(), "rate-limited: registry.test takes "):
				t.Fatalf("after %d answers: got %v", answered, a.Fault)
			}
			time.Sleep(10 * time.Second)
		}
		if n := reg.Count(head, manifests); n != answered || n < 80 {
			t.Errorf("%d requests and %d answers, of the 100 that are allowed", n, answered)
		}
	})
}

func TestABudgetThatIsNotSpentSlowsNobodyDown(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]string{"there is little left": "3;w=21600", "there is nothing left": "0;w=21600"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				queries := many(reg, 100)
				// As Docker Hub does: every HEAD shows the limit, and costs nothing.
				reg.Misbehave(func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("RateLimit-Limit", "100;w=21600")
					w.Header().Set("RateLimit-Remaining", left)
					return false
				})
				begun := time.Now()
				for range 3 {
					if got := codes(r.Check(t.Context(), queries)); got[""] != 100 {
						t.Errorf("got %v", got)
					}
				}
				if took := time.Since(begun); took != 0 {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestACheckDoesNotWaitForAWholeWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		reg.Limit(200, 10*time.Minute) // one in three seconds, once they are spread out
		queries := many(reg, 200)
		begun := time.Now()
		if got := codes(r.Check(t.Context(), queries)); got[""] < 100 || got[""]+got[core.RateLimited] != 200 {
			t.Errorf("got %v", got)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s, and all other registries' answers wait for it", took)
		}
	})
}
