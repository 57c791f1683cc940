package core_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// randomWorld is one of up to nine containers with every tie among them that there is.
// Most ties lead to one with a lower number, as they do in life.
func randomWorld(r *rand.Rand) core.World {
	w := world()
	n := 2 + r.IntN(8)
	names := r.Perm(n) // so that the order by name says nothing
	other := func(i int) []string {
		switch {
		case r.IntN(40) == 0:
			return []string{fmt.Sprintf("c%d", names[r.IntN(n)])}
		case i == 0:
			return nil
		default:
			return []string{fmt.Sprintf("c%d", names[r.IntN(i)])}
		}
	}
	for i := range n {
		c := container(fmt.Sprintf("c%d", names[i]))
		for range r.IntN(3) {
			c.DependsOn = append(c.DependsOn, other(i)...)
		}
		if r.IntN(3) == 0 {
			c.Tethers = append(c.Tethers, other(i)...)
		}
		if r.IntN(3) == 0 {
			c.Restarts = append(c.Restarts, other(i)...)
		}
		if r.IntN(4) == 0 {
			c.Service = "shop/web"
		}
		randomLife(r, &c)
		w.Containers = append(w.Containers, c)
	}
	if r.IntN(8) == 0 {
		w.Settings.Self = "id-c0"
	}
	if r.IntN(4) == 0 {
		w.Only = []string{"c0", "c1"}
	}
	w.Settings.IncludeStopped = r.IntN(2) == 0
	return w
}

// randomLife gives a container a state, an image and labels: mostly ordinary ones.
func randomLife(r *rand.Rand, c *core.Container) {
	odd := []func(*core.Container){
		without("refit.enable"), without("refit.enable"), without("refit.enable"),
		label("refit.enable", "false"), label("refit.mood", "x"), label("refit.scope", "blue"), label("refit.mode", "notify"),
		label("refit.strategy", "start-first"), label("refit.hooks", "backup"),
		alsoKnownAs(app.Repository), alsoKnownAs(app.Repository), alsoKnownAs(app.Repository), obstacle, tooOdd,
		state(core.Paused), state(core.Exited), state(core.Dead),
	}
	for r.IntN(2) == 0 {
		odd[r.IntN(len(odd))](c)
	}
}

func tooOdd(c *core.Container) {
	c.Obstacles = append(c.Obstacles, core.Reason{Code: core.Unsupported, Text: "it is a swarm task"})
}

// checkPlan asserts what must hold of every plan.
func checkPlan(t *testing.T, w core.World, plan core.Plan) {
	t.Helper()
	v := view{T: t, steps: map[string]core.Step{}, at: map[string]int{}, group: map[string]string{}, part: map[string]core.Part{}}
	for at, s := range plan.Steps {
		c := s.Container
		if _, twice := v.steps[c.Name]; twice {
			t.Errorf("%s has two steps", c.Name)
		}
		v.steps[c.Name], v.at[c.ID] = s, at
		if s.Action == "" || s.Reason.Code == "" || s.Reason.Text == "" {
			t.Errorf("%s has no decision or no reason: %q, %v", c.Name, s.Action, s.Reason)
		}
		if s.Action == core.Update {
			v.crew(at, s, plan.Steps)
		}
	}
	if len(v.steps) != len(w.Containers) {
		t.Errorf("%d steps for %d containers", len(v.steps), len(w.Containers))
	}
	for _, s := range plan.Steps {
		v.ties(s)
	}
	v.services(plan.Steps)
}

// view is a plan as checkPlan sees it: what acts, in which group and part.
type view struct {
	*testing.T
	steps map[string]core.Step // by container name
	at    map[string]int       // by container id
	group map[string]string    // container name → name of the head; only of what acts
	part  map[string]core.Part
}

// crew checks one group by itself: the members stand behind their head, and each after
// those that it needs.
func (v view) crew(at int, head core.Step, steps []core.Step) {
	v.Helper()
	name := head.Container.Name
	v.group[name] = name
	seen := map[string]bool{head.Container.ID: true}
	for i, m := range head.Members {
		if other, twice := v.group[m.Container.Name]; twice {
			v.Errorf("%s is in the groups of %s and %s", m.Container.Name, other, name)
		}
		v.group[m.Container.Name], v.part[m.Container.Name] = name, m.Part
		if at+1+i >= len(steps) || steps[at+1+i].Container.ID != m.Container.ID {
			v.Fatalf("%s has no step behind that of %s", m.Container.Name, name)
		}
		v.follows(m, steps[at+1+i])
		if i := slices.IndexFunc(m.Needs, func(id string) bool { return !seen[id] }); i >= 0 {
			v.Errorf("member %s needs %s, which does not come before it", m.Container.Name, m.Needs[i])
		}
		if len(m.Needs) == 0 && m.To.ID == m.Container.Image.ID {
			v.Errorf("member %s needs nobody, and its image stays", m.Container.Name)
		}
		seen[m.Container.ID] = true
	}
}

// follows checks a member's own step.
func (v view) follows(m core.Member, own core.Step) {
	v.Helper()
	if own.Action != core.Follow || own.Reason.Code != core.Follows {
		v.Errorf("%s is a member, and its step says %s, %s", m.Container.Name, own.Action, own.Reason)
	}
	want := own.To
	if want == (core.Image{}) {
		want = m.Container.Image
		want.Digest = m.Container.Digest()
	}
	if m.To != want {
		v.Errorf("%s is to run %+v, its step says %+v", m.Container.Name, m.To, own.To)
	}
}

// ties checks what a container has to do with others.
func (v view) ties(s core.Step) {
	v.Helper()
	c := s.Container
	head, acts := v.group[c.Name]
	if follows := acts && head != c.Name; (s.Action == core.Follow) != follows {
		v.Errorf("%s says %s, its head is %q", c.Name, s.Action, head)
	}
	if s.Action != core.Update && len(s.After)+len(s.Members) > 0 {
		v.Errorf("%s says %s, and has After or Members", c.Name, s.Action)
	}
	for _, id := range s.After {
		if at, there := v.at[id]; !there || at >= v.at[c.ID] {
			v.Errorf("%s waits for %s, which does not come before it", c.Name, id)
		}
	}
	if acts {
		v.touchable(c)
	}
	for _, name := range slices.Concat(c.DependsOn, c.Tethers, c.Restarts) {
		if on, there := v.steps[name]; there && name != c.Name {
			v.tie(s, on)
		}
	}
}

// tie checks what must hold of s, which depends on another one.
func (v view) tie(s, on core.Step) {
	v.Helper()
	c, name := s.Container, on.Container.Name
	head, acts := v.group[c.Name]
	onHead, onActs := v.group[name]
	if acts && s.To != (core.Image{}) && on.Action == core.Hold {
		v.Errorf("%s gets a new image, and %s is held", c.Name, name)
	}
	if !onActs {
		return
	}
	together := acts && head == onHead
	if slices.Contains(c.Tethers, name) {
		v.hangs(c, name, together)
	}
	after := v.moves(c.Name)
	if slices.Contains(c.Restarts, name) && v.moves(name) {
		after = acts
		v.restarted(s, name)
	}
	if after && !together && !slices.Contains(v.steps[head].After, on.Container.ID) {
		v.Errorf("%s (with %s) does not wait for %s", c.Name, head, name)
	}
}

// hangs checks that nothing loses what it hangs on.
func (v view) hangs(c core.Container, on string, together bool) {
	v.Helper()
	if !together && (v.moves(on) || c.State.Up()) {
		v.Errorf("%s hangs on %s, and is left behind", c.Name, on)
	}
	if v.moves(on) && !v.moves(c.Name) {
		v.Errorf("%s hangs on %s, and does not move", c.Name, on)
	}
}

func (v view) moves(name string) bool {
	_, acts := v.group[name]
	return acts && v.part[name] == core.Moves
}

// restarted checks that compose's wish is fulfilled, or that the reason says why not.
func (v view) restarted(s core.Step, after string) {
	v.Helper()
	c := s.Container
	if _, acts := v.group[c.Name]; !acts && c.State.Up() && !strings.Contains(s.Reason.Text, "it is not restarted after ") {
		v.Errorf("%s is not restarted after %s, and nobody says why: %s", c.Name, after, s.Reason)
	}
}

// touchable checks that nothing is done with what is not ours to touch.
func (v view) touchable(c core.Container) {
	v.Helper()
	moves := v.part[c.Name] == core.Moves
	for what, is := range map[string]bool{
		"declined":     c.Labels["refit.enable"] == "false",
		"misspelt":     c.Labels["refit.mood"] != "",
		"of a scope":   c.Labels["refit.scope"] != "",
		"an oddity":    slices.ContainsFunc(c.Obstacles, func(r core.Reason) bool { return r.Code != core.BadReference }),
		"dead":         c.State == core.Dead,
		"without hook": moves && c.Labels["refit.hooks"] != "",
		"down":         !moves && !c.State.Up(),
	} {
		if is {
			v.Errorf("%s is %s, and is touched", c.Name, what)
		}
	}
}

// services checks that those of one service go one by one.
func (v view) services(steps []core.Step) {
	v.Helper()
	last := map[string]string{}
	for _, s := range steps {
		c := s.Container
		head, acts := v.group[c.Name]
		if !acts || c.Service == "" {
			continue
		}
		waits := func(id string) bool { return slices.Contains(v.steps[head].After, id) }
		if before := last[c.Service]; before != "" && before != head {
			if !slices.ContainsFunc(steps, func(o core.Step) bool {
				return o.Container.Service == c.Service && v.group[o.Container.Name] == before && waits(o.Container.ID)
			}) {
				v.Errorf("%s does not wait for its turn after %s", c.Name, before)
			}
		}
		last[c.Service] = head
	}
}

func tryWorld(t *testing.T, seed uint64) core.Plan {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	w := randomWorld(r)
	plan := answer(w, core.Answer{Digest: newDigest})
	checkPlan(t, w, plan)
	shuffled := w
	shuffled.Containers = slices.Clone(w.Containers)
	r.Shuffle(len(shuffled.Containers), func(i, j int) {
		shuffled.Containers[i], shuffled.Containers[j] = shuffled.Containers[j], shuffled.Containers[i]
	})
	if diff := cmp.Diff(plan, answer(shuffled, core.Answer{Digest: newDigest})); diff != "" {
		t.Errorf("the same world in another order gives another plan (-first +second):\n%s", diff)
	}
	if t.Failed() {
		for _, c := range w.Containers {
			t.Logf("%s %s %v depends %v tethers %v restarts %v service %q", c.Name, c.State, c.Labels, c.DependsOn, c.Tethers, c.Restarts, c.Service)
		}
		for _, s := range plan.Steps {
			t.Logf("  %-4s %-6s after %v: %s", s.Container.Name, s.Action, s.After, s.Reason)
		}
	}
	return plan
}

func TestEveryPlanHoldsTogether(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(1000) {
		for _, s := range tryWorld(t, seed).Steps {
			for what, is := range map[string]bool{
				"a group": len(s.Members) > 0, "a restart": strings.Contains(s.Reason.Text, "it is restarted "),
				"none": strings.Contains(s.Reason.Text, "it is not restarted "), "a circle": s.Reason.Code == core.DependencyCycle,
				"a circle of groups": s.Reason.Code == core.DependencyCycle && strings.Contains(s.Reason.Text, " with "),
			} {
				if is {
					seen[what]++
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if t.Log(seen); len(seen) < 5 {
		t.Errorf("saw %v only: the worlds are too tame", seen)
	}
}

func FuzzEveryPlanHoldsTogether(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { tryWorld(t, seed) })
}
