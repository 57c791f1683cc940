package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
)

const (
	kills = 20
	// seed makes the moments of the kills, and of the outages, the same in every run.
	seed = 11
	// diligent is set for a process that has updates to tell of; without it, one only
	// delivers what others owe.
	diligent = "REFIT_STORY_DILIGENT"
)

// reportUpdates is a Refit without an engine: it has updated one container after the
// other, and tells of them by the ways of the real one. It ends when it is killed.
func reportUpdates() {
	if err := reporting(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func reporting(ctx context.Context) error {
	p := &program{config: newConfig(), getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}
	if err := settle(&p.config, flagsOf(""), variablesOf(os.Environ())); err != nil {
		return err
	}
	p.log = newLog(os.Stderr, p.config)
	s := &session{program: p, engine: docker.Info{Name: "nas"}}
	l, err := ledger.Open(p.data)
	if err != nil {
		return err
	}
	s.ledger = l
	if s.post, err = s.newPost(l); err != nil {
		return err
	}
	s.post.note(ctx, s.post.clerk.Begin)
	s.reportSome(ctx, nil) // as after every recovery
	return s.post.beside(ctx, s.post.always, func(ctx context.Context) error {
		if os.Getenv(diligent) == "" {
			<-ctx.Done()
			return nil
		}
		return s.updateForever(ctx)
	})
}

// updateForever records updates, a few in each cycle, and reports them.
func (s *session) updateForever(ctx context.Context) error {
	past, err := s.ledger.History(ctx, "", 0)
	if err != nil {
		return err
	}
	n := len(past)
	for {
		var cycle []core.Result
		for range 1 + n%3 {
			r := core.Result{Name: fmt.Sprintf("web-%04d.", n), Outcome: core.OutcomeUpdated, Started: time.Now(), Took: time.Millisecond}
			r.Reason.Code = core.NewImage
			if err := (herald{s.ledger, s.post}).Record(ctx, core.Entry{Attempt: r.Name, Succeeded: true, Result: r}); err != nil {
				return err
			}
			cycle = append(cycle, r)
			n++
		}
		s.report(ctx, cycle)
		time.Sleep(20 * time.Millisecond) // the pace of the load
	}
}

// moody is a webhook that is down half of the time, in all the ways of being down.
type moody struct {
	began time.Time

	mu     sync.Mutex
	cured  bool
	heard  map[string]int // how often each name was
	order  []string       // in which they were first
	asked  int
	failed int
}

const (
	well = iota
	refusing
	hangingUp
	hangingUpLate // when it has taken the message
	moods
)

// mood is the webhook's present one. It may change four times in a second.
func (m *moody) mood() int {
	phase := time.Since(m.began) / (250 * time.Millisecond)
	rng := rand.New(rand.NewPCG(seed, uint64(phase)))
	if m.cured || rng.IntN(2) == 0 {
		return well
	}
	return refusing + rng.IntN(moods-refusing)
}

// ServeHTTP takes a message, or not.
func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	mood := m.mood()
	m.asked++
	if mood != well {
		m.failed++
	}
	if err == nil && (mood == well || mood == hangingUpLate) {
		m.hear(string(body))
	}
	switch mood {
	case well:
	case refusing:
		w.Header().Set("Retry-After", "0.2")
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		panic(http.ErrAbortHandler)
	}
}

// hear notes the names in a message.
func (m *moody) hear(body string) {
	for _, part := range strings.Split(body, `"container":"`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if m.heard[name] == 0 {
			m.order = append(m.order, name)
		}
		m.heard[name]++
	}
}

// TestNothingOwedIsLostByKills kills Refit again and again while a channel comes and
// goes. What the ledger's history has is owed.
func TestNothingOwedIsLostByKills(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("refit-reports")
	if err != nil {
		t.Fatal(err)
	}
	channel := &moody{began: time.Now(), heard: map[string]int{}}
	server := httptest.NewUnstartedServer(channel)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.Start()
	t.Cleanup(server.Close)
	data := filepath.Join(t.TempDir(), "state")
	start := func(more ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append([]string{"REFIT_DATA=" + data, "REFIT_NOTIFY=ops=generic+" + server.URL + "/precious", "REFIT_LOG_LEVEL=error"}, more...)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	for range kills {
		cmd := start(diligent + "=yes")
		time.Sleep(time.Duration(100+rng.IntN(1200)) * time.Millisecond) // a moment by chance
		kill(t, cmd)
	}
	channel.mu.Lock()
	channel.cured = true
	channel.mu.Unlock()
	cmd := start()
	l := ledger.At(data)
	for deadline := time.Now().Add(time.Minute); owes(t, l); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("something is still owed a minute after the channel is well again")
		}
	}
	kill(t, cmd)
	channel.compare(t, l)
}

// kill ends the process as a power cut would.
func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it had ended before it was killed: %v", err)
	}
}

// owes tells whether something is to be written down yet, or to be delivered.
func owes(t *testing.T, l *ledger.Ledger) bool {
	t.Helper()
	untold, _, err := l.Untold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	letters, err := l.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(untold)+len(letters) > 0
}

// compare wants what was heard to be what has happened, in its order.
func (m *moody) compare(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	past, err := l.History(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var owed []string
	twice := 0
	for i := range past { // newest first
		name := past[len(past)-1-i].Name
		owed = append(owed, name)
		twice += max(0, m.heard[name]-1)
	}
	if diff := cmp.Diff(owed, m.order); diff != "" {
		t.Errorf("what is owed, and what was delivered first, in their order (-owed +delivered):\n%s", diff)
	}
	if m.failed == 0 {
		t.Error("the channel was never down")
	}
	t.Logf("killed %d times; the channel failed %d of %d times; delivered %d of %d owed, %d of them more than was needed",
		kills, m.failed, m.asked, len(m.order), len(owed), twice)
}
