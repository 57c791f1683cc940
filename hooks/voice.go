package hooks

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/refit-dev/refit/hooks/proto"
)

// The most that is sent of one thing that a hook says, in bytes.
const (
	maxText       = 8 << 10
	maxAttribute  = 4 << 10
	maxAttributes = 64
)

// pace is the least time between two reports of progress. Those that come sooner
// are left out, but for the last.
const pace = 100 * time.Millisecond

// voice sends what a hook says in one stage. It takes what is said at any time, from
// any goroutine; log lines wait for one another if Refit is slow, but no longer than
// the stage's context.
type voice struct {
	ctx   context.Context
	send  func(*proto.Message) error
	lines chan *proto.Message
	news  chan struct{} // holds one if there is progress that was not sent

	mu       sync.Mutex
	progress report

	over   chan struct{}
	silent sync.WaitGroup
}

func newVoice(ctx context.Context, send func(*proto.Message) error) *voice {
	v := &voice{
		ctx: ctx, send: send, lines: make(chan *proto.Message, 64), news: make(chan struct{}, 1), over: make(chan struct{}),
	}
	v.silent.Go(v.speak)
	return v
}

// say is the sayer. What comes after the end is not heard.
func (v *voice) say(message any) {
	switch m := message.(type) {
	case report:
		v.mu.Lock()
		v.progress = m
		v.mu.Unlock()
		select {
		case v.news <- struct{}{}:
		default:
		}
	case line:
		select {
		case v.lines <- m.proto():
		case <-v.ctx.Done():
		case <-v.over:
		}
	}
}

// end sends what is left, and returns when nothing is sent any more.
func (v *voice) end() {
	close(v.over)
	v.silent.Wait()
}

// speak sends until the end. An error of sending is no concern of the hook: the
// stream is broken then, which ends the stage's context.
func (v *voice) speak() {
	news := v.news
	var again <-chan time.Time
	for {
		select {
		case m := <-v.lines:
			_ = v.send(m)
		case <-news:
			v.sendProgress()
			news, again = nil, time.After(pace)
		case <-again:
			news = v.news
		case <-v.over:
			v.sendRest()
			return
		}
	}
}

func (v *voice) sendRest() {
	for {
		select {
		case m := <-v.lines:
			_ = v.send(m)
			continue
		default:
		}
		select {
		case <-v.news:
			v.sendProgress()
		default:
		}
		return
	}
}

func (v *voice) sendProgress() {
	v.mu.Lock()
	r := v.progress
	v.mu.Unlock()
	_ = v.send(&proto.Message{Message: &proto.Message_Progress{
		Progress: &proto.Progress{Text: tidy(r.text, maxText), Done: r.done, Total: r.total},
	}})
}

func (l line) proto() *proto.Message {
	attributes := map[string]string{}
	for key, value := range l.attributes {
		if len(attributes) == maxAttributes {
			break
		}
		attributes[tidy(key, maxAttribute)] = tidy(value, maxAttribute)
	}
	return &proto.Message{Message: &proto.Message_Log{
		Log: &proto.Log{Level: wireLevel(l.level), Text: tidy(l.text, maxText), Attributes: attributes},
	}}
}

func wireLevel(l slog.Level) proto.Log_Level {
	switch {
	case l < slog.LevelInfo:
		return proto.Log_LEVEL_DEBUG
	case l < slog.LevelWarn:
		return proto.Log_LEVEL_INFO
	case l < slog.LevelError:
		return proto.Log_LEVEL_WARN
	default:
		return proto.Log_LEVEL_ERROR
	}
}

// tidy makes text fit for the wire: valid UTF-8, and at most that many bytes.
func tidy(text string, most int) string {
	const cut = "…"
	if len(text) > most {
		end := most - len(cut)
		for back := 0; back < utf8.UTFMax && end > 0 && !utf8.RuneStart(text[end]); back++ {
			end--
		}
		text = text[:end] + cut
	}
	return strings.ToValidUTF8(text, "?")
}
