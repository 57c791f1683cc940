package main

import (
	"log/slog"
	"net"
	"net/netip"
	"strings"

	"github.com/refit-dev/refit/core"
)

// mindLoopback warns, once, of a registry that the engine knows as its own machine and
// that is not there for us: in a container, localhost is that container.
func (s *session) mindLoopback(results []core.Result) {
	if !s.self.Exists() {
		return
	}
	for _, r := range results {
		host, _, _ := strings.Cut(r.From.Reference.Repository, "/")
		if r.Reason.Code != core.RegistryUnreachable || !onLoopback(host) {
			continue
		}
		s.loopback.Do(func() {
			s.log.Warn("mind the registry", slog.String("container", r.Name), slog.String("what",
				host+" is the machine to the engine, and this container to Refit: start Refit with --network host"))
		})
		return
	}
}

// onLoopback tells whether a registry's host is a machine's name for itself.
func onLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
