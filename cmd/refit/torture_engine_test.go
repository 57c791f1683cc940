package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core/docker/dockertest"
)

// outage is an engine that is killed in the middle of an update.
type outage struct {
	good bool
	// line is the call that changes something, or the first look of the gate,
	// after which the engine is killed.
	line int
	// both is set where refit is killed with it, as in a power cut.
	both bool
}

func (o outage) String() string {
	who, image := "the engine is killed", "bad"
	if o.both {
		who = "the power goes"
	}
	if o.good {
		image = "good"
	}
	return fmt.Sprintf("%s image, %s after line %d", image, who, o.line)
}

// TestTortureOfTheEngine kills an engine after each line of an update, and of one
// that is rolled back. Once it runs again, and refit has recovered, nothing is lost.
func TestTortureOfTheEngine(t *testing.T) {
	t.Parallel()
	engine := dockertest.NewPrivate(t, false)
	registry, err := serveInside(t, engine, built(t, "fixture"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, engine.Engine, registry)
	b.command = engine.Command
	// An engine that was killed stops what has outlived it as a person would, and
	// leaves it so with "unless-stopped" (seen on 20.10, without any refit).
	b.restart = "always"
	var all []outage
	for _, good := range []bool{true, false} {
		lines := linesOf(t, b, engine, good)
		for line := 1; line <= lines; line++ {
			all = append(all, outage{good, line, false}, outage{good, line, true})
		}
	}
	if !tortured() {
		all = some(all, 5)
	}
	var r record
	for i, o := range all {
		suffer(t, b, engine, &r, fmt.Sprintf("web%d", i), o)
	}
	r.tell(t, "engine killed")
}

// lineCalls counts the calls that change something, and the first look of each gate.
func lineCalls() func(*http.Request) bool {
	started := false
	return func(r *http.Request) bool {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			started = strings.HasSuffix(r.URL.Path, "/start")
			return true
		case started && strings.Contains(r.URL.Path, "/containers/"):
			started = false
			return true
		default:
			return false
		}
	}
}

// linesOf returns how many there are in an update with which nothing goes wrong.
func linesOf(t *testing.T, b *bench, engine *dockertest.Private, good bool) int {
	t.Helper()
	x := b.trial(t, engine.Engine, fmt.Sprintf("undisturbed-%t", good), good)
	x.prepare()
	p := intercept(t, b.socket)
	p.counted = lineCalls()
	if code, out := x.update(p).wait(); code != exitDone && code != exitRolledBack {
		t.Fatalf("refit update: exit code %d:\n%s", code, out)
	}
	x.end()
	t.Logf("lines of an update, good image %t: %s", good, strings.Join(p.made(), ", "))
	return len(p.made())
}

// suffer is one case.
func suffer(t *testing.T, b *bench, engine *dockertest.Private, r *record, part string, o outage) {
	t.Helper()
	x := b.trial(t, engine.Engine, part, o.good)
	x.prepare()
	p := intercept(t, b.socket)
	out, back := make(chan struct{}), make(chan struct{})
	p.counted, p.at = lineCalls(), o.line
	p.fault = fault{act: func(p *interceptor, _ http.ResponseWriter, q *http.Request) {
		p.execute(q)
		close(out) // first: who sees refit's end must see this, too
		if o.both {
			p.kill()
		}
		<-back
		panic(http.ErrAbortHandler)
	}}
	update := x.update(p)
	booted := time.Now()
	select {
	case <-out:
	case <-update.ended:
	}
	select {
	case <-out:
		engine.Kill()
		close(back)
		engine.Boot()
		booted = time.Now()
	default: // it ended before that line
	}
	code, said := update.wait()
	_, recovered := x.recover()
	v := x.violations(false)
	// An engine that is back has yet to start its containers: those that refit had
	// not touched are its business.
	for len(v.wrong) > 0 && time.Since(booted) < recovery {
		time.Sleep(glance)
		v = x.violations(false)
	}
	took := time.Since(booted)
	if code == exitDown {
		v.wrong = append(v.wrong, "refit update says that the container is down")
	}
	r.add(p.struck() != "", v, took)
	for _, wrong := range v.wrong {
		t.Errorf("%s (%s): %s", o, p.struck(), wrong)
	}
	if len(v.wrong) > 0 {
		t.Logf("refit update said:\n%s\nrefit recover said:\n%s", said, recovered)
	}
	x.end()
}

// end removes the container of a trial whose engine goes on to serve others.
func (x *trial) end() {
	x.Helper()
	for _, suffix := range []string{"", ".refit-new", ".refit-old"} {
		_ = x.call("DELETE", "/containers/"+x.name+suffix+"?force=1&v=1", nil, nil) // most are not there
	}
	x.forget()
}
