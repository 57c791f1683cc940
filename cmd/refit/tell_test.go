package main

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/schedule"
)

func TestEveryOutcomeIsToldAndSummedUp(t *testing.T) {
	t.Parallel()
	listed := map[core.Outcome]bool{}
	for _, o := range outcomes {
		listed[o] = true
		if _, known := levels[o]; !known {
			t.Errorf("%s has no level", o)
		}
	}
	for o := range levels {
		if !listed[o] {
			t.Errorf("%s is not summed up", o)
		}
	}
}

func TestTheLogTellsOfEachContainerAndOfTheCycle(t *testing.T) {
	t.Parallel()
	broken := result("worker", core.OutcomeRolledBack, core.GateFailed, "it ended with exit code 1").Result
	broken.From = core.Image{Reference: nginx, ID: oldID}
	broken.To = core.Image{Reference: nginx, Digest: newDigest}
	broken.Downtime = 1500 * time.Millisecond
	broken.Evidence = &core.Evidence{ExitCode: new(1), Logs: []string{"one", "two"}}
	list := []core.Result{
		broken,
		result("cache", core.OutcomeUnchanged, core.UpToDate, "it runs the newest image").Result,
		result("child", core.OutcomeFollowed, core.Follows, "it was restarted after web").Result,
		result("db", core.OutcomeHeld, core.Unauthorized, "401").Result,
		result("odd", core.OutcomeHeld, core.Unsupported, "--rm").Result,
		result("mail", core.OutcomeUnchanged, core.NotEnabled, "it has no label refit.enable=true").Result,
	}
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
	tell(t.Context(), log, list)
	golden(t, filepath.Join("testdata", "tell.log"), b.String())
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestAnEngineThatCannotBeReachedGetsTheHintThatFits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want string
	}{
		"no socket":             {&docker.UnreachableError{Err: fs.ErrNotExist}, "-v /var/run/docker.sock:/var/run/docker.sock"},
		"a socket of others":    {&docker.UnreachableError{Err: syscall.EACCES}, "--group-add"},
		"nobody listens":        {&docker.UnreachableError{Err: syscall.ECONNREFUSED}, "is the engine running"},
		"anything else":         {&docker.UnreachableError{Err: errors.New("no route")}, "is the address right"},
		"a problem of our side": {errors.New("engine's host"), "DOCKER_HOST"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := engineHint(tt.err); !strings.Contains(got, tt.want) {
				t.Errorf("hint %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestTheNextTimesBeginWithTheFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	got := nextTimes(schedule.Every(6*time.Hour), now, now)
	want := []string{"today 12:00 (in 0 s)", "today 18:00 (in 6 h)", "tomorrow 00:00 (in 12 h)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}

func TestTheCensusSaysWhatToDoWhereNothingIsEnabled(t *testing.T) {
	t.Parallel()
	if got, want := census(0, 12), "0 of 12 containers enabled: label them refit.enable=true, or use --all"; got != want {
		t.Errorf("census %q, want %q", got, want)
	}
	if got, want := census(3, 12), "3 of 12 containers enabled"; got != want {
		t.Errorf("census %q, want %q", got, want)
	}
}

func TestTheSidecarLooksAfterItsOwnScopeAndNamesOnly(t *testing.T) {
	t.Parallel()
	labelled := func(name string, labels map[string]string) core.Container {
		c := container(name)
		c.ID, c.Labels = name, labels
		return c
	}
	stopped := labelled("stopped", map[string]string{"refit.enable": "true"})
	stopped.State = core.Exited
	all := []core.Container{
		labelled("plain", nil),
		labelled("on", map[string]string{"refit.enable": "true"}),
		labelled("other", map[string]string{"refit.enable": "true"}),
		labelled("blue", map[string]string{"refit.enable": "true", "refit.scope": "blue"}),
		labelled("self", map[string]string{"refit.enable": "true"}),
		labelled("slip", map[string]string{"refit.enabel": "true"}),
		stopped,
	}
	c, err := configure([]string{"on", "blue", "self", "slip", "stopped"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.settings.Self, c.settings.SelfBar = "self", "why"
	s := &session{program: &program{config: c}}
	var got []string
	for _, step := range s.ours(all) {
		got = append(got, step.Container.Name)
	}
	if diff := cmp.Diff([]string{"on", "slip", "stopped"}, got); diff != "" {
		t.Errorf("ours (-want +got):\n%s", diff)
	}
}

func TestAWatchtowerIsKnownByItsImageOrItsLabel(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		repository string
		labels     map[string]string
		want       bool
	}{
		"the old one":              {repository: "docker.io/containrrr/watchtower", want: true},
		"a fork":                   {repository: "ghcr.io/somebody/watchtower", want: true},
		"something else":           {repository: "docker.io/somebody/watchtower-exporter"},
		"one under another name":   {repository: "example.org/updater", labels: map[string]string{"com.centurylinklabs.watchtower": "true"}, want: true},
		"what it has looked after": {repository: "docker.io/library/nginx", labels: map[string]string{"com.centurylinklabs.watchtower.enable": "true"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := core.Container{Labels: tt.labels, Image: core.Image{Reference: core.Reference{Repository: tt.repository}}}
			if got := isWatchtower(c); got != tt.want {
				t.Errorf("isWatchtower is %v, want %v", got, tt.want)
			}
		})
	}
}
