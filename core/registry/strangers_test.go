package registry_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
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
