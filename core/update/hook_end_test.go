package update_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

func TestBeingAskedToEndCallsHooksOffAndGoesOnLater(t *testing.T) {
	t.Parallel()
	for stage, want := range map[core.Stage]core.Outcome{
		core.PreUpdate: core.OutcomeHeld, core.PreRecreate: core.OutcomeRolledBack, core.PostUpdate: core.OutcomeInterrupted,
	} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			inBubbleWith(t, withHooks, func(b *bench) {
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				b.hooks.Answer = func(c core.HookCall) (core.HookReply, error, bool) {
					if c.Stage == stage {
						cancel()
						return core.HookReply{}, ctx.Err(), true
					}
					return core.HookReply{}, nil, false
				}
				b.publish(coretest.Good)
				if r := b.cycle(ctx); r.Outcome != want {
					b.Errorf("got %s, %v", r.Outcome, r.Reason)
				}
				b.hooks.Answer = nil
				results := b.recover()
				b.wantTidy()
				if want != core.OutcomeInterrupted {
					b.wantSame()
				} else if len(results) != 1 || results[0].Outcome != core.OutcomeRecovered || b.look("web").ID == b.old.ID {
					b.Errorf("recovery: %v", results)
				}
				for _, wrong := range coretest.Unended(b.hooks.Calls(), false) {
					b.Error(wrong)
				}
			})
		})
	}
}

// during does something when a hook is called at a stage for the first time.
func (b *bench) during(hook string, stage core.Stage, do func(c core.HookCall) error) {
	done := false
	b.hooks.Answer = func(c core.HookCall) (core.HookReply, error, bool) {
		if done || c.Hook != hook || c.Stage != stage {
			return core.HookReply{}, nil, false
		}
		done = true
		err := do(c)
		return core.HookReply{}, err, err != nil
	}
}

func (b *bench) start(name string) {
	b.Helper()
	if err := b.engine.Start(b.Context(), b.look(name).ID); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) wantData(id, want string) {
	b.Helper()
	if got := b.engine.Contents(id)["/data"]; got != want {
		b.Errorf("the data is from %q, want %q", got, want)
	}
}

func TestAContainerThatIsStartedDuringTheBackupIsLeftAlone(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Good)
		b.during("keep", core.PreRecreate, func(core.HookCall) error {
			b.start("web")
			return nil
		})
		r := b.cycle(b.Context())
		if r.Outcome != core.OutcomeRolledBack || r.Reason.Code != core.ChangedMeanwhile || r.Ran {
			b.Errorf("got %s, %v, ran %t", r.Outcome, r.Reason, r.Ran)
		}
		b.wantSame()
		b.wantTidy()
		b.wantData(b.old.ID, b.old.ImageID)
	})
}

func TestARestoreThatIsCutIsTriedAgain(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Crash)
		b.during("keep", core.OnRollback, func(core.HookCall) error { return errors.New("the engine hung up") })
		r := b.cycle(b.Context())
		if r.Outcome != core.OutcomeRolledBack || len(r.Notes) > 0 {
			b.Errorf("got %s, %v, notes %q", r.Outcome, r.Reason, r.Notes)
		}
		b.wantSame()
		b.wantTidy()
		b.wantData(b.old.ID, b.old.ImageID)
	})
}

func TestWhatWasWrittenSinceIsNotUndone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind  coretest.Kind
		die   string // the process dies before that call
		meant func(b *bench)
		why   string
	}{
		"the old container was started by hand, and stopped": {coretest.Crash, "hook keep on-rollback", func(b *bench) {
			b.start("web.refit-old")
			b.engine.Halt("web.refit-old")
		}, "the old container was started meanwhile"},
		"the old container runs": {coretest.Crash, "hook keep on-rollback", func(b *bench) {
			b.start("web.refit-old")
		}, "web.refit-old runs"},
		"the new one served for a day, and does not pass": {coretest.Good, "hook test post-update", func(b *bench) {
			time.Sleep(24 * time.Hour)
			b.hooks.Rejects = true
		}, "the new container has served for long"},
		"the new one was committed, and removed": {coretest.Good, "remove", func(b *bench) {
			time.Sleep(24 * time.Hour)
			b.engine.Delete("web")
		}, "the new container has served for long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbleWith(t, withHooks, func(b *bench) {
				b.publish(tt.kind)
				b.intercept(dieAt(tt.die))
				b.cycle(b.Context())
				tt.meant(b)
				results := b.recover()
				if len(results) != 1 || !strings.Contains(strings.Join(results[0].Notes, " "), tt.why) {
					b.Errorf("got %+v", results)
				}
				b.wantTidy()
				if data := b.engine.Contents(b.look("web").ID)["/data"]; data == b.old.ImageID {
					b.Error("the data was restored")
				}
			})
		})
	}
}

func TestASecondHookIsToldIfSomethingRunsMeanwhile(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, map[string]string{"refit.hooks": "keep,keep2"}, func(b *bench) {
		b.publish(coretest.Crash)
		b.during("keep2", core.OnRollback, func(core.HookCall) error {
			b.start("web.refit-old")
			return nil
		})
		b.cycle(b.Context())
		for _, c := range b.hooks.Calls() {
			if c.Stage == core.OnRollback && c.Stopped != (c.Hook == "keep2") {
				b.Errorf("hook %s was told stopped=%t", c.Hook, c.Stopped)
			}
		}
		for _, wrong := range b.hooks.Wrong() {
			b.Error(wrong)
		}
	})
}

func TestAHookThatWasNeverCalledIsOwedNoEnd(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Good)
		saves := 0
		b.intercept(func(call string, do func() error) error {
			if call == "save" {
				if saves++; saves == 3 { // record, create, pre-update
					return errors.New("the disk is full")
				}
			}
			return do()
		})
		if r := b.cycle(b.Context()); r.Reason.Code != core.LedgerFailed {
			b.Errorf("got %s, %v", r.Outcome, r.Reason)
		}
		b.wantCalls()
		b.wantSame()
	})
}

// unwilling has hooks that cannot be described once ctx has ended.
type unwilling struct {
	update.Hooks
	cancel context.CancelFunc
}

func (u unwilling) Describe(_ context.Context, names []string) map[string]core.HookAnswer {
	u.cancel()
	answers := map[string]core.HookAnswer{}
	for _, name := range names {
		answers[name] = core.HookAnswer{Fault: core.Reason{Code: core.HookUnusable, Text: "given up"}}
	}
	return answers
}

func TestARecoveryThatIsAskedToEndLeavesThePostUpdateForLater(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Good)
		b.intercept(dieAt("hook test post-update"))
		b.cycle(b.Context())
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		b.updater = b.newUpdater(b.engine)
		b.updater.Hooks = unwilling{b.hooks, cancel}
		results, _ := b.updater.Recover(ctx)
		if len(results) != 1 || results[0].Outcome != core.OutcomeInterrupted {
			b.Errorf("got %+v", results)
		}
		b.recover()
		if diff := cmp.Diff(core.Running, b.look("web").State); diff != "" || b.look("web").ID == b.old.ID {
			b.Errorf("web is %s (%s)", b.look("web").State, b.look("web").ID)
		}
	})
}
