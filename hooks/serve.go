package hooks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// What Refit and a plugin agree on before they speak, see hooks/proto.
const (
	// ProtocolVersion goes up when a plugin of before would misunderstand.
	ProtocolVersion = 1
	// CookieKey and CookieValue are an environment variable and its value. A plugin
	// without it knows that a person has started it.
	CookieKey   = "REFIT_HOOK"
	CookieValue = "refit.hooks.v1"
	// PluginName is the hook's name in go-plugin's plugin set.
	PluginName = "hook"
)

// tidyUp is how long stages may go on after Refit has told the plugin to end. Their
// contexts have ended, too. Refit kills the process if that takes it too long.
const tidyUp = time.Minute

// Serve is a plugin's main function: it serves the hook to the Refit that has
// started the process, and never returns. Where a person has started it, it says
// what the hook is and how to install it, and exits with 1.
//
// What the hook prints to os.Stdout and os.Stderr from then on goes to Refit's log.
// Nothing may be printed to os.Stdout before.
func Serve(hook any) {
	if err := fault(hook); err != nil {
		fmt.Fprintf(os.Stderr, "%s cannot be a hook for Refit: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(1)
	}
	if os.Getenv(CookieKey) != CookieValue {
		introduce(os.Stderr, filepath.Base(os.Args[0]), hook)
		os.Exit(1)
	}
	p := NewPlugin(hook)
	code := 1
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: Handshake(),
		Plugins:         plugin.PluginSet{PluginName: p},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			code = 0 // Before that the error is go-plugin's, and it has logged it.
			return plugin.DefaultGRPCServer(options)
		},
		// go-plugin's own log goes to the true stderr, in the form that its other
		// end understands.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr, JSONFormat: true}),
	})
	time.AfterFunc(tidyUp, func() { os.Exit(1) })
	p.server.running.Lock()
	os.Exit(code)
}

// Handshake is what both ends of go-plugin want to know.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  ProtocolVersion,
		MagicCookieKey:   CookieKey,
		MagicCookieValue: CookieValue,
	}
}

// fault says in one line why the value is no hook. A method with the name of a stage
// that is none, because of its parameters or its receiver, is refused here: it would
// never be called, and nobody would know.
func fault(hook any) error {
	if hook == nil {
		return errors.New("a hook that is nil")
	}
	t := reflect.TypeOf(hook)
	whole := t
	if t.Kind() != reflect.Pointer {
		whole = reflect.PointerTo(t)
	}
	for _, s := range stages {
		_, has := t.MethodByName(s.method)
		_, could := whole.MethodByName(s.method)
		switch {
		case s.of(hook) != nil || !could:
		case has:
			return fmt.Errorf("the method %s of %v is not that of hooks.%s", s.method, t, s.from)
		default:
			return fmt.Errorf("%s is a method of %v, and the hook is a %v", s.method, whole, t)
		}
	}
	if len(runners(hook)) == 0 {
		return fmt.Errorf("%v has none of the stages, such as PreUpdate or PostUpdate", t)
	}
	return nil
}
