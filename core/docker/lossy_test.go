package docker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"
	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
)

// lossy stands between a client and the engine, and takes one thing out of each
// request that makes a container.
type lossy struct {
	host   string
	dir    string
	server *http.Server
	served chan error
	pick   *rand.Rand
	took   string
}

// newLossy listens for a client of the fleet's engine.
func newLossy(f *fleet, pick *rand.Rand) (*lossy, error) {
	dir, err := os.MkdirTemp("", "refit-l-") // a socket's path has at most 107 bytes
	if err != nil {
		return nil, err
	}
	l := &lossy{host: "unix://" + filepath.Join(dir, "s"), dir: dir, served: make(chan error, 1), pick: pick}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return nil, err
	}
	dial := f.API.Dialer()
	l.server = &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "engine"})
			if strings.HasSuffix(r.In.URL.Path, "/containers/create") {
				l.spoil(r.Out)
			}
		},
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }, DisableKeepAlives: true,
		},
	}}
	go func() { l.served <- l.server.Serve(listener) }()
	return l, nil
}

func (l *lossy) close() error {
	err := l.server.Close()
	if served := <-l.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// spoil takes something out of the request's body.
func (l *lossy) spoil(r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return // the engine will say so
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var body tree
	if decoder.Decode(&body) == nil {
		losses := lossesOf("", body)
		one := losses[l.pick.IntN(len(losses))]
		one.take()
		l.took = one.at
		if encoded, err := json.Marshal(body); err == nil {
			content = encoded
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
}

// loss is one thing that can be taken out of a body.
type loss struct {
	at   string
	take func()
}

// lossesOf lists everything that can be taken out: each member that says something,
// each item of a list.
func lossesOf(at string, o tree) []loss {
	var all []loss
	for _, key := range slices.Sorted(maps.Keys(o)) {
		name := at + "." + key
		member := loss{name, func() { delete(o, key) }}
		switch value := o[key].(type) {
		case tree:
			all = append(append(all, member), lossesOf(name, value)...)
		case []any:
			all = append(append(all, member), lossesIn(name, value, func(left []any) { o[key] = left })...)
		case nil, bool, string, json.Number:
			if value != nil && value != "" && value != false && value != json.Number("0") {
				all = append(all, member)
			}
		}
	}
	// Without its image there is no container, and the mark is not the predecessor's.
	return slices.DeleteFunc(all, func(l loss) bool {
		return l.at == ".Image" || l.at == ".Labels" || l.at == ".Labels."+core.MarkLabel
	})
}

// lossesIn are those of a list.
func lossesIn(at string, list []any, set func(left []any)) []loss {
	var all []loss
	for i, item := range list {
		name := fmt.Sprintf("%s[%d]", at, i)
		all = append(all, loss{name, func() { set(slices.Delete(list, i, i+1)) }})
		if inner, is := item.(tree); is {
			all = append(all, lossesOf(name, inner)...)
		}
	}
	return all
}

// lose makes a faithful copy and one that has lost something on its way to the engine.
// The comparison has to find it, before anything has been stopped; and what makes no
// difference is not to be taken for one.
func (j *trip) lose(ctx context.Context) (wrong []string, proof bool, err error) {
	original, was, err := j.original(ctx)
	if err != nil {
		return nil, false, err
	}
	whole, _, err := j.replica(ctx, j.c, original, "-whole")
	if err != nil {
		return nil, false, err
	}
	want, err := j.look(ctx, whole)
	if err != nil {
		return nil, false, err
	}
	l, err := newLossy(j.fleet, j.pick)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	c, err := docker.New(docker.Options{Host: l.host})
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	lost, lines, err := j.replica(ctx, c, original, core.NewSuffix)
	if err != nil {
		return nil, false, &notAccepted{why: "without " + l.took + ", which is found out at once"}
	}
	got, err := j.look(ctx, lost)
	if err != nil {
		return nil, false, err
	}
	shown := difference("", want.raw, got.raw)
	for at, name := range was.volumes {
		if got.volumes[at] != name {
			shown = append(shown, "another volume at "+at)
		}
	}
	if len(shown) > 0 != (len(lines) > 0) {
		wrong = []string{fmt.Sprintf("without %s the engine shows %q, the comparison says %q", l.took, shown, lines)}
	}
	return wrong, len(shown) > 0, nil
}

// olderAPIs are versions that an operator may insist on. Each knows less than the next.
var olderAPIs = []string{"1.24", "1.30", "1.35", "1.39", "1.40", "1.41", "1.42", "1.43", "1.44", "1.45", "1.46", "1.47", "1.48"}

// speakOlder makes a copy by an older API than the original was made by. What that one
// does not know is lost: then the comparison says so, or the engine refuses it.
func (j *trip) speakOlder(ctx context.Context) (wrong []string, proof bool, err error) {
	original, was, err := j.original(ctx)
	if err != nil {
		return nil, false, err
	}
	known := slices.DeleteFunc(slices.Clone(olderAPIs), func(v string) bool { return !versions.LessThan(v, j.api) })
	version := known[j.pick.IntN(len(known))]
	oracle, err := j.add(ctx, "-oracle", j.to, unsaid(j.q, j.from.config))
	if err != nil {
		return nil, false, err
	}
	c, err := docker.New(docker.Options{Host: j.Host, APIVersion: version})
	if err != nil {
		return nil, false, err
	}
	defer c.Close()
	replica, lines, err := j.replica(ctx, c, original, core.NewSuffix)
	if err != nil {
		return nil, true, nil // it is held, and the reason is the engine's
	}
	shown, err := j.judged(ctx, was, oracle, replica)
	if len(shown) > 0 && len(lines) == 0 {
		wrong = []string{fmt.Sprintf("by API %s, in silence: %q", version, shown)}
	}
	return wrong, true, err
}
