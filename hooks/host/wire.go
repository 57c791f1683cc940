package host

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// soonest is the least time after which a hook is asked again.
const soonest = time.Minute

// newCall is what a hook is told. Operator are the operator's settings for it.
func newCall(c core.HookCall, operator map[string]string) *proto.Call {
	call := &proto.Call{
		Stage:   wireStage(c.Stage),
		Attempt: c.Attempt,
		Container: &proto.Container{
			Id: c.ID, Name: c.Name, Labels: c.Labels, Running: c.Running,
		},
		From:       newImage(c.From),
		To:         newImage(c.To),
		Labels:     c.Settings,
		Operator:   operator,
		State:      c.State,
		Stopped:    c.Stopped,
		Started:    c.Started,
		Outcome:    wireOutcome(c.Outcome),
		ReasonCode: string(c.Reason.Code),
		Reason:     c.Reason.Text,
	}
	for _, m := range c.Mounts {
		call.Container.Mounts = append(call.Container.Mounts, &proto.Mount{
			Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Destination, ReadOnly: m.ReadOnly,
		})
	}
	return call
}

// wireOutcome is the outcome in a hook's words: to the hook of a container that has
// followed another one, its new container stands.
func wireOutcome(o core.Outcome) string {
	if o == core.OutcomeFollowed {
		return string(hooks.Updated)
	}
	return string(o)
}

// newReply is what the hook has answered. The verdict counts before the update only.
func newReply(s core.Stage, r *proto.Reply) (core.HookReply, error) {
	if len(r.GetState()) > hooks.MaxState {
		return core.HookReply{}, fmt.Errorf("the plugin's state has %d bytes, and may have %d", len(r.GetState()), hooks.MaxState)
	}
	reply := core.HookReply{State: r.GetState()}
	if s != core.PreUpdate {
		return reply, nil
	}
	reply.Reason = tidy(r.GetReason(), maxText)
	switch r.GetVerdict() {
	case proto.Reply_VERDICT_PROCEED:
		return reply, nil
	case proto.Reply_VERDICT_VETO:
		reply.Verdict = core.Veto
	case proto.Reply_VERDICT_DEFER:
		reply.Verdict = core.Defer
	default:
		return core.HookReply{}, fmt.Errorf("the plugin's verdict is %d, which this Refit does not know", r.GetVerdict())
	}
	if reply.Reason == "" {
		reply.Reason = "the hook gives no reason"
	}
	if at := r.GetRetryAt(); at != nil && reply.Verdict == core.Defer {
		if at.CheckValid() != nil {
			return core.HookReply{}, errors.New("the plugin defers until a time that there is not")
		}
		reply.RetryAt = at.AsTime()
		if least := time.Now().Add(soonest); reply.RetryAt.Before(least) {
			reply.RetryAt = least
		}
	}
	return reply, nil
}

func newLevel(l proto.Log_Level) slog.Level {
	switch l {
	case proto.Log_LEVEL_DEBUG:
		return slog.LevelDebug
	case proto.Log_LEVEL_WARN:
		return slog.LevelWarn
	case proto.Log_LEVEL_ERROR:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// newFields are the values beside a log line, sorted by their names.
func newFields(attributes map[string]string) []slog.Attr {
	var fields []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		if len(fields) == maxFields {
			break
		}
		fields = append(fields, slog.String(tidy(key, maxText), tidy(attributes[key], maxText)))
	}
	return fields
}

func newImage(i core.Image) *proto.Image {
	return &proto.Image{Reference: i.Reference.Text, Digest: i.Digest, Id: i.ID}
}
