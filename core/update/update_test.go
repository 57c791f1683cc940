package update_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

var always = core.RestartPolicy{Name: "always"}

// bench is an engine with one container "web" of the image app:1, and an updater.
type bench struct {
	*testing.T
	engine  *coretest.Engine
	journal *coretest.Journal
	hooks   *coretest.Hooks // nil if there are none
	updater *update.Updater
	old     core.Status // web, before
	data    string      // the volume behind its /data
	began   time.Time
}

const reference = "app:1"

// inBubble runs the test with a good web container, in virtual time.
func inBubble(t *testing.T, test func(b *bench)) {
	t.Helper()
	inBubbleWith(t, nil, test)
}

// inBubbleWith is inBubble with labels on the container, and where refit.hooks is
// among them with hooks.
func inBubbleWith(t *testing.T, labels map[string]string, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, engine: coretest.NewEngine(), journal: &coretest.Journal{}, began: time.Now()}
		if labels["refit.hooks"] != "" {
			b.hooks = &coretest.Hooks{Engine: b.engine}
		}
		b.updater = b.newUpdater(b.engine)
		b.publish(coretest.Good)
		b.run(coretest.Spec{Name: "web", Labels: maps.Clone(labels), Settings: map[string]string{"memory": "64m"}, RestartPolicy: always})
		b.old = b.look("web")
		b.data = b.engine.Volumes(b.old.ID)["/data"]
		test(b)
	})
}

func (b *bench) newUpdater(e update.Engine) *update.Updater {
	u := &update.Updater{
		Engine: e, Registry: b.engine, Reader: b.engine, Journal: b.journal, Owner: "0123456789ab",
		Settings: core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: func(string) error { return nil }},
	}
	if b.hooks != nil {
		u.Hooks = b.hooks
	}
	return u
}

func (b *bench) publish(kind coretest.Kind) core.Image {
	return b.engine.Publish(coretest.Reference("app", "1"), coretest.Image{Kind: kind, Volumes: []string{"/data"}})
}

func (b *bench) run(s coretest.Spec) {
	b.Helper()
	if s.Reference == "" {
		s.Reference = reference
	}
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if _, there := s.Labels["refit.enable"]; !there {
		s.Labels["refit.enable"] = "true"
	}
	if _, err := b.engine.Run(s); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) look(name string) core.Status {
	b.Helper()
	s, err := b.engine.Look(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// cycle makes a plan and applies it, and returns web's result.
func (b *bench) cycle(ctx context.Context) core.Result {
	b.Helper()
	results := b.cycleAll(ctx)
	i := slices.IndexFunc(results, func(r core.Result) bool { return r.Name == "web" })
	if i < 0 {
		b.Fatalf("no result for web in %v", results)
	}
	return results[i]
}

func (b *bench) cycleAll(ctx context.Context) []core.Result {
	b.Helper()
	plan, err := b.updater.Plan(ctx, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.updater.Apply(ctx, plan)
}

// recover lets a fresh process find what the last one left.
func (b *bench) recover() []core.Result {
	b.Helper()
	b.updater = b.newUpdater(b.engine)
	results, err := b.updater.Recover(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return results
}

// wantTidy asserts that nothing of a replacement is left over.
func (b *bench) wantTidy() {
	b.Helper()
	all, err := b.engine.Containers(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range all {
		if strings.Contains(c.Name, ".refit-") {
			b.Errorf("container %s is left over", c.Name)
		}
	}
	if tags, _ := b.engine.TagsOf(b.Context(), core.KeptRepository); len(tags) > 0 {
		b.Errorf("tags are left over: %v", tags)
	}
	if open, _ := b.journal.Attempts(b.Context()); len(open) > 0 {
		b.Errorf("attempts are left over: %d, at line %s", len(open), open[0].Line)
	}
}

// wantSame asserts that web is the container that it was, running, untouched.
func (b *bench) wantSame() {
	b.Helper()
	now := b.look("web")
	if now.ID != b.old.ID || now.State != core.Running || now.RestartPolicy != b.old.RestartPolicy {
		b.Errorf("web is %s, %s, policy %v; want %s, running, %v", now.ID, now.State, now.RestartPolicy, b.old.ID, b.old.RestartPolicy)
	}
	if id, _ := b.engine.Resolve(b.Context(), reference); id != b.old.ImageID {
		b.Errorf("%s points to %s, want the old image %s", reference, id, b.old.ImageID)
	}
	b.wantTidy()
}

func want(t *testing.T, got core.Result, outcome core.Outcome, code core.Code) {
	t.Helper()
	if got.Outcome != outcome || got.Reason.Code != code {
		t.Fatalf("got %s (%s), want %s (%s)", got.Outcome, got.Reason, outcome, code)
	}
}

func TestAnUpdateKeepsNameSettingsPolicyAndData(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		volumes := b.engine.Volumes(b.old.ID)
		image := b.publish(coretest.Good)
		result := b.cycle(b.Context())
		want(b.T, result, core.OutcomeUpdated, core.NewImage)
		now := b.look("web")
		if now.ID == b.old.ID || now.ID != result.ID || now.ImageID != image.ID || now.State != core.Running || now.RestartPolicy != always {
			b.Errorf("web is %+v after %+v", now, result)
		}
		if diff := cmp.Diff(volumes, b.engine.Volumes(now.ID)); diff != "" {
			b.Errorf("volumes (-before +after):\n%s", diff)
		}
		if id, _ := b.engine.Resolve(b.Context(), reference); id != image.ID {
			b.Errorf("the tag points to %s, want %s", id, image.ID)
		}
		if b.look(b.old.ID).Exists() {
			b.Error("the old container is still there")
		}
		if result.Downtime <= 0 || result.DowntimeToHealthy < 10*time.Second {
			b.Errorf("downtime %s, to healthy %s; want more than none, and the stable time of 10s", result.Downtime, result.DowntimeToHealthy)
		}
		b.wantTidy()
		want(b.T, b.cycle(b.Context()), core.OutcomeUnchanged, core.UpToDate)
	})
}

func TestTheLinesAreRecordedInTheirOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		b.cycle(b.Context())
		order := []core.Line{core.LineRecord, core.LineCreate, core.LineStop, core.LineRename, core.LineStart, core.LineCommit}
		if diff := cmp.Diff(order, b.journal.Lines); diff != "" {
			b.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}

func TestABadImageIsRolledBackToTheSameContainer(t *testing.T) {
	t.Parallel()
	for kind, code := range map[coretest.Kind]core.Code{
		coretest.NoStart:    core.StartFailed,
		coretest.Crash:      core.GateFailed,
		coretest.CrashLater: core.GateFailed,
		coretest.OneShot:    core.GateFailed,
		coretest.Unhealthy:  core.GateFailed,
	} {
		for name, policy := range map[string]core.RestartPolicy{
			"always": always, "no": {Name: "no"}, "on-failure": {Name: "on-failure", MaximumRetryCount: 2},
		} {
			t.Run(string(kind)+" with restart policy "+name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(b *bench) {
					if err := b.engine.SetRestartPolicy(b.Context(), b.old.ID, policy); err != nil {
						b.Fatal(err)
					}
					b.old = b.look("web")
					b.publish(kind)
					result := b.cycle(b.Context())
					want(b.T, result, core.OutcomeRolledBack, code)
					if result.ID != b.old.ID || result.Downtime <= 0 {
						b.Errorf("result is of %s after %s of downtime, want %s and some", result.ID, result.Downtime, b.old.ID)
					}
					b.wantSame()
				})
			})
		}
	}
}

func TestAFailedGateBringsEvidence(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Unhealthy)
		result := b.cycle(b.Context())
		wanted := &core.Evidence{HealthOutput: "the probe says no", Logs: []string{"I am unhealthy"}}
		if diff := cmp.Diff(wanted, result.Evidence); diff != "" {
			b.Errorf("evidence (-want +got):\n%s", diff)
		}
	})
}

func TestAOneShotImagePassesWithoutStableTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.updater.Settings.Defaults.GateStable = 0
		if err := b.engine.SetRestartPolicy(b.Context(), b.old.ID, core.RestartPolicy{Name: "no"}); err != nil {
			b.Fatal(err)
		}
		b.publish(coretest.OneShot)
		want(b.T, b.cycle(b.Context()), core.OutcomeUpdated, core.NewImage)
		b.wantTidy()
	})
}

func TestAHealthyImagePassesWhenItIsHealthy(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Healthy)
		result := b.cycle(b.Context())
		want(b.T, result, core.OutcomeUpdated, core.NewImage)
		if result.DowntimeToHealthy > 2*time.Second {
			b.Errorf("it took %s to be called healthy, want no waiting for the stable time", result.DowntimeToHealthy)
		}
	})
}

func TestAReservedNameOfSomebodyElseIsNotTouched(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"web" + core.NewSuffix, "web" + core.OldSuffix} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				b.run(coretest.Spec{Name: name, Labels: map[string]string{"refit.enable": "false"}})
				stranger := b.look(name)
				want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.NameTaken)
				if diff := cmp.Diff(stranger, b.look(name)); diff != "" {
					b.Errorf("the stranger changed:\n%s", diff)
				}
				if now := b.look("web"); now.ID != b.old.ID || !now.State.Up() {
					b.Errorf("web is %+v", now)
				}
			})
		})
	}
}

// once lets something happen at the n-th call of that name, in its place.
func (b *bench) once(call string, n int, act func(do func() error) error) {
	seen := 0
	i := coretest.Intercepted{Engine: b.engine, Journal: b.journal, At: func(c string, do func() error) error {
		if c != call {
			return do()
		}
		if seen++; seen == n {
			return act(do)
		}
		return do()
	}}
	b.updater.Engine, b.updater.Journal = i, i
}

func TestWhenACallFailsThePredecessorStands(t *testing.T) {
	t.Parallel()
	broken := func(func() error) error { return errors.New("the engine says no") }
	for name, test := range map[string]struct {
		call    string
		n       int
		outcome core.Outcome
		code    core.Code
	}{
		"create":               {"create", 1, core.OutcomeHeld, core.CreateFailed},
		"compare":              {"differences", 1, core.OutcomeHeld, core.EngineFailed},
		"look for changes":     {"differences", 2, core.OutcomeHeld, core.EngineFailed},
		"stop":                 {"stop", 1, core.OutcomeRolledBack, core.StopFailed},
		"start":                {"start", 1, core.OutcomeRolledBack, core.StartFailed},
		"remove after success": {"remove", 1, core.OutcomeUpdated, core.NewImage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.publish(coretest.Good)
				b.once(test.call, test.n, broken)
				want(b.T, b.cycle(b.Context()), test.outcome, test.code)
				if test.outcome != core.OutcomeUpdated {
					b.wantSame()
					return
				}
				b.updater.Engine = b.engine
				if _, err := b.updater.Recover(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.wantTidy()
			})
		})
	}
}

func TestASettingThatWouldBeLostHoldsTheContainer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		b.updater.Engine = forgetful{b.engine}
		result := b.cycle(b.Context())
		want(b.T, result, core.OutcomeHeld, core.SettingsDiffer)
		if !strings.Contains(result.Reason.Text, "Settings.memory") {
			b.Errorf("reason %q does not name the setting", result.Reason.Text)
		}
		b.wantSame()
		if started := b.look("web").StartedAt; !started.Equal(b.old.StartedAt) {
			b.Error("web was restarted")
		}
	})
}

// forgetful is an engine that loses a setting.
type forgetful struct{ update.Engine }

func (f forgetful) Create(ctx context.Context, d core.Draft) (string, error) {
	d.From = core.Snapshot(strings.Replace(string(d.From), `"memory":"64m"`, `"other":"64m"`, 1))
	return f.Engine.Create(ctx, d)
}

func TestAChangeMeanwhileHoldsTheContainer(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		b.once("differences", 2, func(do func() error) error {
			if err := b.engine.SetRestartPolicy(b.Context(), b.old.ID, core.RestartPolicy{Name: "unless-stopped"}); err != nil {
				return err
			}
			return do()
		})
		want(b.T, b.cycle(b.Context()), core.OutcomeHeld, core.ChangedMeanwhile)
		if p := b.look("web").RestartPolicy.Name; p != "unless-stopped" {
			b.Errorf("restart policy is %q: somebody set unless-stopped, and that is to stay", p)
		}
		b.wantTidy()
	})
}
