package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
)

// says are the defaults of an image that says nothing but a user's name.
func says(user string) core.Defaults {
	return core.Defaults{
		Config:      []byte(`{"User":"` + user + `","Healthcheck":{"Interval":12345678901234567}}`),
		Platform:    core.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		RepoDigests: []core.Reference{{Text: "app@sha256:1", Repository: "app", Digest: "sha256:1"}},
	}
}

func wantRecalled(t *testing.T, l *ledger.Ledger, want map[string]core.Defaults) {
	t.Helper()
	got, err := l.Recall(t.Context(), []string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recalled (-want +got):\n%s", diff)
	}
}

func TestDefaultsAreRememberedWhileTheirImagesAreInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wantRecalled(t, ledger.At(dir), map[string]core.Defaults{})
	l := open(t, dir)
	wantRecalled(t, l, map[string]core.Defaults{})
	for _, step := range []struct {
		add   map[string]core.Defaults
		inUse []string
		want  map[string]core.Defaults
	}{
		{
			map[string]core.Defaults{"a": says("ann"), "b": says("bob")},
			[]string{"a", "b"},
			map[string]core.Defaults{"a": says("ann"), "b": says("bob")},
		},
		{map[string]core.Defaults{"c": says("cy")}, []string{"a", "c"}, map[string]core.Defaults{"a": says("ann"), "c": says("cy")}},
		{map[string]core.Defaults{"a": says("al")}, []string{"a"}, map[string]core.Defaults{"a": says("al")}},
		{nil, nil, map[string]core.Defaults{}},
	} {
		if err := l.Remember(t.Context(), step.add, step.inUse); err != nil {
			t.Fatal(err)
		}
		wantRecalled(t, ledger.At(dir), step.want)
	}
}

func TestDefaultsOfAnImageWithoutAnIDAreRefused(t *testing.T) {
	t.Parallel()
	if err := open(t, t.TempDir()).Remember(t.Context(), map[string]core.Defaults{"": says("nobody")}, []string{""}); err == nil {
		t.Error("they were taken")
	}
}
