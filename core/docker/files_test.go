package docker

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

func TestWhichFilesComposeHasSent(t *testing.T) {
	t.Parallel()
	created := time.Date(2026, 5, 1, 10, 0, 0, 700e6, time.UTC)
	second := created.Truncate(time.Second)
	for name, row := range map[string]struct {
		at      time.Time
		started time.Duration // after created, 0 for never
		mode    fs.FileMode
		want    bool
	}{
		"rounded up, just before the start":            {second.Add(time.Second), 600 * time.Millisecond, 0o444, true},
		"rounded down, just after the making":          {second, 100 * time.Millisecond, 0o444, true},
		"that may be written to":                       {second, 100 * time.Millisecond, 0o666, true},
		"before a start that came much later":          {second.Add(time.Hour), time.Hour, 0o644, true},
		"long before the last of several starts":       {second.Add(time.Hour), 9 * time.Hour, 0o440, true},
		"the same, that may be written to":             {second.Add(time.Hour), 9 * time.Hour, 0o644, false},
		"by another clock":                             {second.Add(4 * time.Minute), time.Second, 0o400, true},
		"in a container that never ran":                {second.Add(time.Hour), 0, 0o444, true},
		"with a fraction of a second: the container's": {second.Add(time.Millisecond), time.Second, 0o444, false},
		"after the start: the container's":             {second.Add(2 * time.Second), 600 * time.Millisecond, 0o644, false},
		"long before the making: a person's":           {second.Add(-time.Hour), time.Second, 0o444, false},
	} {
		started := "0001-01-01T00:00:00Z"
		if row.started > 0 {
			started = created.Add(row.started).Format(time.RFC3339Nano)
		}
		f := facts{Container: object{
			"Created": created.Format(time.RFC3339Nano), "State": map[string]any{"StartedAt": started},
		}}
		if got := f.copied(container.PathStat{Mtime: row.at, Mode: row.mode}); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

// Files come and go while a container runs: one that is gone is no error.
func TestAFileThatIsGoneSinceItWasListedIsNotCopied(t *testing.T) {
	t.Parallel()
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
	}))
	defer engine.Close()
	c, err := New(Options{Host: strings.Replace(engine.URL, "http://", "tcp://", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if archive, err := c.copyOut(t.Context(), "web", "/run/secrets/gone", regular); archive != nil || err != nil {
		t.Errorf("copyOut: %v, %v, want nothing and no error", archive, err)
	}
}
