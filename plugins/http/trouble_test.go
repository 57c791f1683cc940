package http_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/hookstest"
	hook "github.com/refit-dev/refit/plugins/http"
)

// cut ends the connection of a request after it has sent the text.
func cut(w http.ResponseWriter, text string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = io.WriteString(c, text) // the other end may be gone
		_ = c.Close()
	}
}

// closed is the address of a port at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}

func TestTroubleIsToldWithoutTheURL(t *testing.T) {
	t.Parallel()
	hang := func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, test := range map[string]struct {
		answer func(int, http.ResponseWriter, *http.Request)
		url    string // instead of the server's
		want   string
	}{
		"nobody listens": {url: "http://user" + marker + "@" + closed(t) + "/" + marker, want: "call approve: connection refused"},
		"no such host":   {url: "http://" + marker + ".invalid/" + marker, want: "call approve: its host's name is not known"},
		"it hangs":       {answer: hang, want: "call approve: no answer in time"},
		"it hangs in its answer": {answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, want: "call approve: no answer in time"},
		"it hangs up": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			cut(w, "")
		}, want: "call approve: it hung up"},
		"it hangs up in its answer": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "half")
		}, want: "call approve: it hung up"},
		"it speaks something else": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			cut(w, "220 "+marker+" ESMTP\r\n")
		}, want: "call approve: it does not speak HTTP as it should"},
		"it floods its headers": {answer: func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Flood", strings.Repeat("x", 1<<20))
		}, want: "call approve: it does not speak HTTP as it should"},
		"it repeats what it was sent": {answer: func(_ int, w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, "POST %s of %s by %s, secret-of-%s", r.URL, r.Host, r.Header.Get("Authorization"), marker)
		}, want: "approve answers 404 Not Found: POST … of … by Basic …, …"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.answer == nil {
				test.answer = hang
			}
			s := serve(t, test.answer)
			operator := s.operator(words{"timeout": "1s"})
			if test.url != "" {
				operator["url.approve"] = test.url
			}
			a, err := hookstest.New(t, hook.New()).Call(t.Context(), hookstest.PreUpdate, update(words{"pre-update": "approve"}, operator))
			tellsNothing(t, a, err)
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestASmokeTestWaitsForAServiceThatHasJustStarted(t *testing.T) {
	t.Parallel()
	status := func(all ...int) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, _ *http.Request) {
			if n = all[min(n, len(all))-1]; n == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(n)
		}
	}
	says := func(text string) func(int, http.ResponseWriter, *http.Request) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	for name, test := range map[string]struct {
		answer func(int, http.ResponseWriter, *http.Request)
		want   string
		tries  int // 0 is several
	}{
		"good at once":          {status(200), "", 1},
		"good in the end":       {status(0, 503, 502, 0, 204), "", 5},
		"never there":           {status(0), "call approve: it hung up", 0},
		"never ready":           {status(503), "approve answers 503 Service Unavailable", 0},
		"there, and then gone":  {status(503, 0), "call approve: it hung up", 0},
		"bad":                   {status(500), "approve answers 500 Internal Server Error", 1},
		"bad after a while":     {status(0, 404), "approve answers 404 Not Found", 2},
		"too many requests":     {status(429), "approve answers 429 Too Many Requests", 1},
		"a redirect":            {status(301), "approve answers 301 Moved Permanently, a redirect, and none is followed", 1},
		"a word against it":     {says(`{"verdict": "veto", "reason": "slow"}`), "approve answers 200 OK with another verdict than proceed: slow", 1},
		"a word for it":         {says(`{"verdict": "proceed"}`), "", 1},
		"a word to wait":        {says(`{"verdict": "defer", "retry_after": 900}`), "approve answers 200 OK with another verdict than proceed", 1},
		"a word that is none":   {says(`{"verdict": "maybe"}`), "approve answers 200 OK with another verdict than proceed", 1},
		"a page of no interest": {says("<html>" + strings.Repeat("x", 1<<17)), "", 1},
		// What cannot be read may have said no.
		"a word against it, misspelt": {says(`{"verdict": "veto", "retry_after": "900"}`), "the answer of approve is not the JSON that it seems to be", 1},
		"half a word":                 {says(`{"verdict": "ve`), "the answer of approve is not the JSON that it seems to be", 1},
		"a bad time":                  {says(`{"retry_at": "soon"}`), "the answer of approve has a retry_at that is not a time such as 2030-01-31T04:00:00Z", 1},
		"a flood of JSON":             {says(`{"a": "` + strings.Repeat("x", 1<<17) + `"}`), "the answer of approve is longer than 64 KiB", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, test.answer)
			timeout := "3s"
			if test.tries > 0 {
				timeout = "1m"
			}
			u := update(words{"post-update": "approve"}, s.operator(words{"timeout.approve": timeout}))
			a, err := hookstest.New(t, hook.New()).Call(t.Context(), hookstest.PostUpdate, u)
			tellsNothing(t, a, err)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			bodies, _ := s.asked()
			if n := len(bodies); n != test.tries && (test.tries > 0 || n < 2) {
				t.Errorf("it was asked %d times, want %d", n, test.tries)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := serve(t, func(int, http.ResponseWriter, *http.Request) { t.Error("it was followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		if _, err := hook.New().PreUpdate(t.Context(), update(words{"pre-update": "approve"}, s.operator(nil))); err == nil {
			t.Errorf("%d counts as an answer", status)
		}
	}
}

func TestACallEndsWithItsStage(t *testing.T) {
	t.Parallel()
	for stage, run := range map[string]func(context.Context, *hooks.Update) error{
		"pre-update": func(ctx context.Context, u *hooks.Update) error {
			_, err := hook.New().PreUpdate(ctx, u)
			return err
		},
		"post-update": hook.New().PostUpdate,
	} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			s := serve(t, func(_ int, _ http.ResponseWriter, r *http.Request) {
				cancel()
				<-r.Context().Done()
			})
			begun := time.Now()
			err := run(ctx, update(words{stage: "approve"}, s.operator(words{"timeout": "1h"})))
			if err == nil || err.Error() != "call approve: context canceled" || time.Since(begun) > time.Minute {
				t.Errorf("got %v after %s", err, time.Since(begun))
			}
		})
	}
}

func TestWrongSettingsAreRefusedBeforeAnythingIsStopped(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := words{"url.approve": "https://example.com/" + marker, "url.smoke": "http://example.com"}
	with := func(key, value string) words {
		return words{"url.approve": good["url.approve"], "url.smoke": good["url.smoke"], key: value}
	}
	for name, test := range map[string]struct {
		labels, operator words
		want             string
	}{
		"no URL at all":                    {words{"pre-update": "approve"}, nil, `pre-update names the URL "approve", which does not exist: the operator has configured none (--hook-config http.url.NAME=URL)`},
		"an unknown name":                  {words{"post-update": "smok"}, good, `post-update names the URL "smok", which does not exist: there are approve, smoke`},
		"a URL in a label":                 {words{"finished": "https://" + marker}, good, `finished is not the name of a URL: there are approve, smoke`},
		"a URL in the operator's own":      {nil, with("on-rollback", "https://"+marker), `on-rollback is not the name of a URL: there are approve, smoke`},
		"a URL as a setting of a label":    {words{"pre-update": "evil", "url.evil": "https://" + marker}, good, `pre-update names the URL "evil", which does not exist: there are approve, smoke`},
		"no scheme":                        {nil, with("url.x", marker+".example.com"), "url.x is not a URL that begins with https:// or http://"},
		"another scheme":                   {nil, with("url.x", "file:///"+marker), "url.x is not a URL that begins with https:// or http://"},
		"no host":                          {nil, with("url.x", "https:///"+marker), "url.x is a URL without a host"},
		"no URL":                           {nil, with("url.x", "https://"+marker+"\x7f"), "url.x is not a URL"},
		"a secret without its URL":         {nil, with("secret.aprove", "sixteen bytes or more"), "secret.aprove is set, and url.aprove is not"},
		"a timeout without its URL":        {nil, with("timeout.aprove", "5s"), "timeout.aprove is set, and url.aprove is not"},
		"an empty secret":                  {nil, with("secret.approve", ""), "secret.approve has less than 16 bytes"},
		"a short secret":                   {nil, with("secret.approve", marker), "secret.approve has less than 16 bytes"},
		"a timeout that is none":           {nil, with("timeout", "soon"), "timeout is not a duration: use 90s, 5m or plain seconds"},
		"a timeout of one, that is none":   {nil, with("timeout.approve", "2h"), "timeout.approve is not between 1s and 1h0m0s"},
		"certificates that are not there":  {nil, with("ca", filepath.Join(filepath.Dir(empty), "none")), "read the file of the setting ca: open "},
		"a file that holds no certificate": {nil, with("ca", empty), "the file of the setting ca holds no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hook.New().PreUpdate(t.Context(), update(test.labels, test.operator))
			if err == nil || err.Error() != test.want && (name != "certificates that are not there" || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), marker) {
				t.Errorf("it shows a secret: %v", err)
			}
		})
	}
}

func TestLabelsMaySetNoURL(t *testing.T) {
	t.Parallel()
	for _, k := range hook.New().Describe().Keys {
		stage := k.Name == "pre-update" || k.Name == "post-update" || k.Name == "finished" || k.Name == "on-rollback"
		if k.Label != stage || k.Help == "" {
			t.Errorf("key %+v", k)
		}
	}
}

// TestTheManualsExamplesCheckTheSignature runs what docs/hook-http.md tells people to
// write, on a message that was sent.
func TestTheManualsExamplesCheckTheSignature(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/hook-http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, _ := strings.Cut(string(manual), "## Checking the signature")
	example := func(language string) string {
		_, rest, _ := strings.Cut(examples, "```"+language+"\n")
		code, _, _ := strings.Cut(rest, "```")
		return code
	}
	s := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	if _, err := hook.New().PreUpdate(t.Context(), update(words{"pre-update": "approve"}, s.operator(nil))); err != nil {
		t.Fatal(err)
	}
	bodies, headers := s.asked()
	h, body := headers[0], filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, []byte(bodies[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	args := func(code, secret string) []string {
		return []string{"-c", code, secret, h.Get("X-Refit-Timestamp"), h.Get("X-Refit-Signature-256"), body}
	}
	programs := map[string]string{
		"python3": example("python") + "import sys\nh = {'X-Refit-Timestamp': sys.argv[2], 'X-Refit-Signature-256': sys.argv[3]}\n" +
			"sys.exit(not genuine(sys.argv[1].encode(), h, open(sys.argv[4], 'rb').read()))\n",
		"sh": example("sh") + "\n" + `genuine "$0" "$@"` + "\n",
	}
	for program, code := range programs {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			for _, needed := range []string{program, "openssl"} {
				if _, err := exec.LookPath(needed); err != nil {
					t.Skipf("%s is not here", needed)
				}
			}
			if out, err := exec.Command(program, args(code, "secret-of-"+marker)...).CombinedOutput(); err != nil {
				t.Errorf("a genuine message is refused: %v\n%s", err, out)
			}
			if err := exec.Command(program, args(code, "another-secret-16")...).Run(); err == nil {
				t.Error("a forged message is taken")
			}
		})
	}
}

func TestASlowAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, func(int, http.ResponseWriter, *http.Request) { <-release })
	c := hookstest.New(t, hook.New())
	time.AfterFunc(500*time.Millisecond, func() { close(release) })
	a, err := c.Call(t.Context(), hookstest.PreUpdate, update(words{"pre-update": "approve"}, s.operator(words{"timeout": "1m"})))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Progress) == 0 || a.Progress[0].Text != "waiting for approve, for 0s" {
		t.Errorf("it says nothing meanwhile: %+v", a.Progress)
	}
}

// TestAnHTTP2ServerIsUnderstood is here because the transport is not the usual one.
func TestAnHTTP2ServerIsUnderstood(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	operator := words{"url.approve": s.URL, "ca": certificate(t, s)}
	if _, err := hook.New().PreUpdate(t.Context(), update(words{"pre-update": "approve"}, operator)); err != nil {
		t.Error(err)
	}
}

func TestTheManualNamesEverySetting(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/hook-http.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range hook.New().Describe().Keys {
		if !strings.Contains(string(manual), "`"+strings.Replace(k.Name, ".*", ".NAME", 1)+"`") {
			t.Errorf("docs/hook-http.md says nothing of %s", k.Name)
		}
	}
}
