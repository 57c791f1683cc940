package registry_test

import (
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
