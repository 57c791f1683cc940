// Package registry asks registries which digest a reference stands for now.
//
// Nothing here pulls an image, talks to an engine, decides whether a container is
// to be updated, or remembers anything beyond the life of the process. Docker's
// config.json is read for credentials and never written.
package registry

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/refit-dev/refit/core"
)

// Registry answers queries about references at any registry. The zero value
// works. Its fields are not to be changed after the first call.
//
// It keeps connections and bearer tokens from one Check to the next.
// Credentials are read anew in each, so a changed config.json needs no restart.
type Registry struct {
	// ConfigDir is the directory of Docker's config.json. "" means
	// $DOCKER_CONFIG, else .docker in the home directory.
	ConfigDir string
	// Insecure are the registries that may speak plain HTTP or show a
	// certificate that nobody vouches for: "host:port", or "host" for all its
	// ports. Loopback names and addresses always may, as for the engine.
	Insecure []string
	// Timeout is how long one reference may take, from its first request to its
	// digest. 0 means 10 s.
	Timeout time.Duration
	// Parallel is how many references of one registry host are asked at the
	// same time by one Check. 0 means 20.
	Parallel int
	// Transport carries the requests; nil means a transport of its own that
	// heeds the proxy variables of the environment. Only for an *http.Transport
	// can the check of certificates be left out for insecure registries.
	Transport http.RoundTripper
	// UserAgent stands before the client library's own. "" means "refit".
	UserAgent string

	mu      sync.Mutex
	door    *door
	session *session
}

// ask is one distinct reference and the queries that it answers. Queries that
// differ in nothing but platform share it: a tag's digest is its index's, the
// same for every platform.
type ask struct {
	text    string // as people know it
	ref     name.Reference
	queries []core.Query
	answer  core.Answer
}

// Check answers every query, each with a digest or with a fault. References are
// asked at the same time, and a registry that hangs delays only its own.
func (r *Registry) Check(ctx context.Context, queries []core.Query) map[core.Query]core.Answer {
	answers := make(map[core.Query]core.Answer, len(queries))
	hosts := r.group(queries, answers)
	if len(hosts) == 0 {
		return answers
	}
	s, creds := r.current(), loadConfig(r.ConfigDir)
	var wg sync.WaitGroup
	for host, asks := range hosts {
		wg.Go(func() { r.visit(ctx, s, creds, host, asks) })
	}
	wg.Wait()
	for _, asks := range hosts {
		for _, a := range asks {
			for _, q := range a.queries {
				answers[q] = a.answer
			}
		}
	}
	return answers
}

// group sorts the queries by registry host, and by reference within it. Those
// that no registry can answer get their fault at once.
func (r *Registry) group(queries []core.Query, answers map[core.Query]core.Answer) map[string][]*ask {
	hosts := map[string][]*ask{}
	known := map[core.Reference]*ask{}
	for _, q := range queries {
		key := q.Reference
		key.Text = "" // "nginx" and "nginx:latest" are the same question
		a := known[key]
		switch {
		case q.Local:
			answers[q] = core.Answer{Fault: core.Reason{
				Code: core.Unsupported, Text: "the question is about a local image, which no registry knows",
			}}
			continue
		case a == nil:
			ref, err := r.name(q.Reference)
			if err != nil {
				answers[q] = core.Answer{Fault: core.Reason{
					Code: core.BadReference, Text: "its image reference is not one that a registry can be asked about",
				}}
				continue
			}
			a = &ask{text: display(q.Reference), ref: ref}
			known[key] = a
			host := hostOf(q.Reference)
			hosts[host] = append(hosts[host], a)
		}
		a.queries = append(a.queries, q)
	}
	return hosts
}

// name gives the reference the name that the client library knows it by, with
// Docker Hub under its wire name index.docker.io.
func (r *Registry) name(ref core.Reference) (name.Reference, error) {
	var options []name.Option
	if r.insecure(hostOf(ref)) {
		options = append(options, name.Insecure)
	}
	if ref.Digest != "" {
		return name.NewDigest(ref.Repository+"@"+ref.Digest, options...)
	}
	return name.NewTag(ref.Repository+":"+ref.Tag, options...)
}

// hostOf is the registry of a reference, by the name that people use.
func hostOf(ref core.Reference) string {
	host, _, _ := strings.Cut(ref.Repository, "/")
	return host
}

// display is the reference in full, for people.
func display(ref core.Reference) string {
	if ref.Digest != "" {
		return ref.Repository + "@" + ref.Digest
	}
	return ref.Repository + ":" + ref.Tag
}

// visit is the conversation with one registry host in one Check.
type visit struct {
	session *session
	host    string
	lax     bool // may do without TLS, or without a good certificate
	login   login
	timeout time.Duration

	// answers counts the references that the host has said something about.
	answers atomic.Int64
	// silence is set when the host has been given up for this Check.
	silence atomic.Pointer[core.Reason]
}

// visit asks one host all its references, a bounded number at a time.
func (r *Registry) visit(ctx context.Context, s *session, creds *config, host string, asks []*ask) {
	v := &visit{session: s, host: host, lax: r.insecure(host), timeout: r.timeout()}
	lookup, cancel := context.WithTimeout(ctx, v.timeout)
	v.login = creds.login(lookup, host)
	cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(r.parallel(), len(asks)) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(len(asks)); i = next.Add(1) {
				a := asks[i-1]
				a.answer = v.answer(ctx, a)
			}
		})
	}
	wg.Wait()
}

// answer asks for one reference.
//
// A reference whose time runs out while the host answers nobody else either
// gives the host up: the others would wait as long, one batch after the other.
func (v *visit) answer(ctx context.Context, a *ask) core.Answer {
	if v.login.firm {
		return core.Answer{Fault: v.login.fault}
	}
	if silence := v.silence.Load(); silence != nil {
		return core.Answer{Fault: *silence}
	}
	before := v.answers.Load()
	timed, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	t := &trip{auth: v.login.auth}
	digest, err := v.session.digest(withTrip(timed, t), t, a.ref)
	if err == nil {
		v.answers.Add(1)
		v.session.worked.Store(a.ref.Context(), true)
		return core.Answer{Digest: digest}
	}
	if ctx.Err() != nil {
		return core.Answer{Fault: core.Reason{Code: core.Cancelled, Text: "the check was stopped before " + v.host + " answered"}}
	}
	fault := v.explain(a, err)
	switch {
	case fault.Code != core.RegistryUnreachable:
		v.answers.Add(1)
	case timedOut(err) && v.answers.Load() == before:
		v.silence.Store(&fault)
	}
	if _, worked := v.session.worked.Load(a.ref.Context()); worked && fault.Code == core.Unauthorized {
		v.session.stale.Store(true)
	}
	return core.Answer{Fault: fault}
}

func (r *Registry) timeout() time.Duration {
	if r.Timeout <= 0 {
		return 10 * time.Second
	}
	return r.Timeout
}

func (r *Registry) parallel() int {
	if r.Parallel <= 0 {
		return 20
	}
	return r.Parallel
}
