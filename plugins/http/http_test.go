package http_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
	hook "github.com/refit-dev/refit/plugins/http"
)

// marker is in everything that nobody may see: the URL's user, password, path and
// query, and the secret.
const marker = "MARKER"

type words = map[string]string

func TestHook(t *testing.T) { hookstest.Run(t, hook.New()) }

// update is one whose labels pick URLs, which the operator has configured.
func update(labels, operator words) *hooks.Update {
	return &hooks.Update{
		Attempt: "0123456789abcdef",
		Container: hooks.Container{
			ID: "4be0", Name: "shop", Running: true, Labels: words{"password": "LABEL"},
			Mounts: []hooks.Mount{{Source: "/srv/LABEL"}},
		},
		From:   hooks.Image{Reference: "shop:1", Digest: "sha256:aaa", ID: "sha256:111"},
		To:     hooks.Image{Reference: "shop:1", ID: "sha256:222"},
		Labels: labels, Operator: operator,
	}
}

// server answers, and keeps what it was asked.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
	bodies  []string
}

func serve(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s.handler(t, answer))
	t.Cleanup(s.Close)
	return s
}

func (s *server) handler(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.headers, s.bodies = append(s.headers, r.Header), append(s.bodies, string(body))
		n := len(s.bodies)
		s.mu.Unlock()
		answer(n, w, r)
	}
}

// asked is what it was asked so far, and sent the headers with it.
func (s *server) asked() ([]string, []http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies), slices.Clone(s.headers)
}

// secretURL is the server's, with a marker wherever a URL may have one.
func (s *server) secretURL() string {
	return strings.Replace(s.URL, "//", "//user"+marker+":pass"+marker+"@", 1) + "/T0/path" + marker + "?token=q" + marker
}

// operator configures the server as "approve", with a secret.
func (s *server) operator(more words) words {
	all := words{"url.approve": s.secretURL(), "secret.approve": "secret-of-" + marker, "timeout": "5s"}
	maps.Copy(all, more)
	return all
}

// tellsNothing fails the test if anything that the hook has said shows where it went.
func tellsNothing(t *testing.T, a hookstest.Answer, err error) {
	t.Helper()
	said := fmt.Sprintf("%+v %v", a, err)
	for _, secret := range []string{marker, "127.0.0.1", "://"} {
		if strings.Contains(said, secret) {
			t.Errorf("it shows %q: %s", secret, said)
		}
	}
}

func TestAnAnswerBeforeTheUpdateDecides(t *testing.T) {
	t.Parallel()
	type header = words
	for name, test := range map[string]struct {
		status int
		header header
		body   string
		want   string // the verdict
		err    string
	}{
		"200":                            {200, nil, "", "proceed", ""},
		"200 and some text":              {200, nil, "all is well", "proceed", ""},
		"204":                            {204, nil, "", "proceed", ""},
		"200 and other JSON":             {200, nil, `{"ok": true}`, "proceed", ""},
		"200 and a list":                 {200, header{"Content-Type": "application/json"}, `["ok"]`, "proceed", ""},
		"200 and proceed":                {200, nil, `{"verdict": "proceed"}`, "proceed", ""},
		"200 and defer":                  {200, nil, `{"verdict": "defer", "reason": "users\u001b[1m\nare here"}`, "defer: approve asks for later: users [1m are here", ""},
		"200 and defer until":            {200, nil, `{"verdict": "defer", "retry_at": "2001-02-03T04:05:06Z"}`, "defer until 2001-02-03T04:05:06Z: approve asks for later", ""},
		"200 and veto":                   {200, nil, ` {"verdict": "veto", "reason": "not this one"}`, "veto: approve refuses this image: not this one", ""},
		"200 and a verdict that is none": {200, nil, `{"verdict": "maybe"}`, "", "approve answers with a verdict that is none: proceed, defer or veto"},
		"200 and broken JSON":            {200, nil, `{"verdict": "ve`, "", "the answer of approve is not the JSON that it seems to be"},
		"200 and no JSON where it says":  {200, header{"Content-Type": "application/json; charset=utf-8"}, `veto`, "", "the answer of approve is not the JSON that it seems to be"},
		"200 and a wrong kind":           {200, nil, `{"verdict": 7}`, "", "the answer of approve is not the JSON that it seems to be"},
		"200 and a bad time":             {200, nil, `{"verdict": "defer", "retry_at": "soon"}`, "", "the answer of approve has a retry_at that is not a time such as 2030-01-31T04:00:00Z"},
		"200 and a flood of JSON":        {200, nil, `{"verdict": "` + strings.Repeat("x", 1<<20) + `"}`, "", "the answer of approve is longer than 64 KiB"},
		"200 and a flood of text":        {200, nil, strings.Repeat("x", 1<<20), "proceed", ""},
		"202":                            {202, nil, "a person is asked", "defer: approve asks for later: a person is asked", ""},
		"202 with a time":                {202, header{"Retry-After": "Sat, 03 Feb 2001 04:05:06 GMT"}, "", "defer until 2001-02-03T04:05:06Z: approve asks for later", ""},
		"423":                            {423, nil, "", "defer: approve asks for later", ""},
		"425":                            {425, nil, "", "defer: approve asks for later", ""},
		"429":                            {429, header{"Retry-After": "soon"}, "", "defer: approve asks for later", ""},
		"503":                            {503, nil, `{"reason": "busy"}`, "defer: approve asks for later: busy", ""},
		"503 and broken JSON":            {503, nil, `{"reason": "busy`, `defer: approve asks for later: {"reason": "busy`, ""},
		"409":                            {409, nil, "no", "veto: approve refuses this image: no", ""},
		"403":                            {403, nil, "who are you?", "", "approve answers 403 Forbidden: who are you?"},
		"404":                            {404, nil, "", "", "approve answers 404 Not Found"},
		"500":                            {500, nil, strings.Repeat("y", 1000), "", "approve answers 500 Internal Server Error: " + strings.Repeat("y", 300) + "…"},
		"599":                            {599, nil, "", "", "approve answers 599"},
		"302":                            {302, header{"Location": "/elsewhere"}, "", "", "approve answers 302 Found, a redirect, and none is followed"},
		"307":                            {307, header{"Location": "/elsewhere"}, "", "", "approve answers 307 Temporary Redirect, a redirect, and none is followed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				for key, value := range test.header {
					w.Header().Set(key, value)
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			u := update(words{"pre-update": "approve"}, s.operator(nil))
			a, err := hookstest.New(t, hook.New()).Call(t.Context(), hookstest.PreUpdate, u)
			tellsNothing(t, a, err)
			switch {
			case test.err == "" && (err != nil || a.Verdict.String() != test.want):
				t.Errorf("got  %s, %v\nwant %s", a.Verdict, err, test.want)
			case test.err != "" && (err == nil || err.Error() != test.err):
				t.Errorf("got error  %v\nwant error %s", err, test.err)
			}
			if bodies, _ := s.asked(); len(bodies) != 1 {
				t.Errorf("it was asked %d times", len(bodies))
			}
		})
	}
}

func TestADeferralTakesTheTimeThatTheAnswerNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header, body string
		want         time.Duration
	}{
		"a header":        {"900", "", 15 * time.Minute},
		"a body":          {"", `{"retry_after": 90.5}`, 90 * time.Second},
		"both":            {"900", `{"retry_after": 60}`, time.Minute},
		"a year":          {"31536000", "", 30 * 24 * time.Hour},
		"an age":          {"", `{"retry_after": 1e300}`, 30 * 24 * time.Hour},
		"a time far away": {"", `{"retry_at": "2999-01-01T00:00:00Z"}`, 30 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.header)
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, test.body)
			})
			before := time.Now().Add(test.want).Truncate(time.Second)
			got, err := hook.New().PreUpdate(t.Context(), update(words{"pre-update": "approve"}, s.operator(nil)))
			if err != nil {
				t.Fatal(err)
			}
			text, _, _ := strings.Cut(strings.TrimPrefix(got.String(), "defer until "), ": ")
			at, err := time.Parse(time.RFC3339, text)
			if err != nil || at.Before(before) || at.After(before.Add(time.Minute)) {
				t.Errorf("got %s, want about %s", got, before)
			}
		})
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	u := update(words{"pre-update": "approve", "finished": "approve"}, s.operator(nil))
	c := hookstest.New(t, hook.New())
	if _, err := c.Call(t.Context(), hookstest.PreUpdate, u); err != nil {
		t.Fatal(err)
	}
	u.Outcome = hooks.Outcome{Result: hooks.Updated, Code: "new-image", Reason: "it is new"}
	if _, err := c.Call(t.Context(), hookstest.Finished, u); err != nil {
		t.Fatal(err)
	}
	const images = `"container":{"id":"4be0","name":"shop"},` +
		`"from":{"reference":"shop:1","digest":"sha256:aaa","id":"sha256:111"},"to":{"reference":"shop:1","id":"sha256:222"}`
	want := []string{
		`{"version":1,"attempt":"0123456789abcdef","stage":"pre-update",` + images + `}`,
		`{"version":1,"attempt":"0123456789abcdef","stage":"finished",` + images +
			`,"outcome":{"result":"updated","code":"new-image","reason":"it is new"}}`,
	}
	bodies, headers := s.asked()
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
	h := headers[1]
	got := []string{h.Get("Content-Type"), h.Get("User-Agent"), h.Get("Idempotency-Key")}
	if diff := cmp.Diff([]string{"application/json", "refit", "0123456789abcdef-finished"}, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	user, password, _ := (&http.Request{Header: h}).BasicAuth()
	if user != "user"+marker || password != "pass"+marker {
		t.Errorf("it logs in as %q, %q", user, password)
	}
}

func TestWithoutASecretNothingIsSigned(t *testing.T) {
	t.Parallel()
	s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	u := update(words{"pre-update": "bare"}, s.operator(words{"url.bare": s.URL}))
	if _, err := hook.New().PreUpdate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	_, headers := s.asked()
	if got := headers[0].Get("X-Refit-Signature-256"); got != "" {
		t.Errorf("signed as %s", got)
	}
}

func TestTheEndIsToldOfWhatItWas(t *testing.T) {
	t.Parallel()
	for result, want := range map[hooks.Result][]string{
		hooks.Updated: {"finished"}, hooks.Held: {"finished"}, hooks.RolledBack: {"finished", "on-rollback"},
		hooks.Recovered: {"finished", "on-rollback"}, hooks.Failed: {"finished", "on-rollback"}, hooks.Down: {"finished", "on-rollback"},
	} {
		t.Run(string(result), func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
			u := update(words{"finished": "approve", "on-rollback": "approve"}, s.operator(nil))
			if err := hook.New().Finished(t.Context(), u, hooks.Outcome{Result: result}); err != nil {
				t.Fatal(err)
			}
			var got []string
			bodies, _ := s.asked()
			for _, body := range bodies {
				var m struct {
					Stage   string
					Outcome struct{ Result hooks.Result }
				}
				if err := json.Unmarshal([]byte(body), &m); err != nil || m.Outcome.Result != result {
					t.Errorf("%s: %v", body, err)
				}
				got = append(got, m.Stage)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("stages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEndThatCannotBeToldIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	u := update(words{"finished": "approve", "on-rollback": "approve"}, s.operator(nil))
	err := hook.New().Finished(t.Context(), u, hooks.Outcome{Result: hooks.RolledBack})
	if want := "approve answers 418 I'm a teapot\napprove answers 418 I'm a teapot"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// certificate writes the server's to a file.
func certificate(t *testing.T, s *httptest.Server) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(name, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(s.handler(t, func(int, http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := certificate(t, s.Server)
	plain := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	for name, test := range map[string]struct {
		operator words
		want     string
	}{
		"an authority of the operator's": {s.operator(words{"ca": ca}), ""},
		"an authority that is unknown":   {s.operator(nil), "call approve: its certificate is signed by an authority that is not trusted (the setting ca adds one)"},
		"another host": {
			s.operator(words{"ca": ca, "url.approve": strings.Replace(s.secretURL(), "127.0.0.1", "localhost", 1)}),
			"call approve: its certificate is for another host",
		},
		"no TLS at all": {plain.operator(words{"url.approve": strings.Replace(plain.secretURL(), "http:", "https:", 1)}), "call approve: it does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := hookstest.New(t, hook.New()).Call(t.Context(), hookstest.PreUpdate, update(words{"pre-update": "approve"}, test.operator))
			tellsNothing(t, a, err)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
