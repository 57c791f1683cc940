package registrytest

import (
	"fmt"
	"net/http"
	"path"
	"time"
)

// Misbehave lets trouble have every request from now on; nil ends it.
func (r *Registry) Misbehave(trouble Trouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trouble = trouble
}

// On limits trouble to requests of a method ("" for any) and a kind.
func On(method string, kind Kind, trouble Trouble) Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		return (method == "" || q.Method == method) && kindOf(q) == kind && trouble(w, q)
	}
}

// Status answers with a status and nothing else.
func Status(code int) Trouble {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		return true
	}
}

// Delay lets each request wait before the registry answers it.
func Delay(d time.Duration) Trouble {
	return func(_ http.ResponseWriter, q *http.Request) bool {
		select {
		case <-time.After(d):
			return false
		case <-q.Context().Done():
			return true
		}
	}
}

// Hang never answers: until the client gives up or the test ends.
func (r *Registry) Hang(_ http.ResponseWriter, q *http.Request) bool {
	select {
	case <-q.Context().Done():
	case <-r.closed:
	}
	return true
}

// Cut ends the connection in place of an answer.
func Cut(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

// Times lets trouble have the first n requests that come to it, and no more.
func (r *Registry) Times(n int, trouble Trouble) Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		r.mu.Lock()
		n--
		mine := n >= 0
		r.mu.Unlock()
		return mine && trouble(w, q)
	}
}

// RetryAfter answers with a status and says when to come back: "120", or a date.
func RetryAfter(code int, when string) Trouble {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", when)
		w.WriteHeader(code)
		return true
	}
}

// Redirect sends every request to the same path of another place: "https://elsewhere.test".
func Redirect(to string) Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		http.Redirect(w, q, to+q.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
}

// lie is what is told of a tag in place of its digest.
type lie struct{ tag, digest string }

// Lie makes the registry say, of a repository's manifests, that they have that
// digest; under it, it serves what the tag stands for. An empty digest ends it.
func (r *Registry) Lie(repository, tag, digest string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lies[repository] = (lie{tag, digest}); digest == "" {
		delete(r.lies, repository)
	}
}

// lying is the way past the lie that is told about a request, if one is.
func (r *Registry) lying(w http.ResponseWriter, q *http.Request) (http.ResponseWriter, *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	repository := repositoryOf(q)
	lie, told := r.lies[repository]
	if !told || q.Method != http.MethodHead && q.Method != http.MethodGet || kindOf(q) != Manifests {
		return w, q
	}
	if path.Base(q.URL.Path) == lie.digest {
		q = q.Clone(q.Context())
		q.URL.Path = "/v2/" + repository + "/manifests/" + lie.tag
	}
	return &liar{w, lie.digest}, q
}

type liar struct {
	http.ResponseWriter
	digest string
}

func (l *liar) WriteHeader(status int) {
	if status == http.StatusOK {
		l.Header().Set("Docker-Content-Digest", l.digest)
	}
	l.ResponseWriter.WriteHeader(status)
}

// limit is how many manifests may be asked for in a window of time.
type limit struct {
	most   int
	window time.Duration
	left   int
	ends   time.Time
}

// Limit lets most requests for manifests pass in each window, and says so as
// Docker Hub does: "RateLimit-Limit: 100;w=21600". Those beyond get a 429 without
// a word of when to come back. 0 ends it.
func (r *Registry) Limit(most int, window time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit = nil
	if most > 0 {
		r.limit = &limit{most: most, window: window}
	}
}

// spend takes a request off the budget, and tells whether there was any left.
func (r *Registry) spend(w http.ResponseWriter, q *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.limit
	if l == nil || q.Method != http.MethodHead && q.Method != http.MethodGet {
		return true
	}
	if now := time.Now(); !now.Before(l.ends) {
		l.left, l.ends = l.most, now.Add(l.window)
	}
	l.left--
	for name, n := range map[string]int{"RateLimit-Limit": l.most, "RateLimit-Remaining": max(0, l.left)} {
		w.Header().Set(name, fmt.Sprintf("%d;w=%d", n, int(l.window.Seconds())))
	}
	if l.left < 0 {
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	}
	return true
}
