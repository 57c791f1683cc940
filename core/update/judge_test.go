package update

import (
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
)

// TestJudge has a row for each rule of the gate. An engine says "running" of a
// container between two crashes: only its counters tell.
func TestJudge(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	first := core.Status{ID: "s", State: core.Running, StartedAt: start}
	type verdict string
	const passed, failed, none verdict = "passed", "failed", "none yet"
	for name, test := range map[string]struct {
		change func(*core.Status)
		since  time.Duration
		stable time.Duration
		want   verdict
	}{
		"running for less than the stable time":        {nil, 9 * time.Second, 10 * time.Second, none},
		"running for the stable time":                  {nil, 10 * time.Second, 10 * time.Second, passed},
		"running, but restarted by its policy":         {func(s *core.Status) { s.RestartCount = 1 }, 10 * time.Second, 10 * time.Second, failed},
		"running, but started again":                   {func(s *core.Status) { s.StartedAt = start.Add(time.Second) }, 10 * time.Second, 10 * time.Second, failed},
		"waiting for its next restart":                 {func(s *core.Status) { s.State = core.Restarting }, time.Second, 10 * time.Second, failed},
		"ended":                                        {func(s *core.Status) { s.State, s.ExitCode = core.Exited, 1 }, time.Second, 10 * time.Second, failed},
		"ended well":                                   {func(s *core.Status) { s.State = core.Exited }, time.Second, 10 * time.Second, failed},
		"ended well, and no stable time is asked for":  {func(s *core.Status) { s.State = core.Exited }, 0, 0, passed},
		"ended badly, and no stable time is asked for": {func(s *core.Status) { s.State, s.ExitCode = core.Exited, 1 }, 0, 0, failed},
		"gone":                                 {func(s *core.Status) { *s = core.Status{} }, time.Second, 10 * time.Second, failed},
		"unhealthy":                            {func(s *core.Status) { s.Health.Status = "unhealthy" }, time.Second, 10 * time.Second, failed},
		"healthy, long before the stable time": {func(s *core.Status) { s.Health.Status = "healthy" }, 0, 10 * time.Second, passed},
		"healthy, but restarted":               {func(s *core.Status) { s.Health.Status, s.RestartCount = "healthy", 1 }, 0, 10 * time.Second, failed},
		"starting, within its healthcheck's own time":    {func(s *core.Status) { s.Health = core.Health{Status: "starting", Limit: time.Minute} }, time.Minute, time.Second, none},
		"starting, after that and the margin are over":   {func(s *core.Status) { s.Health = core.Health{Status: "starting", Limit: time.Minute} }, time.Minute + healthMargin + 1, time.Second, failed},
		"starting, whatever the stable time would allow": {func(s *core.Status) { s.Health = core.Health{Status: "starting", Limit: time.Minute} }, 30 * time.Second, time.Second, none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &swap{Swap: &core.Swap{Policy: core.Policy{GateStable: test.stable}}}
			now := first
			if test.change != nil {
				test.change(&now)
			}
			got := none
			switch ok, err := s.judge(first, now, test.since); {
			case err != nil:
				got = failed
			case ok:
				got = passed
			}
			if got != test.want {
				t.Errorf("verdict %q, want %q", got, test.want)
			}
		})
	}
}
