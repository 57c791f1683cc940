package host

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
)

// learnConnection is called for every stream, the first of which go-plugin opens.
// go-plugin keeps the connection to itself where it fails half-way, and does not
// close it.
func (p *process) learnConnection(ctx context.Context, d *grpc.StreamDesc, conn *grpc.ClientConn,
	method string, stream grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	p.mu.Lock()
	p.conn = conn
	p.mu.Unlock()
	return stream(ctx, d, conn, method, options...)
}

// bridge brings go-plugin's own log into ours, where it is for debugging only.
type bridge struct {
	hclog.Logger // the one that says nothing
	log          *slog.Logger
}

func newChatter(log *slog.Logger) hclog.Logger { return bridge{hclog.NewNullLogger(), log} }

// Log logs a line.
func (b bridge) Log(_ hclog.Level, text string, args ...any) { b.say(text, args) }

// Trace says nothing.
func (b bridge) Trace(string, ...any) {}

// Debug logs a line.
func (b bridge) Debug(text string, args ...any) { b.say(text, args) }

// Info logs a line.
func (b bridge) Info(text string, args ...any) { b.say(text, args) }

// Warn logs a line.
func (b bridge) Warn(text string, args ...any) { b.say(text, args) }

// Error logs a line.
func (b bridge) Error(text string, args ...any) { b.say(text, args) }

// Named returns the same logger.
func (b bridge) Named(string) hclog.Logger { return b }

// With returns the same logger.
func (b bridge) With(...any) hclog.Logger { return b }

func (b bridge) say(text string, args []any) {
	attrs := []slog.Attr{slog.String("text", tidy(text, maxText))}
	for i := 0; i+1 < len(args); i += 2 {
		attrs = append(attrs, slog.String(tidy(fmt.Sprint(args[i]), maxText), tidy(fmt.Sprint(args[i+1]), maxText)))
	}
	b.log.LogAttrs(context.Background(), slog.LevelDebug, "go-plugin", attrs...)
}
