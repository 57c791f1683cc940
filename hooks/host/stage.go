package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/proto"
)

// interval is the least time between two lines of progress.
const interval = 10 * time.Second

// stage is one call of one hook.
type stage struct {
	host    *Host
	process *process
	call    core.HookCall
	log     *slog.Logger
	tap     tap

	progress *proto.Progress // the latest, if it was not logged
	logged   time.Time       // when progress was logged
	reply    *proto.Reply
	// wrong is the first thing that the plugin did against the rules.
	wrong error
}

// Call runs a stage of a hook. It ends after Timeout, after Stall without a word
// from the plugin, and when ctx ends; OnRollback has no Timeout. A plugin whose
// stage does not end is told to end as a whole, and is killed after 2 seconds, or 30
// where one of its stages is OnRollback, with all that it has started; the
// stages of other containers that are in flight then begin again, in a new process,
// as a stage may: nobody's restore is lost because somebody else's test hangs. One
// that is not dead 30 seconds after that, because it hangs in the kernel, is left
// behind, and the error says so.
//
// Of the settings from labels the hook is told those that it lets labels set.
func (h *Host) Call(ctx context.Context, c core.HookCall) (reply core.HookReply, err error) {
	const times = 3
	for range times {
		reply, err = h.callOnce(ctx, c)
		var b bystander
		if !errors.As(err, &b) || ctx.Err() != nil {
			break
		}
		h.log().LogAttrs(ctx, slog.LevelWarn, "beginning the stage again",
			append(about(&c), slog.String("hook", c.Hook), slog.String("because", string(b)))...)
	}
	return reply, err
}

// bystander is why a stage was cut that had nothing to do with it.
type bystander string

func (b bystander) Error() string { return string(b) }

func (h *Host) callOnce(ctx context.Context, c core.HookCall) (core.HookReply, error) {
	p, leave, err := h.process(ctx, c)
	if err != nil {
		return core.HookReply{}, err
	}
	defer leave()
	s := &stage{host: h, process: p, call: c, log: p.log}
	for _, a := range about(&c) {
		s.log = s.log.With(a)
	}
	s.call.Settings = p.description.permitted(c.Settings, s.log)
	if err := s.run(ctx); err != nil {
		return core.HookReply{}, err
	}
	return newReply(c.Stage, s.reply)
}

// late is why a stage is given up.
type late string

func (l late) Error() string { return string(l) }

// run runs the stage. When it returns the stage has ended, or its process has.
func (s *stage) run(caller context.Context) error {
	defer s.flush()
	total, stall := s.host.timeout(), s.host.stall()
	// The caller's deadline is not for the plugin: its end of the connection would keep
	// it, too, and perhaps sooner.
	ctx, giveUp := context.WithCancelCause(context.WithoutCancel(caller))
	defer giveUp(nil)
	stop := context.AfterFunc(caller, func() { giveUp(context.Cause(caller)) })
	defer stop()
	if s.call.Stage != core.OnRollback { // A restore may take as long as it takes.
		whole := time.AfterFunc(total, func() { giveUp(late(fmt.Sprintf("took longer than %v", total))) })
		defer whole.Stop()
	}
	silence := time.AfterFunc(stall, func() { giveUp(late(fmt.Sprintf("said nothing for %v", stall))) })
	defer silence.Stop()
	stream, err := s.process.service().Run(ctx, newCall(s.call, s.host.Config[s.call.Hook]))
	if err == nil {
		err = s.listen(stream, func() { silence.Reset(stall) })
	}
	switch {
	case err == nil:
		return s.wrong
	case ctx.Err() != nil:
		return s.abandon(caller, ctx)
	default:
		return s.failure(err)
	}
}

// listen takes the messages until the stage has ended.
func (s *stage) listen(stream grpc.ServerStreamingClient[proto.Message], alive func()) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		alive()
		s.take(m)
	}
	if s.reply == nil {
		s.object("ended without a reply")
	}
	return nil
}

// take takes a message.
func (s *stage) take(m *proto.Message) {
	if s.reply != nil {
		s.object("went on after its reply")
		return
	}
	switch m := m.GetMessage().(type) {
	case *proto.Message_Progress:
		s.hearProgress(m.Progress)
	case *proto.Message_Log:
		s.hearLog(m.Log)
	case *proto.Message_Reply:
		s.reply = m.Reply
	}
}

// object remembers what the plugin did against the rules, if it is the first.
func (s *stage) object(text string) {
	if s.wrong == nil {
		s.wrong = errors.New("the plugin " + text)
	}
}

// abandon ends the process of a stage that was given up. Only then it is certain
// that nothing of the stage goes on: a stream that was cut says nothing of it.
func (s *stage) abandon(caller, ctx context.Context) error {
	cause := context.Cause(ctx)
	var l late
	if !errors.As(cause, &l) {
		if how := s.process.end(fmt.Sprintf("%s of %s was given up", s.call.Stage, s.call.Name)); how != ended {
			return fmt.Errorf("%w: the plugin was to be ended%s", givenUp(caller), how)
		}
		return givenUp(caller)
	}
	how := s.process.end(fmt.Sprintf("%s of %s %v", s.call.Stage, s.call.Name, l))
	return errors.New("the plugin " + string(l) + how)
}

// ours are the codes by which a connection says that it is broken, or that what came
// over it was none of the protocol's. With any other the plugin has ended the stage.
var ours = []codes.Code{codes.Unavailable, codes.Internal, codes.ResourceExhausted, codes.Canceled, codes.DeadlineExceeded}

// failure says what went wrong in a stage.
func (s *stage) failure(err error) error {
	said := status.Convert(err)
	text := tidy(said.Message(), maxText)
	if text == "" {
		text = "the plugin gave no reason"
	}
	if !slices.Contains(ours, said.Code()) {
		return errors.New(text)
	}
	if said.Code() == codes.Unavailable {
		s.process.program.waitAtMost(gasp)
	}
	if s.process.ended() {
		s.process.end("")
		if by := s.process.endedBy(); by != "" {
			return bystander("the plugin's process was ended: " + by)
		}
		return s.process.died()
	}
	how := s.process.end(fmt.Sprintf("%s of %s broke the rules", s.call.Stage, s.call.Name))
	switch said.Code() {
	case codes.ResourceExhausted:
		text = fmt.Sprintf("said more than %d KiB at once", maxMessage>>10)
	case codes.Internal:
		text = "said what nobody understands"
	case codes.Unavailable:
		text = "cut the connection"
	default:
		return errors.New(text)
	}
	return errors.New("the plugin " + text + how)
}

// hearProgress logs how far the stage is, but not too often.
func (s *stage) hearProgress(p *proto.Progress) {
	s.progress = p
	if now := time.Now(); now.Sub(s.logged) >= interval {
		s.flush()
		s.logged = now
	}
}

// flush logs the latest progress, if it was not logged, and ends the log.
func (s *stage) flush() {
	p := s.progress
	if p == nil {
		return
	}
	s.progress = nil
	attrs := []slog.Attr{slog.String("text", tidy(p.GetText(), maxText)), slog.Int64("done", p.GetDone())}
	if total := p.GetTotal(); total > 0 {
		percent := int64(float64(p.GetDone()) / float64(total) * 100)
		attrs = append(attrs, slog.Int64("total", total), slog.Int64("percent", min(max(percent, 0), 100)))
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "hook goes on", attrs...)
}

// hearLog logs what the plugin says.
func (s *stage) hearLog(l *proto.Log) {
	dropped, ok := s.tap.allow(time.Now())
	if dropped > 0 {
		s.log.LogAttrs(context.Background(), slog.LevelInfo, "hook says", slog.String("text", leftOut(dropped)))
	}
	if !ok {
		return
	}
	attrs := []slog.Attr{slog.String("text", tidy(l.GetText(), maxText))}
	if fields := newFields(l.GetAttributes()); len(fields) > 0 {
		attrs = append(attrs, slog.GroupAttrs("said", fields...))
	}
	s.log.LogAttrs(context.Background(), newLevel(l.GetLevel()), "hook says", attrs...)
}
