package docker_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
)

var (
	someSeeds = flag.Int("seeds", 0, "how many containers make the round trip")
	firstSeed = flag.Int("first-seed", 0, "the seed of the first one")
)

// seeds is how many containers make a round trip: so many, or all that REFIT_TORTURE=full
// asks for.
func seeds(some, all int) int {
	switch {
	case *someSeeds > 0:
		return *someSeeds
	case os.Getenv("REFIT_TORTURE") == "full":
		return all
	}
	return some
}

// Containers with any options that the API knows are copied, from one image to
// another one, and the engine has to show what it shows of a container that was made
// of the same request. A seed that fails can be repeated alone:
//
//	go test ./core/docker -run RoundTrip/shows -seeds 1 -first-seed 123
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.c = connect(t, f.Engine)
	f.tryOptions(t)
	t.Run("the engine shows of a copy what it shows of a container made of the same request", func(t *testing.T) {
		result := f.each(t, 4, seeds(200, 3000), (*trip).round)
		all := createFields()
		t.Logf("fields in the accepted requests: %d of %d", len(result.fields), len(all))
		for _, field := range slices.Sorted(maps.Keys(all)) {
			if _, excused := unexercised[field]; !result.fields[field] && !excused {
				t.Logf("in no accepted request: %s", field)
			}
		}
	})
	t.Run("a copy runs as such a container does", func(t *testing.T) {
		f.each(t, 1, seeds(8, 300), (*trip).runAll) // they want the same ports
	})
	t.Run("the comparison finds whatever is lost on the way", func(t *testing.T) {
		f.each(t, 4, seeds(50, 1000), (*trip).lose)
	})
	t.Run("by an older API nothing is lost in silence", func(t *testing.T) {
		f.each(t, 4, seeds(30, 1000), (*trip).speakOlder)
	})
}

// tally counts what became of the seeds.
type tally struct {
	mu                                   sync.Mutex
	accepted, refused, differing, nobody int
	why                                  map[string]int
	fields                               map[string]bool // in requests that were accepted
}

func (r *tally) count(what func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what()
}

// notAccepted says that the engine does not take, or not start, what the generator
// has made: that is nobody's fault.
type notAccepted struct{ why string }

func (n *notAccepted) Error() string { return n.why }

// each sends the seeds on their way, some at a time. go returns what is wrong with
// the copies, and whether it was a trip that proves something.
func (f *fleet) each(t *testing.T, workers, n int, round func(j *trip, ctx context.Context) (wrong []string, proof bool, err error)) *tally {
	t.Helper()
	result := &tally{why: map[string]int{}, fields: map[string]bool{}}
	work := make(chan uint64)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for seed := range work {
				f.one(t, seed, round, result)
			}
		})
	}
	for seed := range n {
		work <- uint64(*firstSeed + seed)
	}
	close(work)
	group.Wait()
	t.Logf("%d seeds: %d accepted, %d of them prove something; %d refused; %d differing",
		n, result.accepted, result.accepted-result.nobody, result.refused, result.differing)
	for _, why := range slices.Sorted(maps.Keys(result.why)) {
		t.Logf("refused %d times: %s", result.why[why], why)
	}
	if proofs := result.accepted - result.nobody; n > 1 && proofs*2 < n {
		t.Errorf("only %d of %d containers prove something: the generator is of no use", proofs, n)
	}
	return result
}

// one makes one trip.
func (f *fleet) one(t *testing.T, seed uint64, round func(*trip, context.Context) ([]string, bool, error), result *tally) {
	t.Helper()
	pick := rand.New(rand.NewPCG(seed, 7))
	j := &trip{fleet: f, seed: seed, pick: pick, q: f.request(seed, f.options), from: f.images[pick.IntN(pictures)], to: f.images[pick.IntN(pictures)]}
	defer j.tidy(t)
	wrong, proof, err := round(j, t.Context())
	var no *notAccepted
	switch {
	case errors.As(err, &no):
		result.count(func() { result.refused++; result.why[strings.ReplaceAll(no.why, f.Prefix(), "…")]++ })
		return
	case err != nil:
		wrong = append(wrong, err.Error())
	}
	result.count(func() {
		result.accepted++
		fieldsIn(j.q, result.fields)
		if !proof {
			result.nobody++
		}
		if len(wrong) > 0 {
			result.differing++
		}
	})
	if len(wrong) > 0 {
		t.Errorf("seed %d, %s to %s, with %s:\n\t%s",
			seed, j.from.reference, j.to.reference, strings.Join(j.q.used, "; "), strings.Join(wrong, "\n\t"))
	}
}

// tryOptions tries each option alone and leaves out those that this engine does not accept.
func (f *fleet) tryOptions(t *testing.T) {
	t.Helper()
	known := f.known()
	for _, o := range known {
		id, err := f.make(t.Context(), f.Name("alone"), f.images[0].reference, f.alone(o))
		var no *refusedError
		switch {
		case errors.As(err, &no):
			t.Logf("refused alone: %s: %s", o.name, no.message)
			continue
		case err != nil:
			t.Fatalf("%s: %v", o.name, err)
		}
		f.options = append(f.options, o)
		if err := f.remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d options of API %s, %d refused", len(known), f.api, len(known)-len(f.options))
}

// trip is one container's way to its copy.
type trip struct {
	*fleet
	seed uint64
	pick *rand.Rand
	q    request
	from picture
	to   picture
	made []string // ids, to be removed
}

// original makes the container that is to be copied.
func (j *trip) original(ctx context.Context) (id string, was view, err error) {
	id, err = j.add(ctx, "", j.from, j.q)
	var no *refusedError
	if errors.As(err, &no) {
		return "", view{}, &notAccepted{why: no.message}
	}
	if err == nil {
		was, err = j.look(ctx, id)
	}
	return id, was, err
}

// add makes a container for this trip.
func (j *trip) add(ctx context.Context, part string, p picture, q request) (string, error) {
	id, err := j.make(ctx, j.called(part), p.reference, q)
	if err == nil {
		j.made = append(j.made, id)
	}
	return id, err
}

func (j *trip) called(part string) string {
	return fmt.Sprintf("%s-%d%s", j.Name("trip"), j.seed, part)
}

// round copies a container, and its copy.
func (j *trip) round(ctx context.Context) (wrong []string, proof bool, err error) {
	original, was, err := j.original(ctx)
	if err != nil {
		return nil, false, err
	}
	left := unsaid(j.q, j.from.config)
	if err := j.checkUnsaid(ctx, was, left); err != nil {
		return nil, false, err
	}
	oracle, err := j.add(ctx, "-oracle", j.to, left)
	if err != nil {
		return nil, false, err
	}
	replica, wrong, err := j.replica(ctx, j.c, original, core.NewSuffix)
	if err != nil {
		return nil, false, fmt.Errorf("cannot be copied: %w", err)
	}
	more, err := j.judged(ctx, was, oracle, replica)
	if err != nil {
		return nil, false, err
	}
	wrong = append(wrong, more...)
	again, more, err := j.replica(ctx, j.c, replica, "-again")
	if err != nil {
		return nil, false, fmt.Errorf("a copy cannot be copied: %w", err)
	}
	wrong = append(wrong, more...)
	first, err := j.look(ctx, replica)
	if err != nil {
		return nil, false, err
	}
	more, err = j.judged(ctx, first, oracle, again)
	for _, line := range more {
		wrong = append(wrong, "the copy's copy: "+line)
	}
	return wrong, true, err
}

// checkUnsaid makes a container of what is left of the request: the engine has to
// show the same.
func (j *trip) checkUnsaid(ctx context.Context, was view, left request) error {
	if reflect.DeepEqual(j.q, left) {
		return nil
	}
	twin, err := j.add(ctx, "-twin", j.from, left)
	if err != nil {
		return err
	}
	is, err := j.look(ctx, twin)
	if err != nil {
		return err
	}
	if lines := difference("", was.raw, is.raw); len(lines) > 0 {
		return fmt.Errorf("the test's own idea of what cannot be seen is wrong: %s", strings.Join(lines, "; "))
	}
	return nil
}

// replica lets package docker make a copy, and compare it.
func (j *trip) replica(ctx context.Context, c *docker.Client, of, suffix string) (string, []string, error) {
	s, err := c.Snapshot(ctx, of, core.Defaults{})
	if err != nil {
		return "", nil, err
	}
	d := core.Draft{
		Name: j.called("") + suffix, From: s, Reference: j.to.reference,
		Mark: core.Mark{Attempt: "0123456789abcdef", Owner: "0123456789ab", Predecessor: of},
	}
	id, err := c.Create(ctx, d)
	if err != nil {
		return "", nil, err
	}
	j.made = append(j.made, id)
	lines, err := c.Differences(ctx, d, id)
	if err != nil {
		return "", nil, err
	}
	for i := range lines {
		lines[i] = "it says itself: " + lines[i]
	}
	return id, lines, nil
}

func (j *trip) judged(ctx context.Context, was view, oracle, replica string) ([]string, error) {
	want, err := j.look(ctx, oracle)
	if err != nil {
		return nil, err
	}
	got, err := j.look(ctx, replica)
	if err != nil {
		return nil, err
	}
	return judge(was, want, got, j.imageIDs[j.to.reference]), nil
}
