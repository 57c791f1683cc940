package update_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

var withHooks = map[string]string{"refit.hooks": "keep,test"}

// called are the calls of hooks so far: "keep pre-update".
func (b *bench) called() []string {
	var calls []string
	for _, c := range b.hooks.Calls() {
		calls = append(calls, c.Hook+" "+string(c.Stage))
	}
	return calls
}

func (b *bench) wantCalls(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.called()); diff != "" {
		b.Errorf("calls of hooks (-want +got):\n%s", diff)
	}
	for _, wrong := range b.hooks.Wrong() {
		b.Error(wrong)
	}
	for _, wrong := range coretest.Unended(b.hooks.Calls(), false) {
		b.Error(wrong)
	}
}

// answer lets the hooks answer so at one stage.
func (b *bench) answer(hook string, stage core.Stage, reply core.HookReply, err error) {
	b.hooks.Answer = func(c core.HookCall) (core.HookReply, error, bool) {
		return reply, err, c.Hook == hook && c.Stage == stage
	}
}

func TestHooksAreCalledAsListedBeforeAndInReverseAfter(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Good)
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeUpdated {
			b.Errorf("got %s, %v", r.Outcome, r.Reason)
		}
		b.wantCalls("keep pre-update", "test pre-update", "keep pre-recreate", "test post-update", "test finished", "keep finished")
		calls := b.hooks.Calls()
		if got, want := calls[3].ID, b.look("web").ID; got != want {
			b.Errorf("post-update is about %s, want the new container %s", got, want)
		}
		if last := calls[len(calls)-1]; last.Outcome != core.OutcomeUpdated || last.Attempt != calls[0].Attempt || len(last.State) == 0 {
			b.Errorf("the last call has outcome %q, attempt %s of %s, %d bytes of state", last.Outcome, last.Attempt, calls[0].Attempt, len(last.State))
		}
		b.wantTidy()
	})
}

func TestARollbackGivesDataBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kind    coretest.Kind
		rejects bool
		code    core.Code
		calls   []string
	}{
		"an image that crashes": {
			coretest.Crash, false, core.GateFailed,
			[]string{"keep pre-update", "test pre-update", "keep pre-recreate", "keep on-rollback", "test finished"},
		},
		"an image that a hook rejects": {
			coretest.Good, true, core.PostUpdateFailed,
			[]string{"keep pre-update", "test pre-update", "keep pre-recreate", "test post-update", "keep on-rollback", "test finished"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbleWith(t, withHooks, func(b *bench) {
				b.hooks.Rejects = tt.rejects
				before := b.engine.Contents(b.old.ID)
				b.publish(tt.kind)
				r := b.cycle(b.Context())
				if r.Outcome != core.OutcomeRolledBack || r.Reason.Code != tt.code {
					b.Errorf("got %s, %v", r.Outcome, r.Reason)
				}
				b.wantSame()
				b.wantTidy()
				b.wantCalls(tt.calls...)
				if diff := cmp.Diff(before, b.engine.Contents(b.old.ID)); diff != "" {
					b.Errorf("the data (-before +after):\n%s", diff)
				}
				if again := b.cycle(b.Context()); again.Reason.Code != core.Quarantined {
					b.Errorf("the next cycle says %v", again.Reason)
				}
			})
		})
	}
}

func TestAHookThatSaysNo(t *testing.T) {
	t.Parallel()
	later := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		hook  string
		stage core.Stage
		reply core.HookReply
		err   error

		outcome core.Outcome
		code    core.Code
		next    core.Code // of the next cycle
		calls   []string  // of the first one
	}{
		"a veto of the second": {
			hook: "test", stage: core.PreUpdate, reply: core.HookReply{Verdict: core.Veto, Reason: "not on a Sunday"},
			outcome: core.OutcomeHeld, code: core.HookVetoed, next: core.HookVetoed,
			calls: []string{"keep pre-update", "test pre-update", "test finished", "keep finished"},
		},
		"a deferral of the first": {
			hook: "keep", stage: core.PreUpdate, reply: core.HookReply{Verdict: core.Defer, Reason: "busy", RetryAt: later},
			outcome: core.OutcomeHeld, code: core.HookDeferred, next: core.HookDeferred,
			calls: []string{"keep pre-update", "keep finished"},
		},
		"an error before the stop": {
			hook: "keep", stage: core.PreUpdate, err: errors.New("the disk is full"),
			outcome: core.OutcomeHeld, code: core.HookFailed, next: core.BackingOff,
			calls: []string{"keep pre-update", "keep finished"},
		},
		"an error after the stop": {
			hook: "keep", stage: core.PreRecreate, err: errors.New("the disk is full"),
			outcome: core.OutcomeRolledBack, code: core.HookFailed, next: core.BackingOff,
			calls: []string{"keep pre-update", "test pre-update", "keep pre-recreate", "keep on-rollback", "test finished"},
		},
		"a verdict where none counts": {
			hook: "keep", stage: core.PreRecreate, reply: core.HookReply{Verdict: core.Veto},
			outcome: core.OutcomeUpdated, code: core.NewImage, next: core.UpToDate,
			calls: []string{"keep pre-update", "test pre-update", "keep pre-recreate", "test post-update", "test finished", "keep finished"},
		},
		"an error in the end": {
			hook: "keep", stage: core.Finished, err: errors.New("nobody listens"),
			outcome: core.OutcomeUpdated, code: core.NewImage, next: core.UpToDate,
			calls: []string{"keep pre-update", "test pre-update", "keep pre-recreate", "test post-update", "test finished", "keep finished"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbleWith(t, withHooks, func(b *bench) {
				b.answer(tt.hook, tt.stage, tt.reply, tt.err)
				b.publish(coretest.Good)
				r := b.cycle(b.Context())
				if r.Outcome != tt.outcome || r.Reason.Code != tt.code {
					b.Errorf("got %s, %v", r.Outcome, r.Reason)
				}
				if !r.RetryAt.Equal(tt.reply.RetryAt) {
					b.Errorf("retry at %v, want %v", r.RetryAt, tt.reply.RetryAt)
				}
				if told := strings.Join(r.Notes, " ") + r.Reason.Text; tt.err != nil && !strings.Contains(told, tt.err.Error()) {
					b.Errorf("nobody is told of the error: %q", told)
				}
				b.wantCalls(tt.calls...)
				b.wantTidy()
				if r.Outcome != core.OutcomeUpdated {
					b.wantSame()
				}
				if next := b.cycle(b.Context()); next.Reason.Code != tt.next {
					b.Errorf("the next cycle says %v, want %s", next.Reason, tt.next)
				}
			})
		})
	}
}

func TestAHookThatFailsOnRollbackDoesNotKeepTheContainerDown(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.answer("keep", core.OnRollback, core.HookReply{}, errors.New("the archive is damaged"))
		b.publish(coretest.Crash)
		r := b.cycle(b.Context())
		if r.Outcome != core.OutcomeRolledBack || !slices.Contains(r.Notes, "hook keep, on-rollback: the archive is damaged") {
			b.Errorf("got %s, %v, notes %q", r.Outcome, r.Reason, r.Notes)
		}
		b.wantSame()
		b.wantTidy()
		want := []string{"keep pre-update", "test pre-update", "keep pre-recreate", "keep on-rollback", "keep on-rollback", "keep on-rollback", "test finished"}
		if diff := cmp.Diff(want, b.called()); diff != "" {
			b.Errorf("calls of hooks (-want +got):\n%s", diff)
		}
	})
}

func TestAVetoHoldsThisContainerAndThisDigestOnly(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.run(coretest.Spec{Name: "plain", RestartPolicy: always})
		b.answer("keep", core.PreUpdate, core.HookReply{Verdict: core.Veto, Reason: "no"}, nil)
		b.publish(coretest.Good)
		for _, r := range b.cycleAll(b.Context()) {
			if r.Name == "plain" && r.Outcome != core.OutcomeUpdated {
				b.Errorf("plain: %s, %v", r.Outcome, r.Reason)
			}
		}
		b.hooks.Answer = nil
		time.Sleep(60 * 24 * time.Hour) // a veto is no back-off
		if r := b.cycle(b.Context()); r.Reason.Code != core.HookVetoed {
			b.Errorf("the vetoed digest: %v", r.Reason)
		}
		b.publish(coretest.Good)
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeUpdated {
			b.Errorf("another digest: %s, %v", r.Outcome, r.Reason)
		}
	})
}

func TestForceAsksAHookAgain(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.answer("keep", core.PreUpdate, core.HookReply{Verdict: core.Veto, Reason: "no"}, nil)
		b.publish(coretest.Good)
		b.cycle(b.Context())
		b.hooks.Answer = nil
		b.updater.Force = true
		if r := b.cycle(b.Context()); r.Outcome != core.OutcomeUpdated {
			b.Errorf("got %s, %v", r.Outcome, r.Reason)
		}
	})
}

func TestHooksThatCannotBeUsedHoldTheContainer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		labels map[string]string
		want   string
	}{
		"one that is not installed":    {map[string]string{"refit.hooks": "kept"}, "hook-missing: hook kept is not installed"},
		"a key that it does not know":  {map[string]string{"refit.hooks": "keep", "refit.hook.keep.path": "/"}, "bad-label: refit.hook.keep.path is not a setting of that hook: did you mean paths?"},
		"a key that is the operator's": {map[string]string{"refit.hooks": "keep", "refit.hook.keep.dir": "/"}, "bad-label: refit.hook.keep.dir may not be set by a label: the operator sets it with --hook-config"},
		"a setting of no hook":         {map[string]string{"refit.hooks": "keep", "refit.hook.kep.paths": "/"}, "bad-label: refit.hook.kep.paths is set, and refit.hooks does not name kep: did you mean keep?"},
		"one that is named twice":      {map[string]string{"refit.hooks": "keep,keep"}, "bad-label: refit.hooks names keep twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubbleWith(t, tt.labels, func(b *bench) {
				b.publish(coretest.Good)
				r := b.cycle(b.Context())
				if r.Outcome != core.OutcomeHeld || r.Reason.String() != tt.want {
					b.Errorf("got %s, %v; want %s", r.Outcome, r.Reason, tt.want)
				}
				b.wantCalls()
				b.wantSame()
			})
		})
	}
}

func TestALostLedgerIsToldWhereHooksWere(t *testing.T) {
	t.Parallel()
	inBubbleWith(t, withHooks, func(b *bench) {
		b.publish(coretest.Crash)
		b.intercept(dieAt("hook keep pre-recreate"))
		b.cycle(b.Context())
		b.journal = &coretest.Journal{}
		results := b.recover()
		if len(results) != 1 || !strings.Contains(strings.Join(results[0].Notes, " "), "nothing was restored") {
			b.Errorf("got %+v", results)
		}
		b.wantSame()
		b.wantTidy()
	})
}

// dieAt lets the process die before the call of that name.
func dieAt(name string) func(string, func() error) error {
	dead := false
	return func(call string, do func() error) error {
		if dead = dead || call == name; dead {
			return errors.New("the process is dead")
		}
		return do()
	}
}
