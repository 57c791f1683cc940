package registry

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refit-dev/refit/core"
)

// tokens is a registry that gives a token to everybody and has every image.
func tokens(q *http.Request) *http.Response {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: q, Body: io.NopCloser(strings.NewReader(`{"token":"x"}`))}
	switch {
	case q.URL.Path == "/v2/":
		resp.StatusCode = http.StatusUnauthorized
		resp.Header.Set("WWW-Authenticate", `Bearer realm="https://registry.test/token",service="x"`)
	case q.Method == http.MethodHead:
		resp.Header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	}
	return resp
}

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q), nil }

// Previews and jobs have images of their own, which come once: for a sidecar that runs
// for months they must not add up.
func TestWhatIsKnownOfImagesThatAreGoneIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Registry{ConfigDir: t.TempDir(), Transport: roundTrip(tokens)}
		for i := range 60 * 24 {
			for _, repository := range []string{"registry.test/web", fmt.Sprintf("registry.test/preview-%d", i)} {
				q := core.Query{Reference: core.Reference{Repository: repository, Tag: "1"}}
				if got := r.Check(t.Context(), []core.Query{q})[q]; got.Digest == "" {
					t.Fatal(got.Fault)
				}
			}
			time.Sleep(time.Hour)
		}
		p := r.peer("registry.test")
		if turns, doors := len(p.turns), len(p.doors); turns > 32*24 || doors > 2 {
			t.Errorf("after two months with an image an hour %d turns and %d ways in are known", turns, doors)
		}
	})
}
