// Package registry asks registries which digest a reference stands for now, and what
// the image of a digest says.
//
// Nothing here pulls an image, talks to an engine, decides whether a container is
// to be updated, or keeps a file. Docker's config.json is read for credentials and
// never written.
package registry

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/refit-dev/refit/core"
)

// Registry answers queries about references at any registry. The zero value
// works. Its fields are not to be changed after the first call.
//
// It keeps connections, bearer tokens and what registries say of their limits
// from one Check to the next.
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
	// digest, at each try. A Check waits as long for a registry that limits how often
	// it is asked. 0 means 10 s.
	Timeout time.Duration
	// Parallel is how many references of one registry host are asked at the
	// same time by one Check. 0 means 20. All hosts together are asked at most
	// 100 at a time, which a Check of many hosts shares out among them: of more
	// than 100 hosts each has one place, for that is what keeps a host that hangs
	// from delaying another. Config and Layers ask beside that, one at a time each.
	Parallel int
	// Mirrors are Docker Hub's, by their URLs ("https://mirror.example"), asked
	// before it and in their order: those of the engine, which pulls from them.
	// What none of them knows Docker Hub is asked for. One with http:// is spoken
	// to without TLS.
	Mirrors []string
	// Roots are the authorities whose certificates are trusted; nil means the
	// system's. They do not count where there is a Transport.
	Roots *x509.CertPool
	// Transport carries the requests; nil means a transport of its own that
	// heeds the proxy variables of the environment. Only for an *http.Transport
	// can the check of certificates be left out for insecure registries.
	Transport http.RoundTripper
	// Platform is the engine's own: Config reads what is for it where an image names
	// no platform. Check does not need it.
	Platform core.Platform
	// UserAgent stands before the client library's own. "" means "refit".
	UserAgent string
	// Holds remembers across restarts which registries want to be left alone;
	// nil remembers while the process lives.
	Holds Holds
	// Log hears of what keeps Holds from remembering; nil means silence.
	Log *slog.Logger

	mu    sync.Mutex
	door  *door
	holds map[string]time.Time // what was remembered at the last Check
	peers map[string]*peer     // by host
}

// ask is one distinct reference and the queries that it answers. Queries that
// differ in nothing but platform share it: a tag's digest is its index's, the
// same for every platform.
type ask struct {
	reference core.Reference
	text      string // as people know it
	ref       name.Reference
	question  question
	queries   []core.Query
	answer    core.Answer
}

// Check answers every query, each with a digest or with a fault. References are
// asked at the same time, and a registry that hangs delays only its own.
func (r *Registry) Check(ctx context.Context, queries []core.Query) map[core.Query]core.Answer {
	answers := make(map[core.Query]core.Answer, len(queries))
	hosts := r.group(queries, answers)
	if len(hosts) == 0 {
		return answers
	}
	r.recall(ctx)
	creds, shares := loadConfig(r.ConfigDir), r.shares(hosts)
	var wg sync.WaitGroup
	for host, asks := range hosts {
		wg.Go(func() { r.inquire(ctx, creds, host, shares[host], asks) })
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
			var err error
			if a, err = r.newAsk(q.Reference); err != nil {
				answers[q] = core.Answer{Fault: core.Reason{
					Code: core.BadReference, Text: "its image reference is not one that a registry can be asked about",
				}}
				continue
			}
			known[key] = a
			host := hostOf(q.Reference)
			hosts[host] = append(hosts[host], a)
		}
		a.queries = append(a.queries, q)
	}
	return hosts
}

func (r *Registry) newAsk(ref core.Reference) (*ask, error) {
	wire, err := r.name(ref)
	return &ask{reference: ref, text: display(ref), ref: wire}, err
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

// overall is how many references are asked at the same time, of all hosts together,
// where there are no more hosts than that.
const overall = 100

// shares says how many references of each host may be asked at the same time. A
// host has its places for itself: one that hangs keeps none of another's. Where
// there are not enough, those that need few have them all and the rest is
// divided; each has one at least.
func (r *Registry) shares(hosts map[string][]*ask) map[string]int {
	names := slices.Collect(maps.Keys(hosts))
	needs := func(host string) int { return min(r.parallel(), len(hosts[host])) }
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(needs(a), needs(b)) })
	shares, free := make(map[string]int, len(names)), overall
	for i, host := range names {
		shares[host] = max(1, min(needs(host), free/(len(names)-i)))
		free -= shares[host]
	}
	return shares
}
