package loop

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests must not depend on the machine's zones

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// engine has containers and one stream of events at a time.
type engine struct {
	mu    sync.Mutex
	all   []core.Container
	down  error
	hang  bool // takes the question and does not answer
	looks int
	calls int // of Watch
	seen  func(core.Event)
	cut   chan struct{}
}

func (e *engine) Containers(ctx context.Context) ([]core.Container, error) {
	e.mu.Lock()
	e.looks++
	all, down, hang := slices.Clone(e.all), e.down, e.hang
	e.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return all, down
}

func (e *engine) Watch(ctx context.Context, seen func(core.Event)) error {
	e.mu.Lock()
	e.calls++
	if err := e.down; err != nil {
		e.mu.Unlock()
		return err
	}
	cut := make(chan struct{})
	e.seen, e.cut = seen, cut
	e.mu.Unlock()
	seen(core.Event{})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-cut:
		return errors.New("connection lost")
	}
}

// change edits what there is and tells the events.
func (e *engine) change(edit func([]core.Container) []core.Container, events ...core.Event) {
	e.mu.Lock()
	e.all = edit(e.all)
	seen := e.seen
	e.mu.Unlock()
	for _, event := range events {
		if seen != nil {
			seen(event)
		}
	}
}

func (e *engine) run(name string, labels ...string) {
	c := container(name, labels...)
	e.change(func(all []core.Container) []core.Container { return append(all, c) },
		core.Event{Action: "create", Name: name}, core.Event{Action: "start", Name: name})
}

func (e *engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = err
	if e.cut != nil {
		close(e.cut)
		e.cut, e.seen = nil, nil
	}
}

func (e *engine) counts() (looks, calls int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.looks, e.calls
}

// updater notes which containers were due when. Every step of it changes something.
type updater struct {
	engine *engine
	start  time.Time
	mu     sync.Mutex
	cycles []string // "1h0m0s: db web"
	apply  func(ctx context.Context, plan core.Plan) []core.Result
}

func (u *updater) Plan(ctx context.Context, due map[string]bool, _ []string) (core.Plan, error) {
	all, err := u.engine.Containers(ctx)
	if err != nil {
		return core.Plan{}, err
	}
	plan := core.Plan{}
	for _, c := range all {
		step := core.Step{Container: c, Action: core.Keep, Reason: core.Reason{Code: core.NotDue}}
		switch {
		case !c.State.Up():
			step.Reason.Code = core.NotRunning
		case due == nil || due[c.Name]:
			step.Action, step.Reason.Code = core.Update, core.NewImage
		}
		plan.Steps = append(plan.Steps, step)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cycles = append(u.cycles, time.Since(u.start).String()+": "+strings.Join(slices.Sorted(maps.Keys(due)), " "))
	return plan, nil
}

func (u *updater) Apply(ctx context.Context, plan core.Plan) []core.Result {
	if u.apply != nil {
		return u.apply(ctx, plan)
	}
	results := make([]core.Result, len(plan.Steps))
	for i, step := range plan.Steps {
		results[i] = core.Result{Name: step.Container.Name, Outcome: core.OutcomeUnchanged, Reason: step.Reason}
	}
	return results
}

func (u *updater) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	cycles := u.cycles
	u.cycles = nil
	return cycles
}

type memory struct {
	mu   sync.Mutex
	runs map[string]time.Time
}

func (m *memory) LastRuns(context.Context) (map[string]time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.runs), nil
}

func (m *memory) SetLastRuns(_ context.Context, runs map[string]time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs == nil {
		m.runs = map[string]time.Time{}
	}
	for name, at := range runs {
		if m.runs[name] = at; at.IsZero() {
			delete(m.runs, name)
		}
	}
	return nil
}

func (m *memory) last(name string) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[name]
}

// log is a log that two goroutines write.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// bench is a loop with everything around it. Its clock is a bubble's.
type bench struct {
	engine  *engine
	updater *updater
	memory  *memory
	log     *log
	loop    *Loop
	cancel  context.CancelFunc
	ended   chan error
}

// inBubble runs f with a loop that is not running yet. A goroutine that is left
// behind fails the test.
func inBubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{engine: &engine{}, memory: &memory{}, log: &log{}, ended: make(chan error, 1)}
		b.updater = &updater{engine: b.engine, start: time.Now()}
		b.loop = &Loop{
			Engine: b.engine, Updater: b.updater, Memory: b.memory, Default: schedule.Every(6 * time.Hour), Zone: time.UTC,
			Settings: core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: schedule.Check},
			Log:      slog.New(slog.NewTextHandler(b.log, nil)),
		}
		f(t, b)
	})
}

func (b *bench) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b.cancel = cancel
	go func() { b.ended <- b.loop.Run(ctx) }()
	synctest.Wait()
}

func (b *bench) stop(t *testing.T) {
	t.Helper()
	b.cancel()
	if err := <-b.ended; err != nil {
		t.Errorf("the loop ended with %v", err)
	}
}

// sleep lets time go by, and all that is to happen in it happen.
func (b *bench) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bench) want(t *testing.T, cycles ...string) {
	t.Helper()
	if got := b.updater.take(); !slices.Equal(got, cycles) {
		t.Errorf("got the cycles %q, want %q", got, cycles)
	}
}

// container is one that runs and is enabled, unless its labels say otherwise.
func container(name string, labels ...string) core.Container {
	c := core.Container{ID: "id-" + name, Name: name, State: core.Running, Labels: map[string]string{"refit.enable": "true"}}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		c.Labels["refit."+key] = value
	}
	return c
}
