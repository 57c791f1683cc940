package main

import (
	"testing"

	"github.com/refit-dev/refit/core"
)

func TestWhetherDataMayBeSpoilt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		result core.Result
		want   bool
	}{
		"the new version ran, and the old one is back":         {core.Result{Outcome: core.OutcomeRolledBack, Ran: true, Undone: true}, true},
		"so it was, and another process has undone it":         {core.Result{Outcome: core.OutcomeRecovered, Ran: true, Undone: true}, true},
		"the new version never ran":                            {core.Result{Outcome: core.OutcomeRolledBack, Undone: true}, false},
		"an interrupted update was finished":                   {core.Result{Outcome: core.OutcomeRecovered, Ran: true}, false},
		"the old version does not start with that data":        {core.Result{Outcome: core.OutcomeDown, Ran: true, Undone: true, Open: true}, true},
		"the new version was kept, and does not start again":   {core.Result{Outcome: core.OutcomeDown, Ran: true, Open: true}, false},
		"the rollback is not complete, and will be told again": {core.Result{Outcome: core.OutcomeFailed, Ran: true, Undone: true, Open: true}, false},
		"it was updated": {core.Result{Outcome: core.OutcomeUpdated, Ran: true}, false},
	}
	for name, tt := range tests {
		if got := spoilt(tt.result); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestWhatARestoreMayComeInto(t *testing.T) {
	t.Parallel()
	cause := &core.Reason{Code: core.GateFailed}
	waiting := []core.HookState{{Name: "backup", Ended: true}, {Name: "command"}}
	tests := map[string]struct {
		attempt core.Attempt
		want    bool
	}{
		"the hooks were told, and one waits for the end": {core.Attempt{Line: core.LineRollback, Cause: cause, Hooks: waiting, Told: true}, true},
		"the hooks are still to be told":                 {core.Attempt{Line: core.LineRollback, Cause: cause, Hooks: waiting}, false},
		"there are no hooks":                             {core.Attempt{Line: core.LineRollback, Cause: cause}, true},
		"nothing is rolled back":                         {core.Attempt{Line: core.LineStart, Hooks: waiting, Told: true}, false},
	}
	for name, tt := range tests {
		if got := endured(tt.attempt); got != tt.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
