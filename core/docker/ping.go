package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/versions"
)

// The API versions between which this client can speak: the oldest that a
// create call with its own network settings works with, and the newest that the
// client library knows.
const (
	oldestAPI = "1.24"
	newestAPI = "1.51"
)

// Info is what an engine says of itself.
type Info struct {
	ID      string // stays the same over restarts
	Name    string // of its host
	Version string
	API     string // the version that is spoken, at most the engine's own
	OS      string
	Arch    string // in Go's words: "amd64"
	Docker  bool   // it is Docker's own, and no other that speaks its API
	// Mirrors are the URLs of Docker Hub's mirrors that it pulls from, in their order.
	Mirrors []string
}

// version is the engine's answer to /version, as far as it is needed. It is
// asked without a version in the path, so that every engine answers.
type version struct {
	Version string `json:"Version"`
	API     string `json:"ApiVersion"`
	MinAPI  string `json:"MinAPIVersion"`
	OS      string `json:"Os"`
	Arch    string `json:"Arch"`
	// Components are the parts of the engine; Docker calls the main one "Engine".
	Components []struct{ Name string } `json:"Components"`
}

// docker tells a Docker Engine from others that speak its API.
func (v version) docker() bool {
	return slices.ContainsFunc(v.Components, func(c struct{ Name string }) bool { return c.Name == "Engine" })
}

// Ping agrees with the engine upon a version of the API and returns what the
// engine says of itself. The error of an engine that cannot be reached is an
// *UnreachableError.
func (c *Client) Ping(ctx context.Context) (Info, error) {
	v, err := c.askVersion(ctx)
	if err != nil {
		return Info{}, err
	}
	if _, err := c.negotiate(ctx); err != nil {
		return Info{}, err
	}
	info, err := c.api.Info(ctx)
	if err != nil {
		return Info{}, fmt.Errorf("ask the engine at %s about itself: %w", c.host, err)
	}
	about := Info{ID: info.ID, Name: info.Name, Version: v.Version, API: c.api.ClientVersion(), OS: v.OS, Arch: v.Arch, Docker: v.docker()}
	if info.RegistryConfig != nil {
		about.Mirrors = info.RegistryConfig.Mirrors
	}
	return about, nil
}

// askVersion asks the engine who it is and checks that a version of the API is
// common to both.
func (c *Client) askVersion(ctx context.Context) (version, error) {
	var v version
	err := c.call(ctx, http.MethodGet, "/version", nil, nil, &v)
	var answered *answer
	switch {
	case errors.As(err, &answered) && strings.Contains(answered.message, "HTTP request to an HTTPS server"):
		return v, &UnreachableError{Host: c.host, Err: err, tls: true}
	case errors.As(err, &answered):
		return v, fmt.Errorf("ask the engine at %s for its version: %w", c.host, err)
	case err != nil:
		if ctx.Err() != nil {
			return v, fmt.Errorf("reach the engine at %s: %w", c.host, ctx.Err())
		}
		return v, &UnreachableError{Host: c.host, Err: err, cert: c.cert}
	}
	return v, v.check(c.options.APIVersion)
}

// check tells what is wrong with the engine's versions. pinned is the version
// that the operator insists on, "" if negotiation may choose.
func (v version) check(pinned string) error {
	switch {
	case v.API == "":
		return errors.New("what answers is no container engine: it names no API version")
	case versions.LessThan(v.API, oldestAPI):
		return fmt.Errorf("engine %s is too old: it speaks API %s, at least %s is needed", v.Version, v.API, oldestAPI)
	case v.MinAPI != "" && versions.GreaterThan(v.MinAPI, newestAPI):
		return fmt.Errorf("engine %s is too new: it speaks API %s to %s, at most %s is known here", v.Version, v.MinAPI, v.API, newestAPI)
	case pinned == "":
		return nil
	case versions.GreaterThan(pinned, v.API):
		return fmt.Errorf("engine %s speaks API %s, which is older than the %s that was asked for", v.Version, v.API, pinned)
	case v.MinAPI != "" && versions.LessThan(pinned, v.MinAPI):
		return fmt.Errorf("engine %s speaks API %s to %s, which is newer than the %s that was asked for", v.Version, v.MinAPI, v.API, pinned)
	}
	return nil
}

// UnreachableError says that no engine answered. Its methods tell the causes
// apart for which there is something to do.
type UnreachableError struct {
	Host string
	Err  error
	tls  bool
	cert string // the file with the certificate that was shown, "" for none
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("reach the engine at %s: %v", e.Host, innermost(e.Err))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Permission tells whether the socket is there and may not be used.
func (e *UnreachableError) Permission() bool { return errors.Is(e.Err, fs.ErrPermission) }

// Refused tells whether nothing listens at the address.
func (e *UnreachableError) Refused() bool { return errors.Is(e.Err, syscall.ECONNREFUSED) }

// NoSocket tells whether there is no such socket file.
func (e *UnreachableError) NoSocket() bool { return errors.Is(e.Err, fs.ErrNotExist) }

// TLS tells whether the two sides could not agree upon a secure connection: one
// of them speaks none, or a certificate was not accepted.
func (e *UnreachableError) TLS() bool {
	var (
		record      tls.RecordHeaderError
		alert       tls.AlertError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
	)
	return e.tls || errors.As(e.Err, &record) || errors.As(e.Err, &alert) || errors.As(e.Err, &certificate) ||
		errors.As(e.Err, &authority) || errors.Is(e.Err, http.ErrSchemeMismatch) ||
		strings.Contains(e.Err.Error(), "remote error: tls:")
}

// Unwelcome tells whether the engine turned the certificate down that it was
// shown. An engine may hang up before what it says of it has arrived.
func (e *UnreachableError) Unwelcome() bool {
	said := strings.Contains(e.Err.Error(), "remote error: tls:")
	return e.cert != "" && (said || errors.Is(e.Err, syscall.ECONNRESET) || errors.Is(e.Err, syscall.EPIPE))
}

// NoClient tells whether it had to, because that certificate is none for clients:
// its extended key usage names other purposes alone, as a server's own often does.
func (e *UnreachableError) NoClient() bool {
	if !e.Unwelcome() {
		return false
	}
	shown, err := os.ReadFile(e.cert)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(shown)
	if block == nil {
		return false
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return false
	}
	return !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// innermost drops the request's URL: of a socket's it is made up, and of any
// other's it says the host again.
func innermost(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}
