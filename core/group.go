package core

import (
	"cmp"
	"slices"
)

// fleet is the steps of a cycle on their way to a plan. A container is told by its
// index among the steps, which are sorted by name.
type fleet struct {
	world     World
	steps     []Step
	index     map[string]int
	replacing map[string]bool
	needs     [][]int // what each depends on, in whatever way
	tethered  [][]int // those that cannot live without it under its present id
	restarted [][]int // those after whose replacement it is to be restarted
	order     []int   // each after what it depends on, by name otherwise
	place     []int   // where it stands in that order
	circular  []bool  // it depends on itself

	// What follows is worked out by join, anew as long as something is in the way.

	parent []int  // a forest: a tree for each group
	head   []int  // the first of each one's group; itself where it is alone
	moves  []bool // a successor takes its place
	// spared are those that are not restarted though compose asks, and why.
	spared map[int]string
}

// fleet sorts the steps and works out what does not change any more.
func (w World) fleet(steps []Step) *fleet {
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Container.Name, b.Container.Name) })
	f := &fleet{
		world: w, steps: steps, index: map[string]int{}, replacing: replacements(w.Containers), spared: map[int]string{},
		needs: make([][]int, len(steps)), tethered: make([][]int, len(steps)), restarted: make([][]int, len(steps)),
	}
	for i, s := range steps {
		f.index[s.Container.Name] = i
	}
	for i, s := range steps {
		c := s.Container
		f.needs[i] = f.find(i, c.DependsOn, s.Policy.DependsOn, c.Tethers, c.Restarts)
		f.restarted[i] = f.find(i, c.Restarts)
		for _, on := range f.find(i, c.Tethers) {
			f.tethered[on] = append(f.tethered[on], i)
		}
	}
	return f
}

// find returns those of that name which there are, each once, without i itself.
func (f *fleet) find(i int, names ...[]string) []int {
	var found []int
	for _, name := range slices.Concat(names...) {
		if j, there := f.index[name]; there && j != i {
			found = append(found, j)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func anyState(State) bool { return true }

// closure returns i and all that hangs on it by tethers, transitively, as far as
// their states are wanted.
func (f *fleet) closure(i int, wanted func(State) bool) []int {
	found, seen := []int{i}, map[int]bool{i: true}
	for at := 0; at < len(found); at++ {
		for _, m := range f.tethered[found[at]] {
			if !seen[m] && wanted(f.steps[m].Container.State) {
				seen[m] = true
				found = append(found, m)
			}
		}
	}
	return found
}

// holdHeads holds the updates on which something hangs that cannot be replaced.
func (f *fleet) holdHeads() {
	for _, x := range f.order {
		if f.steps[x].Action != Update {
			continue
		}
		for _, m := range f.closure(x, anyState)[1:] {
			if why := f.blocks(m); why != "" {
				f.steps[x].settle(Hold, DependencyHeld, "%s hangs on it, and cannot be replaced together with it: %s",
					f.steps[m].Container.Name, why)
				break
			}
		}
	}
}

// blocks says why a container cannot be replaced together with another one, "" if it
// can. That its own image cannot move just now is no reason: it keeps its image.
func (f *fleet) blocks(i int) string {
	if why := f.untouchable(i); why != "" {
		return why
	}
	p, bad, readable := f.world.policyOf(f.steps[i].Container)
	if !readable {
		return bad.Text
	}
	p.Strategy = StopFirst // whatever it wants for itself
	s := Step{Container: f.steps[i].Container, Policy: p}
	s.checkHooks(f.world.Hooks)
	return s.Reason.Text
}

// untouchable says why a container can be neither replaced nor restarted together with
// another one, "" if it can.
func (f *fleet) untouchable(i int) string {
	c := f.steps[i].Container
	p, bad, readable := f.world.policyOf(c)
	bars := func(r Reason) bool { return r.Code != BadReference }
	obstacle := slices.IndexFunc(c.Obstacles, bars)
	switch {
	case p.declined():
		return f.world.Settings.notEnabled(c, p)
	case f.world.foreign(p):
		return f.world.Settings.scopes(p)
	case f.replacing[c.Name]:
		return "a replacement of it is in progress or was interrupted"
	case !readable:
		return bad.Text
	case c.ID == f.world.Settings.Self:
		return "it is Refit itself"
	case c.State == Dead, c.State == Removing:
		return "it is " + string(c.State)
	case obstacle >= 0:
		return c.Obstacles[obstacle].Text
	case f.circular[i]:
		return "it depends on itself"
	}
	return f.world.adrift(c)
}

// foreign tells whether a container is another Refit's business. One that no label
// speaks of is nobody's.
func (w World) foreign(p Policy) bool {
	return p.Scope != w.Settings.Scope && (p.Scope != "" || p.From["enable"] != "" && p.From["enable"] != fromFlag)
}

// join makes groups: all that hangs on an update moves with it, and what compose wants
// restarted after it is restarted, with all that hangs on that. Groups that have a
// container in common are one.
func (f *fleet) join() {
	n := len(f.steps)
	f.parent, f.moves = make([]int, n), make([]bool, n)
	for i := range n {
		f.parent[i] = i
	}
	for _, x := range f.order {
		if f.steps[x].Action != Update {
			continue
		}
		for _, m := range f.closure(x, anyState) {
			f.moves[m] = true
			f.parent[f.root(m)] = f.root(x)
		}
	}
	for _, d := range f.order {
		host := f.host(d)
		if host < 0 {
			continue
		}
		for _, m := range f.closure(d, State.Up) {
			f.parent[f.root(m)] = f.root(host)
		}
	}
	f.lead()
}

// lead finds the head of each group: the first of its updates. None of the others
// comes before it, because each hangs on an update, or is restarted after one.
func (f *fleet) lead() {
	first := map[int]int{}
	for _, i := range f.order {
		root := f.root(i)
		if _, there := first[root]; !there && f.steps[i].Action == Update {
			first[root] = i
		}
	}
	f.head = f.all()
	for i := range f.head {
		if head, there := first[f.root(i)]; there {
			f.head[i] = head
		}
	}
}

func (f *fleet) root(i int) int {
	for f.parent[i] != i {
		f.parent[i] = f.parent[f.parent[i]]
		i = f.parent[i]
	}
	return i
}

// host returns the last of those after which d is to be restarted, -1 where there is
// none, or d is replaced anyway, or is not to be touched.
func (f *fleet) host(d int) int {
	if f.moves[d] || !f.steps[d].Container.State.Up() || f.spared[d] != "" {
		return -1
	}
	host := -1
	for _, x := range f.restarted[d] {
		if f.moves[x] && (host < 0 || f.place[x] > f.place[host]) {
			host = x
		}
	}
	if host < 0 {
		return -1
	}
	for _, m := range f.closure(d, State.Up) {
		if why := f.untouchable(m); why != "" {
			if m != d {
				why = f.steps[m].Container.Name + " would be, too: " + why
			}
			f.spared[d] = why
			return -1
		}
	}
	return host
}

// acts tells whether something is done with a container in this cycle.
func (f *fleet) acts(i int) bool { return f.steps[f.head[i]].Action == Update }

// waits returns those whose steps must come before that of i. What is only restarted
// comes after what it is restarted for: it would otherwise keep apart what has
// nothing to do with one another.
func (f *fleet) waits(i int) []int {
	if !f.acts(i) || f.moves[i] {
		return f.needs[i]
	}
	var moving []int
	for _, x := range f.restarted[i] {
		if f.moves[x] {
			moving = append(moving, x)
		}
	}
	return moving
}
