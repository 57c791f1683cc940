package registrytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// counter counts the bytes of an answer's body.
type counter struct {
	http.ResponseWriter
	registry *Registry
	kind     Kind
}

func (c counter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.registry.mu.Lock()
	defer c.registry.mu.Unlock()
	c.registry.sent[c.kind] += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Sent returns how many bytes the answers to requests of a kind had, since the start
// or the last Reset. Some of them may be on their way still, or lost.
func (r *Registry) Sent(kind Kind) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[kind]
}

// CutAfter lets the registry answer, and ends the connection when that many bytes of
// the answer's body are out.
func (r *Registry) CutAfter(bytes int) Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		r.serve(&cutter{w, bytes}, q)
		return true
	}
}

type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b[:min(len(b), c.left)])
	if c.left -= n; c.left > 0 || err != nil {
		return n, err
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush() // what is not out is cut off, too
	panic(http.ErrAbortHandler)
}

// Trickle lets the registry answer with so many bytes in a second, in tenths of them.
func (r *Registry) Trickle(bytes int) Trouble {
	return func(w http.ResponseWriter, q *http.Request) bool {
		r.serve(&trickle{w, q, bytes / 10}, q)
		return true
	}
}

type trickle struct {
	http.ResponseWriter
	q    *http.Request
	once int
}

func (t *trickle) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		var n int
		n, err = t.ResponseWriter.Write(b[:min(len(b), t.once)])
		b, written = b[n:], written+n
		_ = http.NewResponseController(t.ResponseWriter).Flush() // a client that has gone is found below
		select {
		case <-time.After(time.Second / 10):
		case <-t.q.Context().Done():
			return written, t.q.Context().Err()
		}
	}
	return written, err
}

// serve answers a request, and knows a range without an end, with which engines go on
// where they were cut off: the registry behind does not.
func (r *Registry) serve(w http.ResponseWriter, q *http.Request) {
	begin, open := strings.CutSuffix(q.Header.Get("Range"), "-")
	if open && q.Method == http.MethodGet {
		head := q.Clone(q.Context())
		head.Method, head.Header = http.MethodHead, http.Header{}
		found := httptest.NewRecorder()
		r.inner.ServeHTTP(found, head)
		if size, err := strconv.Atoi(found.Header().Get("Content-Length")); err == nil {
			q = q.Clone(q.Context())
			q.Header.Set("Range", fmt.Sprintf("%s-%d", begin, size-1))
		}
	}
	r.inner.ServeHTTP(w, q)
}
