// Package hookstest helps the authors of hooks to test them. A hook is served in the
// test's own process, over the same connection as a plugin's: Run checks what every
// hook must keep to, and New is for tests of what yours does.
//
// It starts no process and knows no Docker; docs/hooks.md shows how a hook is tried
// with a real container.
package hookstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// Stage is a moment of a replacement, under the name that Refit's log gives it.
type Stage string

// The stages, in their order.
const (
	PreUpdate   Stage = "pre-update"
	PreRecreate Stage = "pre-recreate"
	PostUpdate  Stage = "post-update"
	OnRollback  Stage = "on-rollback"
	Finished    Stage = "finished"
)

func (s Stage) proto() proto.Stage {
	return proto.Stage(proto.Stage_value["STAGE_"+strings.ToUpper(strings.ReplaceAll(string(s), "-", "_"))])
}

// Answer is all that a hook said in one stage.
type Answer struct {
	Verdict  hooks.Verdict
	Lines    []Line
	Progress []Progress // of reports in quick succession, only some arrive, and the last
}

// Line is what the hook gave to Update.Log.
type Line struct {
	Level      slog.Level
	Text       string
	Attributes map[string]string
}

// Progress is what the hook gave to Update.Progress.
type Progress struct {
	Text        string
	Done, Total int64
}

// Client calls the stages of a hook, as Refit does. Its methods may be called at the
// same time.
type Client struct {
	t    testing.TB
	hook proto.HookClient

	last  atomic.Int64
	calls sync.Map // id → *call
}

// call is one stage that runs.
type call struct {
	begin        func()
	began, ended chan struct{}
}

// idKey carries a call's id to the end that serves it.
const idKey = "hookstest-call"

// New serves the hook until the test's end. A value that hooks.Serve would refuse
// fails the test at once.
func New(t testing.TB, hook any) *Client {
	t.Helper()
	c := &Client{t: t}
	server := grpc.NewServer(grpc.StreamInterceptor(c.watch))
	if err := hooks.NewPlugin(hook).GRPCServer(nil, server); err != nil {
		t.Fatalf("serve the hook: %v", err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
	c.hook = proto.NewHookClient(conn)
	return c
}

// Call runs one stage with a copy of u, over the connection. Afterwards u.State is
// what the hook has set, so that the same u may go through the next stage.
//
// The error is the stage's; what it said before is in the answer. When ctx ends, Call
// waits for the stage to end, too, and fails the test if it does not do so soon. A
// stage that the hook does not have is an error of the gRPC code Unimplemented.
func (c *Client) Call(ctx context.Context, stage Stage, u *hooks.Update) (Answer, error) {
	c.t.Helper()
	return c.call(ctx, stage, u, func() {})
}

// patience is how long a stage may go on after its context has ended.
const patience = 5 * time.Second

// call is Call. It calls begin when the stage begins.
func (c *Client) call(ctx context.Context, stage Stage, u *hooks.Update, begin func()) (Answer, error) {
	c.t.Helper()
	id := strconv.FormatInt(c.last.Add(1), 10)
	running := &call{begin: begin, began: make(chan struct{}), ended: make(chan struct{})}
	c.calls.Store(id, running)
	defer c.calls.Delete(id)

	answer, state, err := c.run(metadata.AppendToOutgoingContext(ctx, idKey, id), newCall(stage, u))
	if err == nil {
		u.State = state
	}
	if ctx.Err() != nil && !running.ends() {
		c.t.Errorf("%s goes on for more than %v after its context has ended", stage, patience)
	}
	if s, ok := status.FromError(err); ok && s.Code() == codes.Unknown {
		err = errors.New(s.Message())
	}
	return answer, err
}

// ends waits for the end of a stage, if it has begun, and tells whether it came.
func (r *call) ends() bool {
	select {
	case <-r.began:
	default:
		return true
	}
	select {
	case <-r.ended:
		return true
	case <-time.After(patience):
		return false
	}
}

// watch notes when a stage begins and ends where it is served.
func (c *Client) watch(hook any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, serve grpc.StreamHandler) error {
	for _, id := range metadata.ValueFromIncomingContext(stream.Context(), idKey) {
		if value, there := c.calls.Load(id); there {
			running := value.(*call)
			defer close(running.ended)
			stream = opening{stream, sync.OnceFunc(func() {
				close(running.began)
				running.begin()
			})}
		}
	}
	return serve(hook, stream)
}

// opening is a stream whose stage begins with the first message: one that is cancelled
// before that never runs.
type opening struct {
	grpc.ServerStream
	begin func()
}

// RecvMsg is the stream's.
func (o opening) RecvMsg(m any) error {
	err := o.ServerStream.RecvMsg(m)
	if err == nil {
		o.begin()
	}
	return err
}

// run reads the stream to its end and holds it to the protocol.
func (c *Client) run(ctx context.Context, in *proto.Call) (a Answer, state []byte, err error) {
	stream, err := c.hook.Run(ctx, in)
	if err != nil {
		return a, nil, err
	}
	var reply *proto.Reply
	for {
		m, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && reply == nil:
			return a, nil, errors.New("the stage ended without a reply")
		case errors.Is(err, io.EOF):
			a.Verdict, err = verdict(reply)
			return a, reply.GetState(), err
		case err != nil:
			return a, nil, err
		case reply != nil:
			return a, nil, fmt.Errorf("a message after the reply: %v", m)
		}
		reply = m.GetReply()
		a.hear(m)
	}
}
