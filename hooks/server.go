package hooks

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refit-dev/refit/hooks/proto"
)

// Plugin is a hook in the terms of go-plugin. It is for Refit and for tests; a
// hook's author calls Serve.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	server *server
}

// NewPlugin makes the plugin of a hook. The end that calls plugins has no hook: nil.
func NewPlugin(hook any) *Plugin {
	return &Plugin{server: &server{hook: hook, stages: runners(hook)}}
}

// GRPCServer registers the hook's service. It needs no broker. A value that Serve
// refuses is an error.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if err := fault(p.server.hook); err != nil {
		return err
	}
	proto.RegisterHookServer(s, p.server)
	return nil
}

// GRPCClient returns a proto.HookClient.
func (*Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return proto.NewHookClient(conn), nil
}

// server is the service of hooks/proto for one hook.
type server struct {
	proto.UnimplementedHookServer
	hook   any
	stages map[proto.Stage]runner
	// running is held for reading by every stage that runs.
	running sync.RWMutex
}

func (s *server) Describe(context.Context, *proto.DescribeRequest) (_ *proto.Description, err error) {
	defer survive(slog.New(slog.DiscardHandler), &err)
	return describe(s.hook), nil
}

func (s *server) Run(call *proto.Call, stream grpc.ServerStreamingServer[proto.Message]) error {
	s.running.RLock()
	defer s.running.RUnlock()
	run := s.stages[call.GetStage()]
	if run == nil {
		return status.Errorf(codes.Unimplemented, "this hook takes no part in %s", stageName(call.GetStage()))
	}
	ctx := stream.Context()
	v := newVoice(ctx, stream.Send)
	u := newUpdate(call, v.say)
	verdict, err := attempt(ctx, run, u)
	v.end()
	if err != nil {
		return failure(ctx, err)
	}
	reply, err := newReply(verdict, u.State)
	if err != nil {
		return failure(ctx, err)
	}
	return stream.Send(&proto.Message{Message: &proto.Message_Reply{Reply: reply}})
}

// attempt runs a stage. A panic is an error.
func attempt(ctx context.Context, run runner, u *Update) (_ Verdict, err error) {
	defer survive(u.Log(), &err)
	return run(ctx, u)
}

// survive turns a panic of the hook into an error, and logs where it happened. It
// is to be deferred.
func survive(log *slog.Logger, err *error) {
	p := recover()
	if p == nil {
		return
	}
	*err = fmt.Errorf("panic: %v", p)
	log.Error("the hook panicked", slog.Any("panic", p), slog.String("stack", whereabouts(string(debug.Stack()))))
}

// whereabouts are the first lines of a stack, from the panic on.
func whereabouts(stack string) string {
	const most = 20
	if _, after, found := strings.Cut(stack, "\npanic("); found {
		_, after, _ = strings.Cut(after, "\n") // the rest of that line,
		_, stack, _ = strings.Cut(after, "\n") // and the place of the function
	}
	lines := strings.SplitN(stack, "\n", most+1)
	return strings.Join(lines[:min(most, len(lines))], "\n")
}

// failure makes a status of a stage's error. Its code is never that of an error
// that the hook has got from somebody else: the codes are Refit's and the plugin's.
func failure(ctx context.Context, err error) error {
	code := codes.Unknown
	if ctx.Err() != nil {
		code = status.FromContextError(ctx.Err()).Code()
	}
	return status.Error(code, tidy(err.Error(), maxText))
}

func newReply(v Verdict, state []byte) (*proto.Reply, error) {
	if len(state) > MaxState {
		return nil, fmt.Errorf("the hook's state has %d bytes, and may have %d", len(state), MaxState)
	}
	r := &proto.Reply{Verdict: v.decision.proto(), Reason: tidy(v.reason, maxText), State: state}
	if v.decision != proceed && r.Reason == "" {
		r.Reason = "the hook gives no reason"
	}
	if v.decision == deferred && !v.retryAt.IsZero() {
		r.RetryAt = timestamppb.New(v.retryAt)
		if err := r.RetryAt.CheckValid(); err != nil {
			return nil, fmt.Errorf("defer until %v: no time for a calendar", v.retryAt)
		}
	}
	return r, nil
}

func (d decision) proto() proto.Reply_Verdict {
	switch d {
	case deferred:
		return proto.Reply_VERDICT_DEFER
	case vetoed:
		return proto.Reply_VERDICT_VETO
	default:
		return proto.Reply_VERDICT_PROCEED
	}
}

func newUpdate(c *proto.Call, say sayer) *Update {
	u := &Update{
		Attempt: c.GetAttempt(),
		Container: Container{
			ID:      c.GetContainer().GetId(),
			Name:    c.GetContainer().GetName(),
			Labels:  c.GetContainer().GetLabels(),
			Running: c.GetContainer().GetRunning(),
		},
		From:     newImage(c.GetFrom()),
		To:       newImage(c.GetTo()),
		Labels:   c.GetLabels(),
		Operator: c.GetOperator(),
		State:    c.GetState(),
		Stopped:  c.GetStopped(),
		Started:  c.GetStarted(),
		Outcome:  Outcome{Result: Result(c.GetOutcome()), Code: c.GetReasonCode(), Reason: c.GetReason()},
		say:      say,
	}
	if c.GetStage() == proto.Stage_STAGE_ON_ROLLBACK {
		u.Outcome.Result = RolledBack
	}
	for _, m := range c.GetContainer().GetMounts() {
		u.Container.Mounts = append(u.Container.Mounts, Mount{
			Type: m.GetType(), Name: m.GetName(), Source: m.GetSource(), Destination: m.GetDestination(), ReadOnly: m.GetReadOnly(),
		})
	}
	return u
}

func newImage(i *proto.Image) Image {
	return Image{Reference: i.GetReference(), Digest: i.GetDigest(), ID: i.GetId()}
}
