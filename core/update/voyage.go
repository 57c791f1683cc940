package update

import (
	"context"
	"slices"
	"sync"

	"github.com/refit-dev/refit/core"
)

// voyage is one Apply: what its replacements share.
type voyage struct {
	*Updater
	places chan struct{}      // held between stop and start
	ended  map[string]*ending // by container id; complete before any step begins
	trials keyed              // one unproven image is tried at a time
	proofs proofs
	pulls  *pulls
}

// ending is how a container's step ended, or that which it is a member of, once done
// is closed.
type ending struct {
	done    chan struct{}
	outcome core.Outcome
}

func (e *ending) end(o core.Outcome) {
	e.outcome = o
	close(e.done)
}

// expect notes that a step's containers will have an end.
func (v *voyage) expect(s core.Step) {
	v.ended[s.Container.ID] = &ending{done: make(chan struct{})}
	for _, m := range s.Members {
		v.ended[m.Container.ID] = &ending{done: make(chan struct{})}
	}
}

// guarded is step, but a panic, which is our own mistake, is the failure of one
// container: the others go on, and what was begun is left to Recover.
func (v *voyage) guarded(ctx context.Context, s core.Step) (results []core.Result) {
	defer func() {
		if p := recover(); p != nil {
			result := settled(s)
			v.panicked(&result, p)
			results = together(s, result)
		}
	}()
	return v.step(ctx, s)
}

// together are the results of a step that ended before its group was begun, or in a
// way that says nothing of its members.
func together(s core.Step, r core.Result) []core.Result {
	all := []core.Result{r}
	for _, m := range s.Members {
		step := core.Step{Container: m.Container, Policy: m.Policy, To: m.To}
		all = append(all, settled(step.Held(core.MemberFailed, "it goes together with %s: %s", s.Container.Name, r.Reason.Text)))
	}
	return all
}

// step waits for what must come first, and replaces the container.
func (v *voyage) step(ctx context.Context, s core.Step) []core.Result {
	if held, why := v.await(s); held {
		return together(s, settled(why))
	}
	images := imagesOf(s)
	unlock := map[string]func(){}
	defer func() {
		for _, u := range unlock {
			u()
		}
	}()
	for _, image := range images {
		unlock[image] = v.trials.lock(image)
	}
	if ctx.Err() != nil {
		return together(s, settled(s.Held(core.Cancelled, "Refit was asked to end before it began")))
	}
	if v.proofs.get(keyOf(s.To)) == failed {
		return together(s, settled(s.Held(core.CanaryFailed, "another container was moved to this image first, and failed")))
	}
	for _, image := range images {
		if v.proofs.get(image) == passed {
			unlock[image]()
		}
	}
	s.Members = v.proven(s.Members)
	results := v.replace(ctx, s)
	v.learn(s, results)
	return results
}

// proven returns the members, those of which the new image has failed elsewhere with
// the one that they have.
func (v *voyage) proven(members []core.Member) []core.Member {
	members = slices.Clone(members)
	for i, m := range members {
		if v.proofs.get(keyOf(m.To)) == failed {
			members[i].To = m.Container.Image
		}
	}
	return members
}

// learn notes what the results prove of the images.
func (v *voyage) learn(s core.Step, results []core.Result) {
	images := map[string]string{s.Container.Name: keyOf(s.To)}
	for _, m := range s.Members {
		images[m.Container.Name] = keyOf(m.To)
	}
	for _, r := range results {
		v.proofs.set(images[r.Name], r)
	}
}

// await waits for the steps that come first. Held says that one of them did not
// succeed, and so does the step that is returned.
func (v *voyage) await(s core.Step) (held bool, why core.Step) {
	for _, id := range s.After {
		first, there := v.ended[id]
		if !there {
			continue
		}
		<-first.done
		switch first.outcome {
		case core.OutcomeUpdated, core.OutcomeUnchanged, core.OutcomeFollowed:
		default:
			return true, s.Held(core.DependencyHeld, "a container that it depends on was not updated (%s)", first.outcome)
		}
	}
	return false, s
}

// imagesOf are the new images of a step, each once, sorted: who needs several takes
// them in the same order as all others.
func imagesOf(s core.Step) []string {
	images := []string{keyOf(s.To)}
	for _, m := range s.Members {
		if m.To.ID != m.Container.Image.ID {
			images = append(images, keyOf(m.To))
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// keyOf tells images apart.
func keyOf(i core.Image) string { return i.Digest + " " + i.ID }

// verdict is what this cycle has learned of an image.
type verdict int

const (
	unproven verdict = iota
	passed
	failed
)

// proofs are the verdicts by image. One container of each new image goes first,
// alone: a bad image hurts one container (promise P4).
type proofs struct {
	mu       sync.Mutex
	verdicts map[string]verdict
}

func (p *proofs) get(image string) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.verdicts[image]
}

// set records what the result proves. A container that was held back before its
// successor was tried proves nothing, and neither does an engine that failed: the
// next one is then tried alone.
func (p *proofs) set(image string, r core.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.verdicts == nil {
		p.verdicts = map[string]verdict{}
	}
	switch {
	case r.Outcome == core.OutcomeUpdated, r.Outcome == core.OutcomeUnchanged:
		p.verdicts[image] = passed
	case r.Reason.SpeaksOfImage():
		p.verdicts[image] = failed
	}
}
