package registry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// netless is a dial that fails with err.
func netless(err error) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
}

func TestWhatKeepsUsFromARegistryBecomesAReason(t *testing.T) {
	t.Parallel()
	plain, secure := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{TLS: true})
	t.Cleanup(func() { // after the parallel subtests
		for _, q := range append(plain.Requests(), secure.Requests()...) {
			if q.Authorization != "" {
				t.Errorf("credentials went over a connection that is not to be trusted: %+v", q)
			}
		}
	})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	ancient := httptest.NewUnstartedServer(http.NotFoundHandler())
	ancient.TLS = &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, MaxVersion: tls.VersionTLS12}
	ancient.Config.ErrorLog = log.New(io.Discard, "", 0)
	ancient.StartTLS()
	t.Cleanup(ancient.Close)
	refused := strings.TrimPrefix(gone.URL, "http://")
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no name server")
	}}
	trusted := secure.Server.Client().Transport.(*http.Transport).TLSClientConfig
	misnamed := dialTo(secure.Host)
	misnamed.TLSClientConfig = trusted.Clone()
	proxied := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return url.Parse("http://u:" + password + "@" + refused)
	}}

	tests := map[string]struct {
		host      string
		transport http.RoundTripper
		want      string
	}{
		"connection refused":           {refused, &http.Transport{}, "does not answer (connection refused)"},
		"refused with TLS only":        {"registry.example", dialTo(refused), "does not answer (connection refused)"},
		"refused at a private address": {"10.1.2.3:5000", dialTo(refused), "does not answer (connection refused)"},
		"no such name": {
			"registry.example", netless(&net.DNSError{Err: "no such host", Name: "registry.example", IsNotFound: true}),
			"does not answer (no such host)",
		},
		"no name server": {
			"registry.example", &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext},
			"does not answer (its name cannot be looked up)",
		},
		"an unknown certificate": {
			"example.com:5000", dialTo(secure.Host),
			"shows a certificate that nobody vouches for: add its CA with --registry-ca, or name it in --insecure-registry",
		},
		"TLS at a private address": {
			"10.1.2.3:5000", dialTo(secure.Host),
			"shows a certificate for another name: name it in --insecure-registry if that is meant",
		},
		"a certificate for another name": {
			"registry.test:5000", misnamed,
			"shows a certificate for another name: name it in --insecure-registry if that is meant",
		},
		"plain HTTP": {
			"registry.example:5000", dialTo(plain.Host),
			"offers plain HTTP only, which is refused: name it in --insecure-registry if that is meant",
		},
		"plain HTTP at a private address": {
			"10.1.2.3:5000", dialTo(plain.Host),
			"offers plain HTTP only, which is refused: name it in --insecure-registry if that is meant",
		},
		"TLS of a kind that is too old": {
			"registry.example:5000", dialTo(strings.TrimPrefix(ancient.URL, "https://")),
			"does not speak TLS that can be understood",
		},
		"a proxy that is away": {"registry.example", proxied, "cannot be reached through the proxy"},
		"a dial that fails otherwise": {
			"registry.example", netless(&net.OpError{Op: "dial", Err: errors.New(password)}),
			"does not answer (no connection can be made)",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &registry.Registry{ConfigDir: configDir(t, loginFor(test.host, "u", password)), Transport: test.transport, Timeout: time.Minute}
			t.Cleanup(r.Close)
			got := one(t, r, query(test.host+"/team/web:1"))
			want := core.Reason{Code: core.RegistryUnreachable, Text: test.host + " " + test.want}
			if diff := cmp.Diff(core.Answer{Fault: want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInsecureRegistriesMayDoWithoutTLSOrACertificate(t *testing.T) {
	t.Parallel()
	plain, secure := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{TLS: true})
	want := map[string]string{plain.Host: must(plain.Push("web", "1")), secure.Host: must(secure.Push("web", "1"))}
	hosts := map[string]string{ // what is asked for → what is named insecure
		"registry.example:5000": "registry.example:5000",
		"registry.example:5001": "registry.example",
		"10.1.2.3:5000":         "10.1.2.3:5000",
		"127.0.0.2:5000":        "",
		"localhost":             "",
		"localhost:5000":        "",
		"registry.localhost:80": "",
		"[::1]:5000":            "",
	}
	for host, insecure := range hosts {
		for server, digest := range want {
			t.Run(host+" as "+server, func(t *testing.T) {
				t.Parallel()
				r := checker(t, "")
				r.Transport, r.Insecure = dialTo(server), []string{insecure}
				if got := one(t, r, query(host+"/web:1")); got != (core.Answer{Digest: digest}) {
					t.Errorf("got %+v, want %s", got, digest)
				}
			})
		}
	}
}

func TestDockerHubIsCalledByItsWireName(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{TLS: true, User: "u", Password: password})
	want := must(reg.Push("library/nginx", "1"))
	for name, key := range map[string]string{
		"as docker login writes it": "https://index.docker.io/v1/", "by its name": "docker.io", "by its wire name": "registry-1.docker.io",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := checker(t, loginFor(key, "u", password))
			asked := make(chan string, 8)
			transport := dialTo(reg.Host)
			dial := transport.DialContext
			transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				asked <- addr
				return dial(ctx, network, addr)
			}
			transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			r.Transport = transport
			if got := one(t, r, query("docker.io/library/nginx:1")); got.Digest != want {
				t.Errorf("got %+v, want %s", got, want)
			}
			if addr := <-asked; addr != "index.docker.io:443" {
				t.Errorf("asked %s, want index.docker.io:443", addr)
			}
		})
	}
}

// For net/http all plain requests that go to a proxy are requests of one host.
func TestARegistryThatHangsKeepsNoConnectionsOfOthersBehindAProxy(t *testing.T) {
	t.Parallel()
	hangs, works := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.Method == http.MethodConnect: // they do not speak TLS
			w.WriteHeader(http.StatusBadGateway)
		case q.Host == "hangs.test:5000":
			hangs.ServeHTTP(w, q)
		default:
			works.ServeHTTP(w, q)
		}
	}))
	t.Cleanup(proxy.Close)
	want := must(works.Push("web", "1"))
	r := checker(t, "")
	r.Insecure, r.Timeout = []string{"hangs.test:5000", "works.test:5000"}, 10*time.Second
	r.Transport = &http.Transport{MaxConnsPerHost: 2, Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }}
	under, done := make(chan struct{}, 2), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	hangs.Misbehave(registrytest.On(head, manifests, func(w http.ResponseWriter, q *http.Request) bool {
		under <- struct{}{}
		return hangs.Hang(w, q)
	}))
	go func() {
		defer close(done)
		r.Check(ctx, []core.Query{query("hangs.test:5000/a:1"), query("hangs.test:5000/b:1")})
	}()
	<-under
	<-under
	begun := time.Now()
	if got := one(t, r, query("works.test:5000/web:1")); got.Digest != want || time.Since(begun) > 5*time.Second {
		t.Errorf("after %s: got %+v, want %s", time.Since(begun), got, want)
	}
	cancel()
	<-done
}
