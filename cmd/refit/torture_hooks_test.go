package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// hookSample is how many faults at the calls make test tries, beside the moments.
const hookSample = 12

// moment is one at which refit is killed, with the hooks at work.
type moment struct {
	good bool
	// hang is the stage in which a hook is when it happens, "" if it is a call.
	hang core.Stage
	// at tells whether a call is the one, and act is what happens at it.
	at  func(*http.Request) bool
	act func(x *dataTrial, p *interceptor, w http.ResponseWriter, r *http.Request)
}

// moments are those that the promise about data depends on.
func moments() map[string]moment {
	ends := func(method, end string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.Method == method && strings.HasSuffix(r.URL.Path, end) }
	}
	return map[string]moment{
		"while a hook is asked before the update":                  {hang: core.PreUpdate},
		"while the archive of the backup is streaming":             {at: ends(http.MethodGet, "/archive"), act: cutBackup},
		"while a hook works where the container is down":           {hang: core.PreRecreate},
		"between the backup and the start":                         {at: renamed(), act: killAfter},
		"while a hook tests the new container":                     {good: true, hang: core.PostUpdate},
		"while the restore is preparing its helper":                {at: ends(http.MethodPost, "/images/create"), act: killAfter},
		"while the archive of the restore is streaming":            {at: ends(http.MethodPost, "/attach"), act: cutUpload},
		"while the restore is being verified":                      {at: verifying(), act: cutDownload},
		"while a hook is told of the rollback, before the restore": {hang: core.OnRollback},
		"while a hook is told that it is over":                     {good: true, hang: core.Finished},
	}
}

// renamed tells the second rename: the new container has the name.
func renamed() func(*http.Request) bool {
	n := 0
	return func(r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/rename") {
			n++
		}
		return n == 2 && strings.HasSuffix(r.URL.Path, "/rename")
	}
}

// verifying tells the reading of the volume after the restore.
func verifying() func(*http.Request) bool {
	attached := false
	return func(r *http.Request) bool {
		attached = attached || strings.HasSuffix(r.URL.Path, "/attach")
		return attached && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/archive")
	}
}

func killAfter(_ *dataTrial, p *interceptor, _ http.ResponseWriter, r *http.Request) {
	p.execute(r)
	p.kill()
	panic(http.ErrAbortHandler)
}

// enough is how many bytes of a stream go through before refit is killed.
const enough = 300 << 10

// cutDownload kills refit when so much of the answer has gone through.
func cutDownload(_ *dataTrial, p *interceptor, w http.ResponseWriter, r *http.Request) {
	p.engine.ServeHTTP(&cutter{ResponseWriter: w, left: enough, cut: p.kill}, r)
}

// cutBackup does it once some of the backup is on the disk.
func cutBackup(x *dataTrial, p *interceptor, w http.ResponseWriter, r *http.Request) {
	p.engine.ServeHTTP(&cutter{ResponseWriter: w, left: enough, cut: func() {
		half := func() bool {
			found, _ := filepath.Glob(filepath.Join(x.backups, x.name, ".partial-*", "*")) // the pattern is a good one
			return len(found) > 0
		}
		if !eventual(half) {
			x.Error("there is no half of a backup")
		}
		p.kill()
	}}, r)
}

// cutUpload kills refit when so much of what it sends has gone through.
func cutUpload(x *dataTrial, p *interceptor, w http.ResponseWriter, r *http.Request) {
	p.engine.ServeHTTP(&cutter{ResponseWriter: w, left: enough, cut: func() {
		if tree := x.tree(); tree == x.before {
			x.Error("the data was not spoilt before the restore")
		}
		if len(x.helpers()) != 2 {
			x.Error("no helper restores")
		}
		p.kill()
	}}, r)
}

// cutter lets so many bytes through, in either direction, and then does its cut.
type cutter struct {
	http.ResponseWriter
	left int
	cut  func()
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *cutter) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		c.cut()
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(b)
}

// Hijack gives the connection of a stream that goes in both directions.
func (c *cutter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(c.ResponseWriter).Hijack()
	return &cutConn{conn, c}, rw, err
}

// cutConn counts what the client sends.
type cutConn struct {
	net.Conn
	*cutter
}

func (c *cutConn) Write(b []byte) (int, error) { return c.Conn.Write(b) }

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left -= n; c.left < 0 {
		c.cut()
		return 0, net.ErrClosed
	}
	return n, err
}

// TestTortureWithHooks is the proof of the promise about data: wherever refit is
// killed, with hooks at work, a fresh one leaves the old container with the very data
// that it had, or the new one. Nothing of the hooks is left, each of them had its end,
// and no half of a backup is taken for a whole.
func TestTortureWithHooks(t *testing.T) {
	t.Parallel()
	b := newBench(t, dockertest.New(t), registrytest.New(t, registrytest.Options{}).Host)
	var r record
	work := slices.Concat(atMoments(t, b, &r), atCalls(t, b, &r))
	var workers sync.WaitGroup
	queue := make(chan func())
	for range hands {
		workers.Go(func() {
			for do := range queue {
				do()
			}
		})
	}
	for _, do := range work {
		queue <- do
	}
	close(queue)
	workers.Wait()
	r.tell(t, "faults with hooks")
}

// atMoments are the cases of the moments.
func atMoments(t *testing.T, b *bench, r *record) (work []func()) {
	for name, m := range moments() {
		work = append(work, func() {
			t.Run("killed "+name, func(t *testing.T) { killedAt(t, b, r, m) })
		})
	}
	return work
}

// killedAt is one of them.
func killedAt(t *testing.T, b *bench, r *record, m moment) {
	x := beginData(t, b, m.good)
	x.settle(string(m.hang))
	p := intercept(t, b.socket)
	if m.hang == "" {
		p.counted, p.at = m.at, 1
		p.fault = fault{ends: true, act: func(p *interceptor, w http.ResponseWriter, q *http.Request) { m.act(x, p, w, q) }}
	}
	refit := x.update(p)
	if m.hang != "" {
		x.await("the stage", func() bool { return slices.Contains(x.told(), string(m.hang)) })
		p.kill()
	}
	code, said := refit.wait()
	if code != -1 {
		t.Errorf("refit was not killed, exit code %d:\n%s", code, said)
	}
	x.settle("")
	x.judge(r, said, code == -1)
}

// atCalls are faults at each call of an update, the plugins' own included.
func atCalls(t *testing.T, b *bench, r *record) (work []func()) {
	var all []torment
	for _, good := range []bool{true, false} {
		calls := 0
		t.Run(fmt.Sprintf("nothing goes wrong, good image %t", good), func(t *testing.T) {
			calls = undisturbedData(t, b, good)
		})
		for call := 1; call <= calls+1; call++ {
			for _, f := range faults() {
				// What fails without refit's end is told, and the data may be the victim.
				if f.ends || f.asks {
					all = append(all, torment{good: good, fault: f, call: call})
				}
			}
		}
	}
	if !tortured() {
		all = some(all, hookSample)
	}
	for _, c := range all {
		work = append(work, func() {
			t.Run(c.String(), func(t *testing.T) {
				x := beginData(t, b, c.good)
				p := intercept(t, b.socket)
				p.at, p.fault = c.call, c.fault
				_, said := x.update(p).wait()
				x.judge(r, said, p.struck() != "")
			})
		})
	}
	return work
}

// undisturbedData runs an update with which nothing goes wrong, and returns how many
// calls it makes.
func undisturbedData(t *testing.T, b *bench, good bool) int {
	x := beginData(t, b, good)
	p := intercept(t, b.socket)
	want := exitDone
	if !good {
		want = exitRolledBack
	}
	if code, out := x.update(p).wait(); code != want {
		t.Fatalf("refit update: exit code %d, want %d:\n%s", code, want, out)
	}
	for _, wrong := range append(x.violations(false).wrong, x.dataViolations()...) {
		t.Error(wrong)
	}
	if found, err := os.ReadDir(filepath.Join(x.backups, x.name)); err != nil || len(found) != 1 {
		t.Errorf("there are %d backups (%v), want one", len(found), err)
	}
	t.Logf("%d calls", len(p.made()))
	return len(p.made())
}

// judge lets a fresh refit recover, and looks for all that is wrong afterwards.
func (x *dataTrial) judge(r *record, said string, struck bool) {
	x.Helper()
	x.dead()
	half := x.unfinished()
	began := time.Now()
	_, recovered := x.recover()
	v := x.violations(false)
	r.add(struck, v, time.Since(began))
	// Who starts a plugin clears away what dead ones have left.
	if code, out := x.start("unix://"+x.socket, "hooks").wait(); code != exitDone {
		x.Errorf("refit hooks: exit code %d:\n%s", code, out)
	}
	for _, wrong := range slices.Concat(v.wrong, half, x.dataViolations()) {
		x.Error(wrong)
	}
	if x.Failed() {
		x.Logf("refit update said:\n%s\nrefit recover said:\n%s\nthe hook was told: %v", said, recovered, x.told())
	}
}
