package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

const (
	oldDigest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	newDigest = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
	oldID     = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
	newID     = "sha256:4444444444444444444444444444444444444444444444444444444444444444"
)

var nginx = core.Reference{Text: "nginx:1", Repository: "docker.io/library/nginx", Tag: "1"}

// container is one that runs nginx:1, and knows its digest.
func container(name string) core.Container {
	return core.Container{
		ID: strings.Repeat("c", 64), Name: name, State: core.Running,
		Image: core.Image{Reference: nginx, ID: oldID},
		RepoDigests: []core.Reference{
			{Text: "mirror/nginx@" + newID, Repository: "docker.io/mirror/nginx", Digest: newID},
			{Text: "nginx@" + oldDigest, Repository: nginx.Repository, Digest: oldDigest},
		},
	}
}

func step(name string, action core.Action, code core.Code, sentence string) core.Step {
	return core.Step{
		Container: container(name), Policy: core.DefaultPolicy(),
		Action: action, Reason: core.Reason{Code: code, Text: sentence},
	}
}

// somePlan has a step of every kind.
func somePlan() core.Plan {
	update := step("web", core.Update, core.NewImage, "nginx:1 is now 222222222222")
	update.To = core.Image{Reference: nginx, Digest: newDigest}
	tell := step("api", core.Notify, core.NotifyOnly, "nginx:1 is now 222222222222, and its mode is notify")
	tell.To = update.To
	local := step("built-here", core.Update, core.NewImage, "nginx:1 is now 444444444444")
	local.Policy.Pull = false
	local.To = core.Image{Reference: nginx, ID: newID}
	child := step("child", core.Follow, core.Follows, "it is replaced together with web, on which it hangs")
	update.Members = []core.Member{{Container: child.Container, To: child.Container.Image}}
	return core.Plan{Steps: []core.Step{
		tell, local, update, child,
		step("cache", core.Keep, core.UpToDate, "it runs the newest image"),
		step("db", core.Hold, core.Unauthorized, "registry-1.docker.io: 401\nUnauthorized\x1b[2J"),
		step("other", core.Keep, core.NotEnabled, "it has no label refit.enable=true"),
		step("unnamed", core.Keep, core.NotNamed, "the command names other containers"),
	}}
}

func TestCheckPrintsAnAlignedTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeFindings(&b, findings(somePlan()), "table"); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "check.table"), b.String())
}

func TestCheckPrintsJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeFindings(&b, findings(somePlan()), "json"); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "check.json"), b.String())
}

func TestCheckOfNoContainersIsAnEmptyListInJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeFindings(&b, findings(core.Plan{}), "json"); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "[]\n" {
		t.Errorf("printed %q, want an empty list", got)
	}
}

func TestCheckFillsInATemplateForEachContainer(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	format := `{{.Container}} {{short .Latest}} {{json .Reason.Code}}`
	if err := checkFormat(format); err != nil {
		t.Fatal(err)
	}
	if err := writeFindings(&b, findings(somePlan())[:3], format); err != nil {
		t.Fatal(err)
	}
	want := "api 222222222222 \"notify-only\"\nbuilt-here 444444444444 \"new-image\"\nweb 222222222222 \"new-image\"\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestCheckTellsByItsExitCodeWhatIsPending(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		steps []core.Step
		want  int
	}{
		"nothing at all":                                   {nil, exitDone},
		"everything up to date":                            {[]core.Step{step("a", core.Keep, core.UpToDate, "")}, exitDone},
		"a new image to update to":                         {[]core.Step{step("a", core.Update, core.NewImage, "")}, exitPending},
		"a new image to tell of":                           {[]core.Step{step("a", core.Notify, core.NotifyOnly, "")}, exitPending},
		"a container that could not be checked":            {[]core.Step{step("a", core.Hold, core.NotFound, "")}, exitFailed},
		"a container that this build declines":             {[]core.Step{step("a", core.Hold, core.Unsupported, "")}, exitDone},
		"a new image beside one that could not be checked": {[]core.Step{step("a", core.Hold, core.NotFound, ""), step("b", core.Update, core.NewImage, "")}, exitPending},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := pending(core.Plan{Steps: tt.steps}); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func result(name string, o core.Outcome, code core.Code, sentence string) outcomeRow {
	return outcomeRow{from: oldDigest, Result: core.Result{
		Name: name, Outcome: o, Reason: core.Reason{Code: code, Text: sentence},
	}}
}

func TestUpdatePrintsItsResultsAndTheEvidenceOfFailures(t *testing.T) {
	t.Parallel()
	updated := result("web", core.OutcomeUpdated, core.NewImage, "nginx:1 is now 222222222222")
	updated.To = core.Image{Digest: newDigest}
	updated.Downtime = 1234567 * time.Microsecond
	updated.Pull = core.Transfer{Bytes: 40_123_456, Took: 3214 * time.Millisecond}
	updated.Notes = []string{"the old image stays: it has another tag"}
	updated.Hooks = []core.HookReport{
		{Hook: "backup", Stage: core.PreRecreate, Took: 2345 * time.Millisecond},
		{Hook: "smoke", Stage: core.PostUpdate, Took: 120 * time.Millisecond},
		{Hook: "backup", Stage: core.Finished, Took: 3 * time.Second, Fault: "no space left\non device"},
	}
	followed := result("child", core.OutcomeFollowed, core.Follows, "it was replaced together with web")
	followed.To, followed.Downtime = core.Image{Digest: oldDigest}, 2*time.Second
	later := result("night", core.OutcomeHeld, core.HookDeferred, "hook approval puts it off: not by day")
	later.RetryAt = time.Date(2030, 1, 2, 22, 0, 0, 0, time.Local)
	broken := result("worker", core.OutcomeRolledBack, core.GateFailed, "it ended with exit code 127")
	broken.To = core.Image{Digest: newDigest}
	broken.Downtime = 345678 * time.Microsecond
	broken.Evidence = &core.Evidence{
		ExitCode: new(127), OOMKilled: true, HealthOutput: "connection refused\n",
		Logs: []string{"starting", "panic: no configuration\x1b[31m"},
	}
	rows := []outcomeRow{
		updated, followed, broken, later,
		result("cache", core.OutcomeUnchanged, core.UpToDate, "it runs the newest image"),
		result("db", core.OutcomeHeld, core.Unauthorized, "registry-1.docker.io: 401 Unauthorized"),
		result("mail", core.OutcomeUnchanged, core.NotEnabled, "it has no label refit.enable=true"),
	}
	for name, named := range map[string]bool{"update.table": false, "update-named.table": true} {
		var b bytes.Buffer
		if err := writeOutcomes(&b, rows, named); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", name), b.String())
	}
}

func TestUpdateOfNothingSaysSo(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := writeOutcomes(&b, nil, false); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "no containers\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestTheWorstResultMakesTheExitCode(t *testing.T) {
	t.Parallel()
	updated := result("a", core.OutcomeUpdated, core.NewImage, "").Result
	tests := map[string]struct {
		result core.Result
		want   int
	}{
		"updated":                          {updated, exitDone},
		"unchanged":                        {result("b", core.OutcomeUnchanged, core.UpToDate, "").Result, exitDone},
		"a new image that is only told of": {result("b", core.OutcomeAvailable, core.NotifyOnly, "").Result, exitDone},
		"recovered":                        {result("b", core.OutcomeRecovered, core.Interrupted, "").Result, exitDone},
		"held because unsupported":         {result("b", core.OutcomeHeld, core.Unsupported, "").Result, exitDone},
		"held because another waits":       {result("b", core.OutcomeHeld, core.DependencyHeld, "").Result, exitDone},
		"held with another of its group":   {result("b", core.OutcomeHeld, core.MemberFailed, "").Result, exitDone},
		"followed another one":             {result("b", core.OutcomeFollowed, core.Follows, "").Result, exitDone},
		"held by a bad label":              {result("b", core.OutcomeHeld, core.BadLabel, "").Result, exitFailed},
		"held because not authorized":      {result("b", core.OutcomeHeld, core.Unauthorized, "").Result, exitFailed},
		"interrupted":                      {result("b", core.OutcomeInterrupted, core.Cancelled, "").Result, exitFailed},
		"rolled back":                      {result("b", core.OutcomeRolledBack, core.GateFailed, "").Result, exitRolledBack},
		"undone by a recovery":             {result("b", core.OutcomeRolledBack, core.Interrupted, "").Result, exitRolledBack},
		"held because a hook has vetoed":   {result("b", core.OutcomeHeld, core.HookVetoed, "").Result, exitDone},
		"held because a hook has put off":  {result("b", core.OutcomeHeld, core.HookDeferred, "").Result, exitDone},
		"held by a hook that is missing":   {result("b", core.OutcomeHeld, core.HookMissing, "").Result, exitFailed},
		"held by a hook that is unusable":  {result("b", core.OutcomeHeld, core.HookUnusable, "").Result, exitFailed},
		"held by a hook that failed":       {result("b", core.OutcomeHeld, core.HookFailed, "").Result, exitFailed},
		"held by a quarantine":             {result("b", core.OutcomeHeld, core.Quarantined, "").Result, exitDone},
		"failed":                           {result("b", core.OutcomeFailed, core.EngineFailed, "").Result, exitFailed},
		"down":                             {result("b", core.OutcomeDown, core.StartFailed, "").Result, exitDown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, order := range [][]core.Result{{updated, tt.result}, {tt.result, updated}} {
				if got := exitCode(order); got != tt.want {
					t.Errorf("exit code %d, want %d", got, tt.want)
				}
			}
		})
	}
}

func TestExplainShowsEveryPartOfThePolicyAndWhereItComesFrom(t *testing.T) {
	t.Parallel()
	c, err := configure([]string{
		"explain", "web", "--schedule", "0 0 4 * * *", "--trust-image-labels", "--hooks", "backup,smoke",
		"--backup-dir", "/backups", "--hook-config", "smoke.token=precious", "--hook-config", "backup.when=hot",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	web := container("web")
	web.ImageLabels = map[string]string{"refit.stop-signal": "QUIT"}
	web.Labels = map[string]string{
		"refit.enable": "true", "refit.stop-signal": "QUIT", "refit.hook.backup.keep": "3", "refit.hook.backup.when": "cold", "refit.stop-timeout": "90",
	}
	s := core.Step{Container: web, Action: core.Update, Reason: core.Reason{Code: core.NewImage, Text: "nginx:1 is now 222222222222"}}
	s.To = core.Image{Reference: nginx, Digest: newDigest}
	s.Members = []core.Member{
		{Container: container("child"), To: s.To},
		{Container: container("grandchild"), To: container("").Image},
		{Container: container("proxy"), To: container("").Image, Part: core.Restarts},
	}
	var ok bool
	if s.Policy, _, ok = c.settings.PolicyOf(web); !ok {
		t.Fatal("the labels do not parse")
	}
	var b bytes.Buffer
	if err := c.writeExplanation(&b, s, []string{"today 04:00 (in 2 h)", "tomorrow 04:00 (in 26 h)"}); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "explain.txt"), b.String())
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want []string
	}{
		"of the root":                   {[]string{"--help"}, []string{"Examples:", "Exit codes", "Environment:", "Commands:", "--schedule CRON", "REFIT_SCHEDULE, WATCHTOWER_SCHEDULE"}},
		"of the root, by the word":      {[]string{"help"}, []string{"Commands:"}},
		"of a command":                  {[]string{"check", "--help"}, []string{"refit check [flags] [NAME…]", "--exit-code", "--host"}},
		"of a command, by the word":     {[]string{"help", "check"}, []string{"--exit-code"}},
		"of a command, behind its name": {[]string{"explain", "-h"}, []string{"refit explain NAME"}},
		"beside arguments":              {[]string{"check", "web", "--help"}, []string{"--exit-code"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tt.args, nil, &stdout, &stderr); code != exitDone {
				t.Errorf("exit code %d, want 0; stderr: %s", code, stderr.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the help lacks %q:\n%s", want, stdout.String())
				}
			}
		})
	}
}

func TestVersionNamesTheEnginesThatItSpeaksTo(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"--version"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitDone {
			t.Errorf("exit code %d, want 0", code)
		}
		if got := stdout.String(); !strings.HasPrefix(got, "refit ") || !strings.Contains(got, "Docker API 1.") {
			t.Errorf("refit %v printed %q", args, got)
		}
	}
}
