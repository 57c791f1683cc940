package notify

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/refit-dev/refit/core"
)

// What a notice keeps at most of what others wrote: it waits in the ledger, maybe
// for days, and is then read on a phone. Lengths are in characters.
const (
	mostText   = 1000
	mostOutput = 2000
	mostLine   = 300
	mostLines  = 20
)

// noticesOf makes of a result what there is to tell.
func noticesOf(r core.Result) []core.Notice {
	n := core.Notice{
		At: r.Started.Add(r.Took), Container: r.Name, Channels: r.Notify,
		From: r.From, To: r.To, FromVersion: r.FromVersion, ToVersion: r.ToVersion,
		Reason: core.Reason{Code: r.Reason.Code, Text: cut(r.Reason.Text, mostText)}, RetryAt: r.RetryAt,
		Pull: r.Pull, Downtime: r.Downtime, Evidence: lastOf(r.Evidence), Hooks: shortened(r.Hooks), Notes: cutAll(r.Notes, mostText),
	}
	if r.Started.IsZero() {
		n.At = time.Now()
	}
	n.Kind = kindOf(r)
	var all []core.Notice
	if n.Kind != "" {
		all = append(all, n)
	}
	if failed := needless(r); len(failed) > 0 {
		n.Kind, n.Hooks, n.Notes, n.RetryAt = core.NoticeHookFailed, shortened(failed), nil, time.Time{}
		n.Reason = core.Reason{Code: core.HookFailed, Text: faultText(n.Hooks[0])}
		all = append(all, n)
	}
	return all
}

// kindOf is what a result is told as, "" if it is not told.
func kindOf(r core.Result) core.NoticeKind {
	switch r.Outcome {
	case core.OutcomeAvailable:
		return core.NoticeAvailable
	case core.OutcomeUpdated:
		return core.NoticeUpdated
	case core.OutcomeFollowed:
		return core.NoticeFollowed
	case core.OutcomeRolledBack:
		return core.NoticeRolledBack
	case core.OutcomeFailed:
		return core.NoticeFailed
	case core.OutcomeDown:
		return core.NoticeDown
	case core.OutcomeRecovered:
		if r.Open { // it is told when it is over
			return ""
		}
		return core.NoticeRecovered
	case core.OutcomeHeld:
		if r.Reason.Code == core.HookDeferred {
			return core.NoticeDeferred
		}
		return core.NoticeHeld
	case core.OutcomeUnchanged, core.OutcomeInterrupted:
	}
	return ""
}

// needless returns the calls of hooks that failed although all went well, or that
// failed at an end which nothing depends on. What failed in a rollback is in its
// evidence.
func needless(r core.Result) []core.HookReport {
	var failed []core.HookReport
	for _, h := range r.Hooks {
		well := r.Outcome == core.OutcomeUpdated || r.Outcome == core.OutcomeFollowed || r.Outcome == core.OutcomeRecovered
		if h.Fault != "" && (well || r.Outcome == core.OutcomeHeld && h.Stage == core.Finished) {
			failed = append(failed, h)
		}
	}
	return failed
}

func faultText(h core.HookReport) string {
	return fmt.Sprintf("hook %s failed at %s: %s", h.Hook, h.Stage, h.Fault)
}

func lastOf(e *core.Evidence) *core.Evidence {
	if e == nil {
		return nil
	}
	return &core.Evidence{
		ExitCode: e.ExitCode, OOMKilled: e.OOMKilled, HealthOutput: cut(e.HealthOutput, mostOutput),
		Logs: cutAll(e.Logs[max(0, len(e.Logs)-mostLines):], mostLine),
	}
}

func shortened(hooks []core.HookReport) []core.HookReport {
	var all []core.HookReport
	for _, h := range hooks {
		h.Fault = cut(h.Fault, mostText)
		all = append(all, h)
	}
	return all
}

// cut shortens a text to that many characters.
func cut(text string, most int) string {
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	n := 0
	for i := range text {
		if n++; n == most {
			return text[:i] + "…"
		}
	}
	return text
}

func cutAll(texts []string, most int) []string {
	var all []string
	for _, t := range texts {
		all = append(all, cut(t, most))
	}
	return all
}
