package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/ledger"
)

func TestLimitsOfRegistriesAreRememberedAndForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	at := time.Date(2026, 11, 22, 4, 0, 0, 5, time.UTC)
	want := func(l *ledger.Ledger, want map[string]time.Time) {
		t.Helper()
		got, err := l.RegistryHolds(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	set := func(host string, until time.Time) {
		t.Helper()
		if err := l.SetRegistryHold(t.Context(), host, until); err != nil {
			t.Fatal(err)
		}
	}
	want(l, map[string]time.Time{})
	set("docker.io", at)
	set("registry.example:5000", at.Add(time.Hour).In(time.FixedZone("elsewhere", 3600)))
	set("docker.io", at.Add(time.Minute))
	set("never.example", time.Time{})
	want(ledger.At(dir), map[string]time.Time{"docker.io": at.Add(time.Minute), "registry.example:5000": at.Add(time.Hour)})
	set("docker.io", time.Time{})
	want(open(t, dir), map[string]time.Time{"registry.example:5000": at.Add(time.Hour)})
}
