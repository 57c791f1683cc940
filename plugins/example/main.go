// Command refit-hook-window is a hook for Refit, and an example of one: a container
// is updated in a window of time only, and a port must answer afterwards.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
	_ "time/tzdata" // Refit's image has no time zones.

	"github.com/refit-dev/refit/hooks"
)

func main() { hooks.Serve(window{time.Now}) }

// window is the hook: a value with a method for each stage that it takes part in.
type window struct{ now func() time.Time }

// Describe names the settings. A label that sets any other holds its container.
func (window) Describe() hooks.Description {
	return hooks.Description{
		Summary: "Lets updates happen in a window of time, and sees that a port answers afterwards.",
		Keys: []hooks.Key{
			{Name: "between", Help: "the window, 02:00-05:00 or 22:00-04:00; needed", Label: true},
			{Name: "zone", Help: "its time zone, Europe/Berlin; default UTC", Label: true},
			{Name: "port", Help: "a TCP port that must answer after the update; default none", Label: true},
			// Where Refit connects to is not for whoever writes labels to say.
			{Name: "host", Help: "where that port is; default 127.0.0.1"},
		},
	}
}

// PreUpdate is asked while the old container runs. An error costs nothing yet: the
// container stays as it is, and people read why.
func (w window) PreUpdate(_ context.Context, u *hooks.Update) (hooks.Verdict, error) {
	now := w.now()
	opens, err := opening(u.Setting("between"), u.Setting("zone"), now)
	switch {
	case err != nil:
		return hooks.Verdict{}, err
	case opens.After(now):
		return hooks.Defer(opens, "the window "+u.Setting("between")+" is closed"), nil
	}
	u.Log().Info("the window is open", slog.String("between", u.Setting("between")))
	return hooks.Proceed(), nil
}

// PostUpdate is called when the new container has passed its gate. An error brings
// the old one back.
func (window) PostUpdate(ctx context.Context, u *hooks.Update) error {
	host, port := u.Setting("host"), u.Setting("port")
	if port == "" {
		return nil
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("the new container does not answer: %w", err)
	}
	return conn.Close()
}

// opening is when the window opens next: now, if it is open.
func opening(between, zone string, now time.Time) (time.Time, error) {
	first, last, _ := strings.Cut(between, "-")
	from, wrong := time.Parse("15:04", first)
	to, alsoWrong := time.Parse("15:04", last)
	if wrong != nil || alsoWrong != nil || from.Equal(to) {
		return now, fmt.Errorf("between is %q, and not like 02:00-05:00", between)
	}
	if to.Before(from) { // it ends on the next day
		to = to.AddDate(0, 0, 1)
	}
	place, err := time.LoadLocation(zone) // "" is UTC
	if err != nil {
		return now, fmt.Errorf("zone is %q: %w", zone, err)
	}
	year, month, today := now.In(place).Date()
	for day := today - 1; ; day++ { // yesterday's may still be open
		opens := time.Date(year, month, day, from.Hour(), from.Minute(), 0, 0, place)
		closes := time.Date(year, month, day+to.Day()-from.Day(), to.Hour(), to.Minute(), 0, 0, place)
		switch {
		case now.Before(opens):
			return opens, nil
		case now.Before(closes):
			return now, nil
		}
	}
}
