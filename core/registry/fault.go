package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/refit-dev/refit/core"
)

// fault is an answer that was understood and is no good. Its text goes on where
// the registry's host leaves off.
type fault struct {
	code core.Code
	text string
}

func (f *fault) Error() string { return f.text }

// explain makes a reason of whatever went wrong. Its sentence is made of the
// reference, status codes and words that stand in this file. Nothing that a
// registry, a helper or a library wrote is in it: those may hold credentials.
func (v *visit) explain(a *ask, err error) core.Reason {
	var own *fault
	if errors.As(err, &own) {
		return core.Reason{Code: own.code, Text: v.host + " " + own.text}
	}
	if answer, ok := refusal(err); ok {
		return v.explainRefusal(a, answer)
	}
	if timedOut(err) {
		return core.Reason{
			Code: core.RegistryUnreachable,
			Text: fmt.Sprintf("%s does not answer (nothing within %s)", v.host, v.timeout),
		}
	}
	for _, why := range []string{untrusted(err, v.lax), network(err), plain(err)} {
		if why != "" {
			return core.Reason{Code: core.RegistryUnreachable, Text: v.host + " " + why}
		}
	}
	return core.Reason{Code: core.RegistryError, Text: v.host + " answers in a way that makes no sense"}
}

// explainRefusal goes by the status: what the body says is for programmers, and
// a HEAD has none.
func (v *visit) explainRefusal(a *ask, e *transport.Error) core.Reason {
	who, stage := v.place(a, e)
	status := fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if has(e, transport.TooManyRequestsErrorCode) {
		v.peer.refuse() // some say it in a body, with another status
	}
	if held := v.peer.held(); limited(e) && !held.IsZero() {
		return v.peer.alone(held)
	}
	switch {
	case limited(e) && e.StatusCode != http.StatusServiceUnavailable: // what it asked for is over by now
		return core.Reason{Code: core.RateLimited, Text: who + " says too many requests"}
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		return v.unauthorized(a, e.StatusCode)
	case e.StatusCode == http.StatusNotFound && stage == atManifest:
		return core.Reason{Code: core.NotFound, Text: a.text + " is not there"}
	case stage == atPing && e.StatusCode < http.StatusInternalServerError:
		return core.Reason{Code: core.RegistryError, Text: fmt.Sprintf("%s does not speak like a registry (%s)", who, status)}
	case e.StatusCode >= http.StatusInternalServerError:
		return core.Reason{Code: core.RegistryError, Text: fmt.Sprintf("%s has trouble of its own (%s)", who, status)}
	}
	return core.Reason{Code: core.RegistryError, Text: fmt.Sprintf("%s answers %s", who, status)}
}

// unauthorized explains a 401 or 403. Registries give the same answer for what
// is not there and for what may not be seen.
func (v *visit) unauthorized(a *ask, status int) core.Reason {
	switch {
	case v.login.fault.Code != "":
		return v.login.fault
	case v.login.none() && status == http.StatusUnauthorized:
		return core.Reason{Code: core.Unauthorized, Text: a.text + " is not there, or needs a login"}
	case v.login.none():
		return core.Reason{Code: core.Unauthorized, Text: v.host + " forbids " + a.text + " to those without a login"}
	case status == http.StatusUnauthorized:
		return core.Reason{Code: core.Unauthorized, Text: v.host + " does not accept the login for " + a.text + ", or it is not there"}
	}
	return core.Reason{Code: core.Unauthorized, Text: v.host + " forbids " + a.text + " to this login"}
}

// refusal returns what a registry, or its token server, answered instead.
func refusal(err error) (*transport.Error, bool) {
	var e *transport.Error
	return e, errors.As(err, &e)
}

// stage is what a request was for.
type stage int

const (
	elsewhere stage = iota // a token server, or where a redirect led
	atPing
	atManifest
)

// place says who answered and to what. Other servers stay nameless: their names
// are the registry's words.
func (v *visit) place(a *ask, e *transport.Error) (string, stage) {
	switch {
	case e.Request == nil || e.Request.URL.Host != a.ref.Context().RegistryStr():
		return "a server that " + v.host + " refers to", elsewhere
	case e.Request.URL.Path == "/v2/":
		return v.host, atPing
	case e.Request.URL.Path == "/v2/"+a.ref.Context().RepositoryStr()+"/manifests/"+a.ref.Identifier():
		return v.host, atManifest
	}
	return v.host, elsewhere
}

// limited tells whether the refusal may mean that too much was asked.
func limited(e *transport.Error) bool {
	return e.StatusCode == http.StatusTooManyRequests || e.StatusCode == http.StatusServiceUnavailable ||
		has(e, transport.TooManyRequestsErrorCode)
}

func has(e *transport.Error, code transport.ErrorCode) bool {
	for _, d := range e.Errors {
		if d.Code == code {
			return true
		}
	}
	return false
}

// untrusted explains what is wrong with a registry's TLS, "" if nothing is.
//
// A lax host has been tried with TLS first and without it next, and err is both
// failures. That it did not speak TLS is then no news.
func untrusted(err error, lax bool) string {
	var (
		verify *tls.CertificateVerificationError
		name   x509.HostnameError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return "shows a certificate for another name: name it in --insecure-registry if that is meant"
	case errors.As(err, &verify):
		return "shows a certificate that nobody vouches for: add its CA with --registry-ca, or name it in --insecure-registry"
	case lax:
		return ""
	case errors.Is(err, http.ErrSchemeMismatch):
		return "offers plain HTTP only, which is refused: name it in --insecure-registry if that is meant"
	case errors.As(err, &record), errors.As(err, &op) && alert(op):
		return "does not speak TLS that can be understood"
	}
	return ""
}

// connections are the ends that a connection comes to, in words.
var connections = []struct {
	err  error
	text string
}{
	{syscall.ECONNREFUSED, "does not answer (connection refused)"},
	{syscall.EHOSTUNREACH, "does not answer (no route to it)"},
	{syscall.ENETUNREACH, "does not answer (no route to it)"},
	{syscall.ECONNRESET, "does not answer (connection lost)"},
	{io.EOF, "does not answer (connection lost)"},
	{io.ErrUnexpectedEOF, "does not answer (connection lost)"},
}

// network explains a failure below HTTP, "" if it is none.
func network(err error) string {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch isOp := errors.As(err, &op); {
	case isOp && op.Op == "proxyconnect":
		return "cannot be reached through the proxy"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "does not answer (no such host)"
	case dns != nil:
		return "does not answer (its name cannot be looked up)"
	}
	for _, c := range connections {
		if errors.Is(err, c.err) {
			return c.text
		}
	}
	if op != nil && !alert(op) {
		return "does not answer (no connection can be made)"
	}
	return ""
}

// alert tells whether it is TLS that failed. crypto/tls has no type for it that
// is exported, but calls the operation "local error" or "remote error".
func alert(op *net.OpError) bool { return strings.HasSuffix(op.Op, " error") }

// plain explains that we were sent to plain HTTP, "" if we were not. It comes
// last: for a private address the library tries plain HTTP by itself and is
// refused, whatever else was wrong.
func plain(err error) string {
	if errors.Is(err, errPlain) {
		return "refers to a server with plain HTTP, which is refused"
	}
	return ""
}

// transient tells whether what went wrong may have passed the next moment.
func transient(err error) bool {
	if answer, ok := refusal(err); ok {
		switch answer.StatusCode {
		case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var dns *net.DNSError
	unknown := errors.As(err, &dns) && dns.IsNotFound
	return err != nil && !timedOut(err) && !unknown && network(err) != "" && untrusted(err, false) == ""
}

// timedOut tells whether time ran out, by our clock or the network's.
func timedOut(err error) bool {
	var slow net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout()
}
