package main

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
)

// TestHook is what belongs into every hook's tests.
func TestHook(t *testing.T) {
	t.Parallel()
	hookstest.Run(t, window{time.Now})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		between, zone, now string
		opens              string // "" if it is open
	}{
		"it is open":                           {"02:00-05:00", "", "2026-03-04T03:00:00Z", ""},
		"it opens this minute":                 {"02:00-05:00", "", "2026-03-04T02:00:00Z", ""},
		"it closes this minute":                {"02:00-05:00", "", "2026-03-04T05:00:00Z", "2026-03-05T02:00:00Z"},
		"it opens later today":                 {"02:00-05:00", "", "2026-03-04T01:59:59Z", "2026-03-04T02:00:00Z"},
		"it opens next month":                  {"02:00-05:00", "", "2026-03-31T12:00:00Z", "2026-04-01T02:00:00Z"},
		"it is open before midnight":           {"22:00-04:00", "", "2026-03-04T23:00:00Z", ""},
		"it is open after midnight":            {"22:00-04:00", "", "2026-03-04T03:59:00Z", ""},
		"its zone is where it is open":         {"02:00-05:00", "America/New_York", "2026-03-04T08:00:00Z", ""},
		"its zone has summer time":             {"02:00-05:00", "Europe/Berlin", "2026-07-01T06:00:00Z", "2026-07-02T00:00:00Z"},
		"it opens on a day that begins sooner": {"02:00-05:00", "Asia/Tokyo", "2026-03-04T16:59:00Z", "2026-03-04T17:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := hooks.Proceed()
			if tt.opens != "" {
				want = hooks.Defer(clock(t, tt.opens), "the window "+tt.between+" is closed")
			}
			c := hookstest.New(t, window{func() time.Time { return clock(t, tt.now) }})
			u := &hooks.Update{Labels: map[string]string{"between": tt.between, "zone": tt.zone}}
			got, err := c.Call(t.Context(), hookstest.PreUpdate, u)
			if err != nil || got.Verdict != want {
				t.Errorf("got %v and %v, want %v", got.Verdict, err, want)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ between, zone, want string }{
		"no window":           {"", "", `between is "", and not like 02:00-05:00`},
		"half a window":       {"02:00", "", `between is "02:00", and not like 02:00-05:00`},
		"no time of the day":  {"22:00-25:00", "", `between is "22:00-25:00", and not like 02:00-05:00`},
		"a window of no time": {"02:00-02:00", "", `between is "02:00-02:00", and not like 02:00-05:00`},
		"no zone":             {"02:00-05:00", "Mars", `zone is "Mars": unknown time zone Mars`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := hookstest.New(t, window{time.Now})
			u := &hooks.Update{Labels: map[string]string{"between": tt.between, "zone": tt.zone}}
			if _, err := c.Call(t.Context(), hookstest.PreUpdate, u); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestPortMustAnswer(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	c := hookstest.New(t, window{time.Now})
	u := &hooks.Update{Labels: map[string]string{"port": port}}
	if _, err := c.Call(t.Context(), hookstest.PostUpdate, u); err != nil {
		t.Errorf("the port answers: got %v", err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = c.Call(t.Context(), hookstest.PostUpdate, u)
	if err == nil || !strings.HasPrefix(err.Error(), "the new container does not answer: ") {
		t.Errorf("the port does not answer: got %v", err)
	}
}

func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Error(err)
	}
	return at
}
