package host_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/host"
	"github.com/refit-dev/refit/hooks/proto"
)

// The test binary plays all the plugins, by the name of its file or its arguments.
func TestMain(m *testing.M) {
	part, isPlugin := strings.CutPrefix(filepath.Base(os.Args[0]), "refit-hook-")
	if !isPlugin && len(os.Args) > 2 && os.Args[1] == "play" {
		part, isPlugin = os.Args[2], true
	}
	if isPlugin {
		play(part)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play plays a part. Most of them do something wrong.
func play(part string) {
	if line, ok := firstLines[part]; ok {
		fmt.Println(line)
		time.Sleep(time.Hour)
	}
	if act, ok := acts[part]; ok {
		act()
		return
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: hooks.Handshake(),
		Plugins:         plugin.PluginSet{hooks.PluginName: wrapped{actor: &actor{part: part}}},
		GRPCServer:      plugin.DefaultGRPCServer,
	})
}

// acts are the parts that are not the actor's.
var acts = map[string]func(){
	"polite":   func() { hooks.Serve(polite{}) },
	"thorough": func() { hooks.Serve(thorough{}) },
	"dies": func() {
		fmt.Fprintln(os.Stderr, "the vault cannot be opened\x1b[31m")
		os.Exit(3)
	},
	"homeless": func() {
		fmt.Fprintln(os.Stderr, `{"@level":"error","@message":"plugin init error","error":"no such file or directory"}`)
		fmt.Fprintln(os.Stderr, `{"@level":"debug","@message":1}`)
	},
	"mute": func() {
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	},
	"hangs":         hang,
	"sleeper":       hang,
	"endless":       printForever,
	"silent":        takeConnections,
	"parent":        func() { _ = bear("brief", true) },
	"brief":         func() {},
	"refit":         func() { playRefit(os.Args[3]) },
	"first-process": playFirstProcess,
}

// hang takes note in a file, if one is named, and does nothing.
func hang() {
	if len(os.Args) > 3 {
		file, err := os.OpenFile(os.Args[3], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err == nil {
			_, _ = file.WriteString("+")
		}
	}
	time.Sleep(time.Hour)
}

// firstLines are those of parts that print a line and then do nothing.
var firstLines = map[string]string{
	"garbage":   "Welcome to my plugin!",
	"tomorrow":  "1|2|unix|/nowhere|grpc|" + strings.Repeat("A", 60),
	"plain":     "1|1|unix|/nowhere|netrpc|",
	"forged":    "1|1|unix|/nowhere|grpc|" + strings.Repeat("A", 60),
	"elsewhere": "1|1|tcp|192.0.2.1:80|grpc|" + certificate(),
	"nobody":    "1|1|unix|/nowhere|grpc|" + certificate(),
}

func printForever() {
	for line := bytes.Repeat([]byte("x"), 1<<20); ; {
		if _, err := os.Stdout.Write(line); err != nil {
			os.Exit(1)
		}
	}
}

// takeConnections takes connections, and says nothing.
func takeConnections() {
	l, err := net.Listen("unix", filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "s"))
	if err != nil {
		os.Exit(1)
	}
	fmt.Printf("1|1|unix|%s|grpc|%s\n", l.Addr(), certificate())
	time.Sleep(time.Hour)
}

// certificate makes one, as it is sent.
func certificate() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return base64.RawStdEncoding.EncodeToString(text)
}

// polite is a hook as it should be.
type polite struct{}

func (polite) Describe() hooks.Description {
	return hooks.Description{
		Summary: "Does what it is told.", Version: "1.2.3",
		Keys: []hooks.Key{{Name: "file", Help: "a path"}, {Name: "keep", Help: "a number", Label: true}, {Name: "url.*", Help: "a URL"}},
	}
}

// PreUpdate waits for its end, and takes note of it.
func (polite) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	u.Progress("waiting", 1, 4)
	<-ctx.Done()
	return hooks.Proceed(), os.WriteFile(u.Setting("file"), []byte("tidied up"), 0o600)
}

// PostUpdate does nothing.
func (polite) PostUpdate(_ context.Context, u *hooks.Update) error {
	u.State = []byte(strconv.Itoa(os.Getpid()))
	return nil
}

// thorough is a hook that needs a moment to end.
type thorough struct{}

func (thorough) Describe() hooks.Description {
	return hooks.Description{Keys: []hooks.Key{{Name: "file", Help: "a path"}}}
}

func (t thorough) PreRecreate(ctx context.Context, u *hooks.Update) error {
	return t.OnRollback(ctx, u)
}

// OnRollback waits for its end, and takes longer than a stage has after that.
func (thorough) OnRollback(ctx context.Context, u *hooks.Update) error {
	<-ctx.Done()
	time.Sleep(3 * time.Second)
	return os.WriteFile(u.Setting("file"), []byte("tidied up"), 0o600)
}

// wrapped is a service in go-plugin's terms.
type wrapped struct {
	plugin.NetRPCUnsupportedPlugin
	*actor
}

func (w wrapped) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	proto.RegisterHookServer(s, w.actor)
	return nil
}

func (wrapped) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

// actor speaks the protocol by hand. What it does in a stage is a label's word.
type actor struct {
	proto.UnimplementedHookServer
	part string
}

func (a *actor) Describe(context.Context, *proto.DescribeRequest) (*proto.Description, error) {
	d := &proto.Description{
		Summary: "an\nactor", Stages: []proto.Stage{5, 1, 2, 3, 4},
		Keys: []*proto.Key{{Name: "do", Label: true}, {Name: "path", Help: "h"}},
	}
	switch a.part {
	case "stageless":
		d.Stages = nil
	case "strange-stage":
		d.Stages = append(d.Stages, 9)
	case "twin-keys":
		d.Keys = append(d.Keys, &proto.Key{Name: "do"})
	case "odd-key":
		d.Keys = append(d.Keys, &proto.Key{Name: "a b"})
	case "many-keys":
		for i := range 1000 {
			d.Keys = append(d.Keys, &proto.Key{Name: "k" + strconv.Itoa(i)})
		}
	case "huge":
		d.Summary = strings.Repeat("x", 2<<20)
	case "shy":
		return nil, status.Error(codes.Unimplemented, "no")
	case "slow-to-say":
		time.Sleep(time.Hour)
	case "freezes":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour) // it is not stopped at once
	case "panics":
		go panic("the roof is on fire")
		time.Sleep(time.Hour)
	}
	return d, nil
}

func (a *actor) Run(c *proto.Call, stream grpc.ServerStreamingServer[proto.Message]) error {
	do, argument, _ := strings.Cut(c.GetLabels()["do"], " ")
	fall(do)
	reply := &proto.Reply{}
	switch do {
	case "fail":
		return status.Error(codes.Unknown, "the disk\n is full\x1b[0m "+strings.Repeat("!", 5000))
	case "mumble":
		return status.Error(codes.Unknown, "")
	case "end":
		return nil
	case "twice":
		if err := say(stream, reply); err != nil {
			return err
		}
	case "hang-once": // the second time the file is there
		if err := hangOnce(stream.Context(), argument); err != nil {
			return err
		}
	case "orphan", "child":
		if err := found(do, argument, reply); err != nil {
			return err
		}
	default:
		if err := speak(do, stream); err != nil {
			return err
		}
		tell(do, c, reply)
		judge(do, reply)
	}
	return say(stream, reply)
}

func hangOnce(ctx context.Context, file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// tell puts what is asked for into the state.
func tell(do string, c *proto.Call, reply *proto.Reply) {
	switch do {
	case "env":
		reply.State = []byte(strings.Join(os.Environ(), "\x00"))
	case "settings":
		reply.State = fmt.Append(nil, c.GetLabels(), c.GetOperator(), c.GetContainer().GetName(), c.GetStage(), c.GetTo().GetReference())
	case "pid":
		reply.State = []byte(strconv.Itoa(os.Getpid()))
	case "state":
		reply.State = make([]byte, hooks.MaxState+1)
	}
}

func judge(do string, reply *proto.Reply) {
	switch do {
	case "riddle":
		reply.Verdict = 7
	case "veto":
		reply.Verdict = proto.Reply_VERDICT_VETO
	case "defer":
		reply.Verdict, reply.Reason = proto.Reply_VERDICT_DEFER, "not\tnow\u202e"
	case "defer-past":
		reply.Verdict, reply.RetryAt = proto.Reply_VERDICT_DEFER, timestamppb.New(time.Unix(1, 0))
	case "defer-never":
		reply.Verdict, reply.RetryAt = proto.Reply_VERDICT_DEFER, &timestamppb.Timestamp{Seconds: 1 << 60}
	case "defer-later":
		reply.Verdict, reply.RetryAt = proto.Reply_VERDICT_DEFER, timestamppb.New(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	}
}

func say(stream grpc.ServerStreamingServer[proto.Message], reply *proto.Reply) error {
	return stream.Send(&proto.Message{Message: &proto.Message_Reply{Reply: reply}})
}

// fall does not return from what ends badly.
func fall(do string) {
	switch do {
	case "crash":
		_, _ = syscall.Write(2, []byte("out of luck\n"))
		os.Exit(7)
	case "exit":
		os.Exit(0)
	case "panic":
		go panic("the roof is on fire")
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "cut":
		for fd := 3; fd < 64; fd++ {
			_ = syscall.Shutdown(fd, syscall.SHUT_RDWR)
		}
	case "hang":
	default:
		return
	}
	time.Sleep(time.Hour)
}

func speak(do string, stream grpc.ServerStreamingServer[proto.Message]) error {
	switch do {
	case "print":
		long := strings.Repeat("x", 2<<20)
		fmt.Print(long)
		fmt.Fprint(os.Stderr, long)
		_, _ = syscall.Write(1, []byte("{\"@message\":1}\n"+long+"\n"))
		_, _ = syscall.Write(2, []byte("{\"@message\":1}\n"+long+"\nlast of all\n"))
		fmt.Println("\nprinted")
	case "flood":
		return repeat(3000, stream, func(int64) *proto.Message {
			_, _ = syscall.Write(2, []byte("noise\n"))
			return logLine(strings.Repeat("y", 2000))
		})
	case "talk":
		return repeat(30, stream, func(int64) *proto.Message {
			time.Sleep(50 * time.Millisecond)
			return &proto.Message{}
		})
	case "step":
		return repeat(100, stream, func(i int64) *proto.Message {
			return &proto.Message{Message: &proto.Message_Progress{Progress: &proto.Progress{Text: "step", Done: i + 1, Total: 100}}}
		})
	case "garble":
		m := &proto.Message{}
		m.ProtoReflect().SetUnknown([]byte{0x12, 4, 0x12, 2, 0xff, 0xff}) // a log whose text is none
		return stream.Send(m)
	case "shout":
		return stream.Send(logLine(strings.Repeat("x", 2<<20)))
	case "log":
		return stream.Send(logLine("a\nb"))
	}
	return nil
}

func repeat(times int64, stream grpc.ServerStreamingServer[proto.Message], message func(i int64) *proto.Message) error {
	for i := range times {
		if err := stream.Send(message(i)); err != nil {
			return err
		}
	}
	return nil
}

func logLine(text string) *proto.Message {
	return &proto.Message{Message: &proto.Message_Log{Log: &proto.Log{
		Level: proto.Log_LEVEL_WARN, Text: text, Attributes: map[string]string{"hook": "another", "n": "1"},
	}}}
}

// playRefit is a Refit that is in a stage whose plugin has children, until it is killed.
func playRefit(file string) {
	h := &host.Host{Bundled: map[string][]string{"actor": {"/proc/self/exe", "play", "actor"}}}
	_, err := h.Call(context.Background(), core.HookCall{
		Hook: "actor", Stage: core.PreUpdate, Name: "web", Settings: map[string]string{"do": "child " + file},
	})
	fmt.Fprintln(os.Stderr, err)
}
