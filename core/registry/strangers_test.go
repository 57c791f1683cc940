package registry_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// canned is a registry on no network: it lets the library in and then answers
// whatever it was told to.
type canned struct {
	challenge string
	status    int
	header    http.Header
	body      string
}

func (c canned) RoundTrip(q *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Request: q, Body: io.NopCloser(strings.NewReader(""))}
	switch {
	case q.Context().Err() != nil:
		return nil, q.Context().Err()
	case q.URL.Path == "/v2/" && c.challenge != "":
		resp.StatusCode = 401
		resp.Header.Set("WWW-Authenticate", c.challenge)
	case q.URL.Path != "/v2/":
		resp.StatusCode, resp.Header, resp.ContentLength = c.status, c.header.Clone(), int64(len(c.body))
		resp.Body = io.NopCloser(strings.NewReader(c.body))
	}
	return resp, nil
}

func FuzzWhateverARegistryAnswersBecomesOneAnswer(f *testing.F) {
	const echo = `{"errors":[{"code":"DENIED","message":"no, u:` + password + `"}]}`
	f.Add("", 200, "application/vnd.oci.image.index.v1+json", someDigest, "", "{}")
	f.Add("", 404, "text/html", "", "", "<html>")
	f.Add(`Basic realm="`+password+`"`, 401, "", "", "", echo)
	f.Add(`Bearer realm="https://registry.example/token",service="x"`, 200, "application/json", "", "", `{"token":"`+password+`"}`)
	f.Add(`Bearer realm="https://registry.example/token?`+password+`"`, 403, "", "", "", echo)
	f.Add(`Bearer realm="http://127.0.0.1/"`, 429, "", "sha256:"+password, "", echo)
	f.Add("", 302, "", "", "https://u:"+password+"@elsewhere.example/?"+password, "")
	f.Add("", 302, "", "", "gopher://"+password, "")
	f.Add(`Bearer realm="`, 500, ",,", "sha256:", "", echo)
	f.Fuzz(func(t *testing.T, challenge string, status int, contentType, digest, location, body string) {
		header := http.Header{}
		for key, value := range map[string]string{"Content-Type": contentType, "Docker-Content-Digest": digest, "Location": location} {
			if value != "" {
				header.Set(key, value)
			}
		}
		r := checker(t, loginFor("registry.example", "u", password))
		r.Transport = canned{challenge, status, header, body}
		q := query("registry.example/team/web:1")
		got := one(t, r, q)
		if (got.Digest == "") == (got.Fault.Code == "") || got.Fault.Code != "" && got.Fault.Text == "" {
			t.Errorf("neither a digest nor a reason, or both: %+v", got)
		}
		if got.Digest != "" && !strings.HasPrefix(got.Digest, "sha256:") && !strings.HasPrefix(got.Digest, "sha512:") {
			t.Errorf("%q is no digest", got.Digest)
		}
	})
}

// watched notes where a login or a token is sent.
type watched struct {
	canned
	mu   sync.Mutex
	seen []*url.URL
}

func (w *watched) RoundTrip(q *http.Request) (*http.Response, error) {
	form := ""
	if q.Body != nil {
		text, _ := io.ReadAll(q.Body)
		form = string(text)
	}
	if q.Header.Get("Authorization") != "" || strings.Contains(form, password) || strings.Contains(q.URL.String(), password) {
		w.mu.Lock()
		w.seen = append(w.seen, q.URL)
		w.mu.Unlock()
	}
	return w.canned.RoundTrip(q)
}

func FuzzWhateverAChallengeSaysALoginIsForItsOwnRegistry(f *testing.F) {
	for _, challenge := range []string{
		`Bearer realm="https://registry.example/token",service="x",scope="repository:web:pull"`,
		`Bearer realm="https://auth.example/token?service=y"`, `bearer realm=https://auth.example`,
		`Bearer realm="http://auth.example/token"`, `Bearer realm="https://169.254.169.254/latest"`,
		`Bearer realm="https://auth.example@evil.example/"`, `Bearer realm="//evil.example/"`,
		`Basic realm="x"`, `BASIC`, `Negotiate, Basic realm="x", Bearer realm="https://auth.example"`,
		`Bearer realm="https://auth.example/", error="invalid_token"`, "Bearer ", `Bearer realm=""`, `Bearer realm="`,
	} {
		f.Add(challenge, 200, false)
		f.Add(challenge, 401, true)
	}
	f.Fuzz(func(t *testing.T, challenge string, status int, identity bool) {
		config := loginFor("registry.example", "u", password)
		if identity {
			config = `{"auths":{"registry.example":{"identitytoken":"` + password + `"}}}`
		}
		header := http.Header{"Www-Authenticate": {challenge}, "Content-Type": {"application/json"}}
		w := &watched{canned: canned{challenge, status, header, `{"token":"` + password + `"}`}}
		r := checker(t, config)
		r.Transport = w
		one(t, r, query("registry.example/web:1"))
		for _, to := range w.seen {
			inside := net.ParseIP(to.Hostname())
			switch {
			case to.Scheme != "https":
				t.Errorf("something secret went over plain HTTP to %s", to.Host)
			case inside != nil && (inside.IsLoopback() || inside.IsPrivate() || inside.IsLinkLocalUnicast()):
				t.Errorf("something secret went to %s, which is inside", to.Host)
			case to.Host != "registry.example" && strings.HasPrefix(to.Path, "/v2/web/"):
				t.Errorf("the registry's login went to %s", to)
			}
		}
	})
}

func FuzzWhateverARegistrySaysOfItsLimitsACheckEnds(f *testing.F) {
	f.Add(429, "120", "100;w=21600", "0;w=21600", "")
	f.Add(503, "Sun, 06 Nov 1994 08:49:37 GMT", "100", "99", "30")
	f.Add(200, "", "100;w=21600", "76;w=21600", "")
	f.Add(200, "-1", "1;w=1", "0", "9999999999")
	f.Add(429, "9223372036854775807", "9223372036854775807;w=9223372036854775807", "1", "9223372036854775807")
	f.Add(429, "Fri, 31 Dec 9999 23:59:59 GMT", "-5;w=-5", "5;w=0;w=3", "-1")
	f.Add(200, "1e9", "2,2;w=60, 5;w=1", "1;;w", "1733356800")
	f.Fuzz(func(t *testing.T, status int, after, limit, remaining, reset string) {
		header := http.Header{"Docker-Content-Digest": {someDigest}, "Content-Type": {"application/json"}}
		for name, value := range map[string]string{
			"Retry-After": after, "Ratelimit-Limit": limit, "Ratelimit-Remaining": remaining, "Ratelimit-Reset": reset,
		} {
			header.Set(name, value)
		}
		dir := configDir(t, "")
		synctest.Test(t, func(t *testing.T) {
			r := &registry.Registry{ConfigDir: dir, Transport: canned{"", status, header, "{}"}, Parallel: 2}
			queries := []core.Query{query("registry.example/a:1"), query("registry.example/b:1"), query("registry.example/c:1")}
			for range 3 {
				begun := time.Now()
				for q, a := range r.Check(t.Context(), queries) {
					if (a.Digest == "") == (a.Fault.Code == "") {
						t.Errorf("%s: neither a digest nor a reason, or both: %+v", q.Reference.Repository, a)
					}
					discreet(t, a)
				}
				if took := time.Since(begun); took > time.Minute {
					t.Errorf("three references took %s", took)
				}
			}
			// Whatever it was, it is not for ever.
			time.Sleep(24*time.Hour + time.Second)
			if got := one(t, r, queries[0]); status == 200 && got.Digest == "" {
				t.Errorf("a day later: %v", got.Fault)
			}
		})
	})
}

func FuzzWhateverConfigSaysEveryQueryIsAnswered(f *testing.F) {
	f.Setenv("PATH", "") // what is fuzzed must not choose a program
	f.Add(loginFor("registry.example", "u", password))
	f.Add(loginFor("https://index.docker.io/v1/", "u", password))
	f.Add(`{"auths":{"registry.example":{"auth":"` + password + `"}}}`)
	f.Add(`{"auths":{"registry.example":{"username":"u","password":"` + password + `","identitytoken":"x"}}}`)
	f.Add(`{"auths":{"":{}},"credsStore":"","credHelpers":{"registry.example":"no-such-helper"}}`)
	f.Add(`{"auths":[],"credsStore":7}`)
	f.Add(`{"auths": ` + password)
	f.Fuzz(func(t *testing.T, config string) {
		r := checker(t, config)
		r.Transport = canned{challenge: `Basic realm="x"`, status: http.StatusUnauthorized}
		for _, repository := range []string{"registry.example/web", "docker.io/library/web"} {
			got := one(t, r, query(repository+":1"))
			if got.Fault.Code != core.Unauthorized && got.Fault.Code != core.BadCredentials {
				t.Errorf("got %+v", got)
			}
			_, err := r.EngineAuth(t.Context(), core.Reference{Repository: repository, Tag: "1"})
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error gives it away: %v", err)
			}
		}
	})
}

func TestNothingIsLeftRunning(t *testing.T) { // not parallel: it counts what runs
	reg := registrytest.New(t, registrytest.Options{User: "u", Password: password, Bearer: true})
	must(reg.Push("web", "1"))
	hangs := registrytest.New(t, registrytest.Options{})
	hangs.Misbehave(hangs.Hang)
	before := runtime.NumGoroutine()
	for range 20 {
		r := checker(t, loginFor(reg.Host, "u", password))
		r.Timeout = 50 * time.Millisecond
		r.Check(t.Context(), []core.Query{query(reg.Host + "/web:1"), query(reg.Host + "/none:1"), query(hangs.Host + "/web:1")})
		r.Close()
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			var stacks [1 << 16]byte
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks[:], true)])
		}
	}
}
