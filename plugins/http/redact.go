package http

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

const (
	maxShown = 300 // bytes of an answer that are shown
	// The least length of what is hidden where it is seen: of a part of a path, which
	// may be a word of the language, and of all else.
	minPart   = 12
	minSecret = 4
)

// explain says what went wrong without showing where to: the errors of net/http name
// the URL, those of net the host, and a word of ours stands for each.
func explain(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var name *net.DNSError
	var code syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that is not trusted (the setting ca adds one)"
	case errors.As(err, &host):
		return "its certificate is for another host"
	case errors.As(err, &invalid):
		return "its certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.As(err, &name):
		return "its host's name is not known"
	case errors.As(err, &code):
		return code.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it hung up"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	}
	return "it does not speak HTTP as it should"
}

// show makes a stranger's text fit to be shown, and takes out what it may have
// repeated of the URL or the secret.
func (t target) show(text string) string {
	text = strings.ToValidUTF8(text, "?")
	for _, secret := range t.secrets() {
		text = strings.ReplaceAll(text, secret, "…")
	}
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// secrets are the parts of the URL that nobody is to see, and the secret, the
// longest first: one may hold another.
func (t target) secrets() []string {
	var all []string
	hide := func(least int, parts ...string) {
		for _, part := range parts {
			if len(part) >= least {
				all = append(all, part, url.QueryEscape(part), url.PathEscape(part))
			}
		}
	}
	user := t.url.User.Username()
	password, _ := t.url.User.Password()
	hide(minSecret, t.secret, t.url.String(), t.url.RequestURI(), t.url.Path, t.url.RawQuery, t.url.Host, t.url.Hostname(),
		user, password, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	for _, values := range t.url.Query() {
		hide(minSecret, values...)
	}
	hide(minPart, strings.Split(t.url.Path, "/")...)
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}
