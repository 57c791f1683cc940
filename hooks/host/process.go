package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/proto"
)

const (
	// grace is how long a plugin may take to end once it is told to. One that restores
	// data has the other one: it may have to end what writes elsewhere first, in a
	// container of its own.
	grace         = 2 * time.Second
	rollbackGrace = 30 * time.Second
	// ended is how an end goes, as a rule.
	ended = ", and was ended"
	// gasp is how long a plugin that cannot be reached has to die by itself, and so to
	// say why.
	gasp = 500 * time.Millisecond
	// maxMessage is the largest message that is taken from a plugin: 1 MiB.
	maxMessage = 1 << 20
)

// process is one plugin that runs, or has run.
type process struct {
	hook        string
	log         *slog.Logger
	program     *program
	description description

	client   *plugin.Client
	protocol plugin.ClientProtocol

	mu    sync.Mutex
	conn  *grpc.ClientConn
	calls map[*core.HookCall]struct{} // in flight
	// why it was ended by us: "" if it was not.
	why string

	ending sync.Once
	over   chan struct{} // closed when nothing of it is left
}

// start starts the plugin of the call's hook and asks it what it is. Who only wants to
// know that is told the last fault, if it is not old: a plugin that hangs is not to
// cost its time for every container. A stage is worth another try.
func (h *Host) start(ctx context.Context, c core.HookCall) (*process, error) {
	h.once.Do(h.clearAbandoned)
	exe, err := h.find(c.Hook)
	if err != nil {
		return nil, err
	}
	image, err := h.open(exe)
	if err != nil {
		return nil, err
	}
	if err := h.mishaps.of(image.identity); c.Stage == "" && err != nil {
		image.Close()
		return nil, err
	}
	p, err := h.launch(ctx, c.Hook, image)
	if ctx.Err() == nil {
		h.mishaps.note(image.identity, err)
	}
	return p, err
}

// launch starts what was checked, and closes it.
func (h *Host) launch(ctx context.Context, name string, image image) (*process, error) {
	p, err := h.newProcess(name, image)
	if err != nil {
		image.Close()
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, h.startTimeout())
	defer cancel()
	// Without the deadline, which the plugin's end of the connection would keep, too,
	// and perhaps sooner: it would not be known then who did.
	question, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	// Whatever step it hangs in, that ends it.
	stop := context.AfterFunc(limit, func() {
		p.program.kill()
		giveUp()
	})
	err = p.connect()
	if err == nil {
		p.description, err = p.describe(question)
		p.description.of = image.identity
	}
	hung := !stop()
	if err == nil && !hung {
		return p, nil
	}
	return nil, p.startFault(ctx, hung, err)
}

// startFault clears away a plugin that did not start, and says why it did not.
func (p *process) startFault(ctx context.Context, hung bool, err error) error {
	var r refusal
	refused := errors.As(err, &r)
	if !refused && !hung {
		p.program.waitAtMost(gasp)
	}
	p.program.kill()
	p.end("it did not start")
	switch {
	case ctx.Err() != nil:
		return givenUp(ctx)
	case p.program.isLost():
		return errors.New("the plugin took too long to start, and " + immortal + p.program.lastWords())
	case hung:
		return errors.New("the plugin took too long to start" + p.program.lastWords())
	case refused:
		return r
	case p.program.endedItself():
		return errors.New(p.program.fate())
	default:
		return fmt.Errorf("the plugin cannot be reached: %s", tidy(status.Convert(err).Message(), maxText))
	}
}

// clearAbandoned ends and removes what the plugins of a killed Refit have left.
func (h *Host) clearAbandoned() {
	killAbandoned()
	if temp, err := h.temp(); err == nil {
		sweepFolders(temp)
	}
}

func (h *Host) newProcess(name string, i image) (*process, error) {
	temp, err := h.temp()
	if err != nil {
		return nil, err
	}
	p := &process{
		hook: name, log: h.log().With(slog.String("hook", name)),
		calls: map[*core.HookCall]struct{}{}, over: make(chan struct{}),
	}
	out := newListener(p.hear)
	p.program = newProgram(i, h.environment(temp), out)
	if h.kernel.kill != nil {
		p.program.kernel = h.kernel
	}
	p.client = plugin.NewClient(p.config(h.startTimeout(), temp, out))
	return p, nil
}

// connect starts the program and makes the connection. What go-plugin leaves open
// when it fails half-way is closed by end.
func (p *process) connect() error {
	protocol, err := p.client.Client()
	p.protocol = protocol
	if err == nil && p.connection() == nil {
		err = errors.New("no connection was made")
	}
	return err
}

func (p *process) connection() *grpc.ClientConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn
}

// service returns the plugin's service.
func (p *process) service() proto.HookClient { return proto.NewHookClient(p.connection()) }

// enter counts a call as in flight until leave is called. It is false if the process
// has ended, or is about to.
func (p *process) enter(c core.HookCall) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why != "" || p.program.gone() {
		return nil, false
	}
	p.calls[&c] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.calls, &c)
	}, true
}

// hear logs a line that the plugin has printed. Whose stage it belongs to is known
// only while there is one.
func (p *process) hear(stream, text string) {
	attrs := []slog.Attr{slog.String("stream", stream), slog.String("text", text)}
	p.mu.Lock()
	if len(p.calls) == 1 {
		for c := range p.calls {
			attrs = append(attrs, about(c)...)
		}
	}
	p.mu.Unlock()
	level := slog.LevelInfo
	if stream == chatter {
		level = slog.LevelDebug
	}
	p.log.LogAttrs(context.Background(), level, "hook printed", attrs...)
}

// about are the attributes of what is logged in a stage.
func about(c *core.HookCall) []slog.Attr {
	if c.Stage == "" {
		return nil
	}
	return []slog.Attr{slog.String("container", c.Name), slog.String("stage", string(c.Stage))}
}

// end ends the process and all that it has started, and returns when nothing of it
// is left. It is asked first, and killed if it has not ended after the grace. Calls
// in flight fail, and say why. What cannot be killed is left behind: it runs no more
// of its program, but what it has asked of the kernel may still happen. It says
// how it went: the end of a sentence.
func (p *process) end(why string) string {
	p.mu.Lock()
	if p.why == "" && !p.program.gone() {
		p.why = why
	}
	p.mu.Unlock()
	p.ending.Do(func() {
		defer close(p.over)
		if p.program.started() && !p.program.gone() {
			told, most := time.Now(), p.grace()
			p.ask(most)
			p.program.waitAtMost(most - time.Since(told))
			p.program.kill()
		}
		p.program.wait()
		conn := p.connection()
		if p.program.isLost() {
			p.log.Error("leaving behind a plugin that cannot be killed", slog.String("pid", p.program.ID()))
			if conn != nil { // Nobody is to speak with it.
				_ = conn.Close()
			}
		}
		if p.protocol != nil {
			p.client.Kill() // There is nothing to kill, but go-plugin tidies up.
		}
		if conn != nil {
			_ = conn.Close()
		}
		p.program.heard.flush()
		_ = os.RemoveAll(p.program.folder)
	})
	<-p.over
	if p.program.isLost() {
		return ", and " + immortal
	}
	return ended
}

// grace is how long the process may take to end.
func (p *process) grace() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.calls {
		if c.Stage == core.OnRollback {
			return rollbackGrace
		}
	}
	return grace
}

// ask tells the plugin to end. One that does not know go-plugin's way is sent a
// SIGTERM.
func (p *process) ask(most time.Duration) {
	conn := p.connection()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	err := conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) == codes.Unimplemented {
		p.program.signal(syscall.SIGTERM)
	}
}

// ended tells whether the process has died, or is being ended by us.
func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why != "" || p.program.gone()
}

// died says how the process ended. It must be gone, or be about to.
func (p *process) died() error {
	if why := p.endedBy(); why != "" {
		return fmt.Errorf("the plugin's process was ended: %s", why)
	}
	return errors.New(p.program.fate())
}

// endedBy says why it was ended by us, "" if it was not.
func (p *process) endedBy() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}
