package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"syscall"
	"time"
)

// sendFault is why a message was not sent. It wraps nothing: what it would wrap
// holds a URL.
type sendFault struct {
	text string
	// after is when to try again, if somebody has said so.
	after time.Duration
	// refused is set where this message was refused, and not the channel.
	refused bool
}

func (f *sendFault) Error() string { return f.text }

// RetryAfter is how long the other side asks to wait; 0 if it does not say.
func (f *sendFault) RetryAfter() time.Duration { return f.after }

// Permanent tells whether the same message would be refused again.
func (f *sendFault) Permanent() bool { return f.refused }

// classOf says in a few words, and without an address, what became of a
// connection; "" if it is something else.
func classOf(err error) string {
	for _, class := range []func(error) string{certificateClass, nameClass, connectionClass} {
		if text := class(err); text != "" {
			return text
		}
	}
	return ""
}

func certificateClass(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		verify  *tls.CertificateVerificationError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &unknown):
		return "TLS: certificate signed by an unknown authority"
	case errors.As(err, &name):
		return "TLS: certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "TLS: certificate has expired or is not yet valid"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "TLS: certificate is not valid"
	case errors.As(err, &record):
		return "TLS: the server does not speak it on this port"
	case errors.As(err, &alert):
		return "TLS: the server broke off"
	}
	return ""
}

func nameClass(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return ""
	case dns.IsNotFound:
		return "no such host"
	case dns.IsTimeout:
		return "name lookup timed out"
	}
	return "name lookup failed"
}

func connectionClass(err error) string {
	var network net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "network unreachable"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	return ""
}

// mailFault is what a mail server has said; nil if it has said nothing.
func mailFault(err error, clean redactor) *sendFault {
	var said *textproto.Error
	if !errors.As(err, &said) {
		return nil
	}
	return &sendFault{
		text: "SMTP " + strconv.Itoa(said.Code) + ": " + clean.clean(said.Msg),
		// Too large, and content rejected: of the rest a person can mend the cause.
		refused: said.Code == 552 || said.Code == 554,
	}
}
