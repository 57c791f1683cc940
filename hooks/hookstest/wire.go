package hookstest

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// hear keeps what is said before the reply.
func (a *Answer) hear(m *proto.Message) {
	switch said := m.GetMessage().(type) {
	case *proto.Message_Progress:
		p := said.Progress
		a.Progress = append(a.Progress, Progress{Text: p.GetText(), Done: p.GetDone(), Total: p.GetTotal()})
	case *proto.Message_Log:
		l := said.Log
		a.Lines = append(a.Lines, Line{Level: level(l.GetLevel()), Text: l.GetText(), Attributes: l.GetAttributes()})
	}
}

func level(l proto.Log_Level) slog.Level {
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

func verdict(r *proto.Reply) (hooks.Verdict, error) {
	switch r.GetVerdict() {
	case proto.Reply_VERDICT_PROCEED:
		return hooks.Proceed(), nil
	case proto.Reply_VERDICT_DEFER:
		var until time.Time
		if r.GetRetryAt() != nil {
			until = r.GetRetryAt().AsTime()
		}
		return hooks.Defer(until, r.GetReason()), nil
	case proto.Reply_VERDICT_VETO:
		return hooks.Veto(r.GetReason()), nil
	default:
		return hooks.Verdict{}, fmt.Errorf("a verdict that nobody knows: %v", r.GetVerdict())
	}
}

func newCall(stage Stage, u *hooks.Update) *proto.Call {
	c := &proto.Call{
		Stage:   stage.proto(),
		Attempt: u.Attempt,
		Container: &proto.Container{
			Id:      u.Container.ID,
			Name:    u.Container.Name,
			Labels:  u.Container.Labels,
			Running: u.Container.Running,
		},
		From:       newImage(u.From),
		To:         newImage(u.To),
		Labels:     u.Labels,
		Operator:   u.Operator,
		State:      u.State,
		Stopped:    u.Stopped,
		Started:    u.Started,
		Outcome:    string(u.Outcome.Result),
		ReasonCode: u.Outcome.Code,
		Reason:     u.Outcome.Reason,
	}
	for _, m := range u.Container.Mounts {
		c.Container.Mounts = append(c.Container.Mounts, &proto.Mount{
			Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Destination, ReadOnly: m.ReadOnly,
		})
	}
	return c
}

func newImage(i hooks.Image) *proto.Image {
	return &proto.Image{Reference: i.Reference, Digest: i.Digest, Id: i.ID}
}
