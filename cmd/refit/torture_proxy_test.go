package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// executing is how long the engine gets for a call whose answer nobody will read.
const executing = time.Minute

// interceptor stands between one refit and its engine. It counts the calls, and
// lets a fault happen at one of them.
type interceptor struct {
	host    string // "unix://…", for refit
	only    string // it shows no container whose name does not begin so
	at      int    // the call, from 1; 0 is none of them
	fault   fault
	counted func(*http.Request) bool // nil counts every call

	engine  http.Handler
	started chan struct{} // closed once process is set
	process *os.Process

	mu    sync.Mutex
	calls []string
}

// intercept makes an interceptor in front of the engine at the socket, until the test ends.
func intercept(t testing.TB, socket string) *interceptor {
	t.Helper()
	p := &interceptor{started: make(chan struct{})}
	engine := relay(socket)
	engine.Transport = &http.Transport{DisableKeepAlives: true, DialContext: dialling(socket)}
	engine.ModifyResponse = p.narrow
	p.engine = engine
	// A client repeats by itself what it has sent over a connection that had
	// been used before: then no answer would be lost.
	p.host = serveSocket(t, p, func(s *http.Server) { s.SetKeepAlivesEnabled(false) })
	return p
}

func dialling(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
}

// runs tells whose calls they are.
func (p *interceptor) runs(process *os.Process) {
	p.process = process
	close(p.started)
}

// ServeHTTP hands a call to the engine, or lets the fault have it.
func (p *interceptor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	<-p.started
	if n := p.count(r); n == 0 || n != p.at {
		p.engine.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.fault.act(p, w, r)
}

func (p *interceptor) count(r *http.Request) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counted != nil && !p.counted(r) {
		return 0
	}
	p.calls = append(p.calls, r.Method+" "+inVersion.ReplaceAllString(r.URL.Path, ""))
	return len(p.calls)
}

// made returns the calls so far.
func (p *interceptor) made() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.calls...)
}

// struck describes the call at which the fault was, "" if it was never made.
func (p *interceptor) struck() string {
	if calls := p.made(); p.at > 0 && p.at <= len(calls) {
		return fmt.Sprintf("call %d: %s", p.at, calls[p.at-1])
	}
	return ""
}

// narrow takes the containers of others out of a list: how many calls refit makes
// would depend on them.
func (p *interceptor) narrow(r *http.Response) error {
	if p.only == "" || r.StatusCode != http.StatusOK || !strings.HasSuffix(r.Request.URL.Path, "/containers/json") {
		return nil
	}
	defer r.Body.Close()
	var all, ours []map[string]any
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		return err
	}
	for _, c := range all {
		if names, _ := c["Names"].([]any); len(names) > 0 && strings.HasPrefix(fmt.Sprint(names[0]), "/"+p.only) {
			ours = append(ours, c)
		}
	}
	if ours == nil {
		ours = []map[string]any{}
	}
	text, err := json.Marshal(ours)
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", fmt.Sprint(len(text)))
	return err
}

// execute lets the engine do the call, whoever has hung up, and returns its answer.
func (p *interceptor) execute(r *http.Request) (answer *httptest.ResponseRecorder) {
	answer = httptest.NewRecorder()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), executing)
	defer cancel()
	defer func() { _ = recover() }() // an engine that has gone away has done what it has done
	p.engine.ServeHTTP(answer, r.WithContext(ctx))
	return answer
}

// kill ends refit as a power cut would.
func (p *interceptor) kill() { _ = p.process.Kill() } // it may just have ended

// fault is what happens at one call.
type fault struct {
	name string
	act  func(p *interceptor, w http.ResponseWriter, r *http.Request)
	// ends is set where refit does not live to see the answer, asks where it has
	// to end by itself.
	ends, asks bool
}

// faults are all that happen at every call.
func faults() []fault {
	abort := func() { panic(http.ErrAbortHandler) }
	return []fault{
		{name: "answer dropped", act: func(p *interceptor, _ http.ResponseWriter, r *http.Request) {
			p.execute(r)
			abort()
		}},
		{name: "refused", act: func(*interceptor, http.ResponseWriter, *http.Request) { abort() }},
		{name: "killed before", ends: true, act: func(p *interceptor, _ http.ResponseWriter, _ *http.Request) {
			p.kill()
			abort()
		}},
		{name: "killed meanwhile", ends: true, act: func(p *interceptor, w http.ResponseWriter, r *http.Request) {
			// The engine hears of it as it would without us: its caller hangs up.
			time.AfterFunc(2*time.Millisecond, p.kill)
			p.engine.ServeHTTP(w, r)
			<-r.Context().Done()
		}},
		{name: "killed after", ends: true, act: func(p *interceptor, _ http.ResponseWriter, r *http.Request) {
			p.execute(r)
			p.kill()
			abort()
		}},
		{name: "asked to end", asks: true, act: func(p *interceptor, w http.ResponseWriter, r *http.Request) {
			_ = p.process.Signal(syscall.SIGTERM) // it may just have ended
			p.engine.ServeHTTP(w, r)
		}},
	}
}
