package host

import (
	"sync"
	"time"
)

// memory is how long it is remembered that a plugin did not start.
const memory = 30 * time.Second

// mishaps are the plugins that did not start lately. The zero value knows none.
type mishaps struct {
	mu  sync.Mutex
	all map[identity]mishap
}

type mishap struct {
	err  error
	when time.Time
}

// of returns what went wrong with the plugin, nil if nothing did, or long ago.
func (m *mishaps) of(i identity) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.all[i]
	if time.Since(last.when) > memory {
		return nil
	}
	return last.err
}

// note remembers how a start went: err is nil if it went well.
func (m *mishaps) note(i identity, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[identity]mishap{}
	}
	m.all[i] = mishap{err: err, when: time.Now()}
}

// forget forgets them all: a new cycle tries anew.
func (m *mishaps) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = nil
}
