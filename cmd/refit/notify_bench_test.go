package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/notify"
)

// BenchmarkReport is what telling people adds to a cycle of 50 containers with one
// update: without a channel, with one that is well, and with one that takes messages
// and never answers. The last two are to be the same.
func BenchmarkReport(b *testing.B) {
	hang := make(chan struct{})
	b.Cleanup(func() { close(hang) })
	for _, bm := range []struct {
		name string
		take http.HandlerFunc // nil for no channel
	}{
		{"no channel", nil},
		{"well", func(http.ResponseWriter, *http.Request) {}},
		{"hanging", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := reportingSession(b, bm.take)
			err := s.post.beside(b.Context(), s.post.always, func(ctx context.Context) error {
				for n := 0; b.Loop(); n++ {
					s.report(ctx, cycleOf(n))
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}

func reportingSession(b *testing.B, take http.HandlerFunc) *session {
	b.Helper()
	c := newConfig()
	if take != nil {
		server := httptest.NewServer(take)
		b.Cleanup(server.CloseClientConnections)
		c.notify.channels = []notify.Channel{{Name: "ops", URL: "generic+" + server.URL, Level: notify.Changes}}
	}
	s := &session{program: &program{config: c, log: newLog(io.Discard, c)}, engine: docker.Info{Name: "nas"}}
	l, err := ledger.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if s.post, err = s.newPost(l); err != nil {
		b.Fatal(err)
	}
	s.ledger = l
	s.post.note(b.Context(), s.post.clerk.Begin)
	return s
}

// cycleOf has one result that is always news.
func cycleOf(n int) []core.Result {
	results := []core.Result{{Name: "web", Outcome: core.OutcomeAvailable, Started: time.Now(), To: core.Image{Digest: fmt.Sprint(n)}}}
	for i := range 49 {
		results = append(results, core.Result{Name: fmt.Sprint("up-to-date-", i), Outcome: core.OutcomeUnchanged, Reason: core.Reason{Code: core.UpToDate}})
	}
	return results
}
