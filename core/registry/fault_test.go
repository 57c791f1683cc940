package registry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
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

// answered is a registry's trouble and the reason that it becomes. HOST stands
// for the registry's.
type answered struct {
	trouble registrytest.Trouble
	want    core.Reason
}

const (
	head, get = http.MethodHead, http.MethodGet
	manifests = registrytest.Manifests
)

// becomes checks that the trouble becomes its reason.
func (a answered) becomes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		must(reg.Push("web", "1"))
		reg.Misbehave(a.trouble)
		inAMinute := time.Now().Add(time.Minute).Local().Format(time.DateTime)
		a.want.Text = strings.NewReplacer("HOST", "registry.test", "INAMINUTE", inAMinute).Replace(a.want.Text)
		got := one(t, r, query("registry.test/web:1"))
		if limited := got.Fault.Code == core.RateLimited; limited == got.RetryAt.IsZero() {
			t.Errorf("it is to be tried again at %v: %v", got.RetryAt, got.Fault)
		}
		got.RetryAt = time.Time{}
		if diff := cmp.Diff(core.Answer{Fault: a.want}, got); diff != "" {
			t.Error(diff)
		}
		if n := reg.Count(head, manifests); n > 12 {
			t.Errorf("%d HEADs", n)
		}
	})
}

// apart is a registry, called registry.test, and who asks it, without a network
// between them: for tests in which time stands still.
func apart(t testing.TB, o registrytest.Options) (*registrytest.Registry, *registry.Registry) {
	t.Helper()
	reg := registrytest.Handler(o)
	config := ""
	if o.User != "" {
		config = loginFor("registry.test", o.User, o.Password)
	}
	return reg, &registry.Registry{ConfigDir: configDir(t, config), Transport: reg.Transport()}
}

// away redirects to a URL, in which SELF stands for where the request went.
func away(url string) registrytest.Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		http.Redirect(w, q, strings.ReplaceAll(url, "SELF", q.Host+q.URL.Path), http.StatusFound)
		return true
	}
}

func TestWhatARegistryRefusesBecomesAReason(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]answered{
		"401 without a login": {
			registrytest.On(head, manifests, registrytest.Status(401)),
			core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"},
		},
		"403 without a login": {
			registrytest.On(head, manifests, registrytest.Status(403)),
			core.Reason{Code: core.Unauthorized, Text: "HOST forbids HOST/web:1 to those without a login"},
		},
		"404 to the HEAD and to the GET": {
			registrytest.On("", manifests, registrytest.Status(404)),
			core.Reason{Code: core.NotFound, Text: "HOST/web:1 is not there"},
		},
		"429": {
			registrytest.On(head, manifests, registrytest.Status(429)),
			core.Reason{Code: core.RateLimited, Text: "HOST wants no more requests until INAMINUTE"},
		},
		"429 to the ping": {
			registrytest.On("", registrytest.Ping, registrytest.Status(429)),
			core.Reason{Code: core.RateLimited, Text: "HOST wants no more requests until INAMINUTE"},
		},
		"500": {
			registrytest.On(head, manifests, registrytest.Status(500)),
			core.Reason{Code: core.RegistryError, Text: "HOST has trouble of its own (500 Internal Server Error)"},
		},
		"503 to the ping": {
			registrytest.On("", registrytest.Ping, registrytest.Status(503)),
			core.Reason{Code: core.RegistryError, Text: "HOST has trouble of its own (503 Service Unavailable)"},
		},
		"404 to the ping, from what is no registry": {
			registrytest.On("", registrytest.Ping, registrytest.Status(404)),
			core.Reason{Code: core.RegistryError, Text: "HOST does not speak like a registry (404 Not Found)"},
		},
		"an unusual status": {
			registrytest.On(head, manifests, registrytest.Status(418)),
			core.Reason{Code: core.RegistryError, Text: "HOST answers 418 I'm a teapot"},
		},
		"a body with a code of its own": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"errors":[{"code":"TOOMANYREQUESTS","message":"` + password + `"}]}`))
			return true
		}), core.Reason{Code: core.RateLimited, Text: "HOST wants no more requests until INAMINUTE"}},
	} {
		t.Run(name, test.becomes)
	}
}

func TestWhatARegistryGarblesBecomesAReason(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]answered{
		"a digest header that is no digest": {registrytest.On(head, manifests, headers(map[string]string{
			"Docker-Content-Digest": "sha256:" + password, "Content-Type": "application/vnd.oci.image.index.v1+json",
		}, "")), core.Reason{Code: core.RegistryError, Text: "HOST answers with a digest that is none"}},
		"a web page instead of a manifest": {
			registrytest.On("", manifests, headers(nil, "<html>Please log in to the hotel's network</html>")),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with something that is no image manifest"},
		},
		"JSON that is no manifest": {
			registrytest.On("", manifests, headers(nil, `{"status":"ok"}`)),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with something that is no image manifest"},
		},
		"a GET whose digest header lies": {
			both(registrytest.On(head, manifests, registrytest.Status(405)),
				registrytest.On(get, manifests, headers(map[string]string{"Docker-Content-Digest": someDigest}, `{"schemaVersion":2}`))),
			core.Reason{Code: core.RegistryError, Text: "HOST answers with a manifest that does not have the digest it says"},
		},
		"an answer without end": {
			registrytest.On("", manifests, headers(nil, `{"schemaVersion":2,"x":"`+strings.Repeat("x", 9<<20))),
			core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"},
		},
		"a login that is asked for in nonsense": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer nonsense="`+password+`"`)
			return registrytest.Status(401)(w, nil)
		}), core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"}},
		"a token server that is somewhere inside": {registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://169.254.169.254/token?`+password+`"`)
			return registrytest.Status(401)(w, nil)
		}), core.Reason{Code: core.RegistryError, Text: "HOST refers to a token server at a private address that is not its own host and port, which is refused: the token server needs a name"}},
		"redirects in a circle": {
			registrytest.On("", manifests, away("https://SELF")),
			core.Reason{Code: core.RegistryError, Text: "HOST answers in a way that makes no sense"},
		},
		"a redirect to plain HTTP elsewhere": {
			registrytest.On("", manifests, away("http://cdn.example/blob")),
			core.Reason{Code: core.RegistryUnreachable, Text: "HOST refers to a server with plain HTTP, which is refused"},
		},
		"a connection that is cut": {
			registrytest.Cut,
			core.Reason{Code: core.RegistryUnreachable, Text: "HOST does not answer (connection lost)"},
		},
	} {
		t.Run(name, test.becomes)
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

func TestAPinnedDigestThatIsAnsweredWithAnotherIsAFault(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	pinned := must(reg.Push("web", "1"))
	reg.Misbehave(registrytest.On(http.MethodHead, registrytest.Manifests, headers(map[string]string{"Docker-Content-Digest": someDigest}, "")))
	got := one(t, checker(t, ""), core.Query{Reference: core.Reference{Repository: reg.Host + "/web", Digest: pinned}})
	want := core.Reason{Code: core.RegistryError, Text: reg.Host + " answers with another digest than it was asked for"}
	if diff := cmp.Diff(core.Answer{Fault: want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestATokenServerElsewhereStaysNameless(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	elsewhere := "tokens.localhost:5000" // the library refuses addresses of this machine, but not such names
	reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
		if q.Host == elsewhere {
			return registrytest.Status(500)(w, q)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+elsewhere+`/token"`)
		return registrytest.Status(401)(w, q)
	})
	r := checker(t, loginFor(reg.Host, "u", password))
	r.Transport = dialTo(reg.Host)
	got := one(t, r, query(reg.Host+"/web:1"))
	want := core.Reason{Code: core.RegistryError, Text: "a server that " + reg.Host + " refers to has trouble of its own (500 Internal Server Error)"}
	if diff := cmp.Diff(core.Answer{Fault: want}, got); diff != "" {
		t.Error(diff)
	}
}

// Harbor or GitLab on one machine: the registry has one port, the token server another.
func TestATokenServerAtAnAddressNeedsTheRegistrysPort(t *testing.T) {
	t.Parallel()
	for realm, want := range map[string]core.Code{
		"https://10.0.0.5:5000/token": "", "https://git.test:8443/token": "", "https://203.0.113.5:8443/token": "",
		"https://10.0.0.5:8443/token": core.RegistryError, "https://[fd00::5]:8443/token": core.RegistryError,
	} {
		reg, r := apart(t, registrytest.Options{Bearer: true})
		must(reg.Push("web", "1"))
		reg.Misbehave(registrytest.On("", registrytest.Ping, func(w http.ResponseWriter, q *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
			return registrytest.Status(401)(w, q)
		}))
		got := one(t, r, query("10.0.0.5:5000/web:1")).Fault
		if named := strings.Contains(got.Text, "a token server at a private address"); got.Code != want || named != (want != "") {
			t.Errorf("%s: got %v", realm, got)
		}
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
