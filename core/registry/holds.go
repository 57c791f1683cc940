package registry

import (
	"context"
	"log/slog"
	"time"
)

// Holds remembers, across restarts, until when registry hosts want to be left
// alone. A host is named as people do: "docker.io", "registry.example:5000".
type Holds interface {
	// RegistryHolds returns what is remembered, also what is over by now.
	RegistryHolds(ctx context.Context) (map[string]time.Time, error)
	// SetRegistryHold replaces what is remembered of one host. The zero time
	// forgets it; it is no error if nothing was remembered.
	SetRegistryHold(ctx context.Context, host string, until time.Time) error
}

// recall reads what is remembered, before a host is asked: another process may have
// learned something meanwhile.
func (r *Registry) recall(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Holds == nil {
		return
	}
	holds, err := r.Holds.RegistryHolds(ctx)
	if err != nil {
		r.log().Warn("asking registries without knowing which want to be left alone", slog.Any("error", err))
		return
	}
	r.holds = holds
}

// remember writes down until when the host wants to be left alone, if that is
// news. It is written also when the Check is stopped: that is when it counts.
func (r *Registry) remember(ctx context.Context, p *peer) {
	p.writing.Lock() // an earlier hold must not be written over a later one
	defer p.writing.Unlock()
	until := p.held()
	p.mu.Lock()
	known := p.limits.saved.Equal(until)
	p.limits.saved = until
	p.mu.Unlock()
	if r.Holds == nil || known {
		return
	}
	if err := r.Holds.SetRegistryHold(context.WithoutCancel(ctx), p.host, until); err != nil {
		r.log().Warn("a registry's limit will be forgotten at the next start",
			slog.String("registry", p.host), slog.Any("error", err))
	}
}

// log is silent where nobody is to hear.
func (r *Registry) log() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}
