package registry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

// someDigest is a digest that nothing has.
var someDigest = "sha256:" + strings.Repeat("0123456789abcdef", 4)

// headers answers 200 with headers and a body.
func headers(h map[string]string, body string) registrytest.Trouble {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for name, value := range h {
			w.Header().Set(name, value)
		}
		_, _ = w.Write([]byte(body)) // a client that has gone is part of some tests
		return true
	}
}

// both lets two troubles have a request, one after the other.
func both(a, b registrytest.Trouble) registrytest.Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool { return a(w, q) || b(w, q) }
}

func TestWhatARegistryAnswersBecomesAReason(t *testing.T) {
	t.Parallel()
	const (
		head, get = http.MethodHead, http.MethodGet
		manifests = registrytest.Manifests
	)
	cut := func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) }
	away := func(url string) registrytest.Trouble {
		return func(w http.ResponseWriter, q *http.Request) bool {
			http.Redirect(w, q, strings.ReplaceAll(url, "SELF", q.Host+q.URL.Path), http.StatusFound)
			return true
		}
	}
	tests := map[string]struct {
		trouble registrytest.Trouble
		want    core.Reason // HOST stands for the registry's
	}{
		"401 without a login": {registrytest.On(head, manifests, registrytest.Status(401)),
			core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"}},
		"403 without a login": {registrytest.On(head, manifests, registrytest.Status(403)),
			core.Reason{Code: core.Unauthorized, Text: "HOST forbids HOST/web:1 to those without a login"}},
		"404 to the HEAD and to the GET": {registrytest.On("", manifests, registrytest.Status(404)),
			core.Reason{Code: core.NotFound, Text: "HOST/web:1 is not there"}},
		"429": {registrytest.On(head, manifests, registrytest.Status(429)),
			core.Reason{Code: core.RateLimited, Text: "HOST says too many requests"}},
		"429 to the ping": {registrytest.On("", registrytest.Ping, registrytest.Status(429)),
			core.Reason{Code: core.RateLimited, Text: "HOST says too many requests"}},
		"500": {registrytest.On(head, manifests, registrytest.Status(500)),
			core.Reason{Code: core.RegistryError, Text: "HOST has trouble of its own (500 Internal Server Error)"}},
		"503 to the ping": {registrytest.On("", registrytest.Ping, registrytest.Status(503)),
			core.Reason{Code: core.RegistryError, Text: "HOST has trouble of its own (503 Service Unavailable)"}},
		"404 to the ping, from what is no registry": {registrytest.On("", registrytest.Ping, registrytest.Status(404)),
			core.Reason{Code: core.RegistryError, Text: "HOST does not speak like a registry (404 Not Found)"}},
		"an unusual status": {registrytest.On(head, manifests, registrytest.Status(418)),
			core.Reason{Code: core.RegistryError, Text: "HOST answers 418 I'm a teapot"}},
		"a body with a code of its own": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errors":[{"code":"TOOMANYREQUESTS","message":"` + password + `"}]}`))
			return true
		}), core.Reason{Code: core.RateLimited, Text: "HOST says too many requests"}},
		"a digest header that is no digest": {registrytest.On(head, manifests, headers(map[string]string{
			"Docker-Content-Digest": "sha256:" + password, "Content-Type": "application/vnd.oci.image.index.v1+json",
		}, "")), core.Reason{Code: core.RegistryError, Text: "HOST answers with a digest that is none"}},
		"a web page instead of a manifest": {registrytest.On("", manifests, headers(nil, "<html>Please log in to the hotel's network</html>")),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with something that is no image manifest"}},
		"JSON that is no manifest": {registrytest.On("", manifests, headers(nil, `{"status":"ok"}`)),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with something that is no image manifest"}},
		"a GET whose digest header lies": {both(registrytest.On(head, manifests, registrytest.Status(405)),
			registrytest.On(get, manifests, headers(map[string]string{"Docker-Content-Digest": someDigest}, `{"schemaVersion":2}`))),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with a manifest that does not have the digest it says"}},
		"an answer without end": {registrytest.On("", manifests, headers(nil, `{"schemaVersion":2,"x":"`+strings.Repeat("x", 9<<20))),
			core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"}},
		"a login that is asked for in nonsense": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer nonsense="`+password+`"`)
			return registrytest.Status(401)(w, nil)
		}), core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"}},
		"a token server that is somewhere inside": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://169.254.169.254/token?`+password+`"`)
			return registrytest.Status(401)(w, nil)
		}), core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"}},
		"redirects in a circle": {registrytest.On("", manifests, away("http://SELF")),
			core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"}},
		"a redirect to plain HTTP elsewhere": {registrytest.On("", manifests, away("http://cdn.example/blob")),
			core.Reason{Code: core.RegistryUnreachable, Text: "HOST refers to a server with plain HTTP, which is refused"}},
		"a connection that is cut": {cut,
			core.Reason{Code: core.RegistryUnreachable, Text: "HOST does not answer (connection lost)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{})
			must(reg.Push("web", "1"))
			reg.Misbehave(test.trouble)
			got := one(t, checker(t, ""), query(reg.Host+"/web:1"))
			test.want.Text = strings.ReplaceAll(test.want.Text, "HOST", reg.Host)
			if diff := cmp.Diff(core.Answer{Fault: test.want}, got); diff != "" {
				t.Error(diff)
			}
			if n := reg.Count(http.MethodHead, manifests); n > 12 {
				t.Errorf("%d HEADs", n)
			}
		})
	}
}

func TestWhereAHeadIsNoUseTheManifestIsFetched(t *testing.T) {
	t.Parallel()
	const oci = "application/vnd.oci.image.manifest.v1+json"
	tests := map[string]struct {
		head  registrytest.Trouble
		fetch int
	}{
		"404 to the HEAD":                  {registrytest.Status(404), 1},
		"405 to the HEAD":                  {registrytest.Status(405), 1},
		"no digest":                        {headers(map[string]string{"Content-Type": oci}, ""), 1},
		"a digest, but no type and length": {nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{})
			want := must(reg.Push("web", "1"))
			if test.head == nil {
				test.head = headers(map[string]string{"Docker-Content-Digest": want, "Content-Type": ""}, "")
			}
			reg.Misbehave(registrytest.On(http.MethodHead, registrytest.Manifests, test.head))
			if got := one(t, checker(t, ""), query(reg.Host+"/web:1")); got != (core.Answer{Digest: want}) {
				t.Errorf("got %+v, want %s", got, want)
			}
			if n := reg.Count(http.MethodGet, registrytest.Manifests); n != test.fetch {
				t.Errorf("%d GETs, want %d", n, test.fetch)
			}
		})
	}
}

func TestALoginThatIsRefusedIsNotCalledMissing(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]registrytest.Options{
		"by the registry":         {User: "u", Password: "another"},
		"by its token server":     {User: "u", Password: "another", Bearer: true},
		"with a name, not a user": {User: "v", Password: password},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, options)
			got := one(t, checker(t, loginFor(reg.Host, "u", password)), query(reg.Host+"/web:1"))
			want := fmt.Sprintf("%s does not accept the login for %[1]s/web:1, or it is not there", reg.Host)
			if got.Fault != (core.Reason{Code: core.Unauthorized, Text: want}) {
				t.Errorf("got %v, want %s", got.Fault, want)
			}
		})
	}
}

// netless is a dial that fails with err.
func netless(err error) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
}

func TestWhatKeepsUsFromARegistryBecomesAReason(t *testing.T) {
	t.Parallel()
	plain, secure := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{TLS: true})
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
		"no such name": {"registry.example", netless(&net.DNSError{Err: "no such host", Name: "registry.example", IsNotFound: true}),
			"does not answer (no such host)"},
		"no name server": {"registry.example", &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext},
			"does not answer (its name cannot be looked up)"},
		"an unknown certificate": {"example.com:5000", dialTo(secure.Host),
			"shows a certificate that nobody vouches for: add its CA, or name it in --insecure-registry"},
		"TLS at a private address": {"10.1.2.3:5000", dialTo(secure.Host),
			"shows a certificate for another name: name it in --insecure-registry if that is meant"},
		"a certificate for another name": {"registry.test:5000", misnamed,
			"shows a certificate for another name: name it in --insecure-registry if that is meant"},
		"plain HTTP": {"registry.example:5000", dialTo(plain.Host),
			"offers plain HTTP only, which is refused: name it in --insecure-registry if that is meant"},
		"plain HTTP at a private address": {"10.1.2.3:5000", dialTo(plain.Host),
			"offers plain HTTP only, which is refused: name it in --insecure-registry if that is meant"},
		"TLS of a kind that is too old": {"registry.example:5000", dialTo(strings.TrimPrefix(ancient.URL, "https://")),
			"does not speak TLS that can be understood"},
		"a proxy that is away": {"registry.example", proxied, "cannot be reached through the proxy"},
		"a dial that fails otherwise": {"registry.example", netless(&net.OpError{Op: "dial", Err: errors.New(password)}),
			"does not answer (no connection can be made)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &registry.Registry{ConfigDir: configDir(t, loginFor(test.host, "u", password)), Transport: test.transport, Timeout: 5 * time.Second}
			t.Cleanup(r.Close)
			got := one(t, r, query(test.host+"/team/web:1"))
			want := core.Reason{Code: core.RegistryUnreachable, Text: test.host + " " + test.want}
			if diff := cmp.Diff(core.Answer{Fault: want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, q := range append(plain.Requests(), secure.Requests()...) {
		if q.Authorization != "" {
			t.Errorf("credentials went over a connection that is not to be trusted: %+v", q)
		}
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
