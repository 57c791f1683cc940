package core

import (
	"slices"
	"strings"
)

// arrange makes a plan of the steps: it puts those together that must be done together,
// sorts them so that each comes after those that it depends on, by name otherwise, and
// holds what depends on itself, or on what is held.
func (w World) arrange(steps []Step) []Step {
	f := w.fleet(steps)
	f.survey()
	f.holdHeads()
	for {
		f.holdDependants()
		f.join()
		order, circles := f.sort()
		if len(circles) == 0 {
			return f.plan(order)
		}
		for _, groups := range circles {
			f.part(groups)
		}
	}
}

// survey finds the order of the containers, and holds the updates that depend on
// themselves.
func (f *fleet) survey() {
	f.circular, f.place = make([]bool, len(f.steps)), make([]int, len(f.steps))
	needs := func(i int) []int { return f.needs[i] }
	for _, c := range components(f.all(), needs) {
		for _, i := range c {
			f.place[i] = len(f.order)
			f.order = append(f.order, i)
			if f.circular[i] = len(c) > 1; f.circular[i] && f.steps[i].Action == Update {
				f.steps[i].settle(Hold, DependencyCycle, "%s", inWords(circle(i, c, needs), f.name))
			}
		}
	}
}

func (f *fleet) all() []int {
	all := make([]int, len(f.steps))
	for i := range all {
		all[i] = i
	}
	return all
}

func (f *fleet) name(i int) string { return f.steps[i].Container.Name }

// inWords tells of a way that leads back to its beginning.
func inWords(way []int, name func(int) string) string {
	var names []string
	for _, n := range append(slices.Clone(way), way[0]) {
		names = append(names, name(n))
	}
	return "it depends on itself: " + strings.Join(names, " → ")
}

// holdDependants holds the updates that depend on a held container.
func (f *fleet) holdDependants() {
	for _, i := range f.order {
		s := &f.steps[i]
		if s.Action != Update {
			continue
		}
		for _, j := range f.needs[i] {
			if on := f.steps[j]; on.Action == Hold {
				s.settle(Hold, DependencyHeld, "%s is held (%s)", on.Container.Name, on.Reason.Code)
				s.RetryAt = on.RetryAt
				break
			}
		}
	}
}

// sort sorts the groups, each told by its head, and returns those apart that wait for
// one another.
func (f *fleet) sort() (order []int, circles [][]int) {
	edges := f.edges()
	to := func(g int) []int { return edges[g] }
	var heads []int
	for _, i := range f.all() {
		if f.head[i] == i {
			heads = append(heads, i)
		}
	}
	for _, c := range components(heads, to) {
		if len(c) == 1 {
			order = append(order, c[0])
			continue
		}
		// A way that leads through one with which nothing is done makes nobody wait.
		var acting []int
		for _, g := range c {
			if f.acts(g) {
				acting = append(acting, g)
			} else {
				order = append(order, g)
			}
		}
		slices.Sort(acting)
		for _, c := range components(acting, to) {
			order = append(order, c...)
			if len(c) > 1 {
				circles = append(circles, c)
			}
		}
	}
	return order, circles
}

// edges returns the groups that each group waits for.
func (f *fleet) edges() [][]int {
	edges := make([][]int, len(f.steps))
	for i := range f.steps {
		g := f.head[i]
		for _, j := range f.waits(i) {
			if f.head[j] != g {
				edges[g] = append(edges[g], f.head[j])
			}
		}
	}
	for g := range edges {
		slices.Sort(edges[g])
		edges[g] = slices.Compact(edges[g])
	}
	return edges
}

// part takes out of groups that wait for one another what is only restarted. Where
// there is no such thing, it holds their updates.
func (f *fleet) part(groups []int) {
	edges := f.edges()
	to := func(g int) []int { return edges[g] }
	spared := false
	for _, d := range f.order {
		if slices.Contains(groups, f.head[d]) && f.host(d) >= 0 {
			f.spared[d], spared = "it would have to come before and after others", true
		}
	}
	if spared {
		return
	}
	text := map[int]string{}
	for _, g := range groups {
		way := circle(g, groups, to)
		text[g] = inWords(way, f.passage(way))
	}
	for i := range f.steps {
		if why, there := text[f.head[i]]; there && f.steps[i].Action == Update {
			f.steps[i].settle(Hold, DependencyCycle, "%s", why)
		}
	}
}

// passage names the groups on a way that leads back to its beginning: by the container
// that the group before waits for, and the one that waits for the group behind.
func (f *fleet) passage(way []int) func(int) string {
	enters, leaves := map[int]int{}, map[int]int{}
	for at, g := range way {
		next := way[(at+1)%len(way)]
		for _, i := range f.order {
			for _, j := range f.waits(i) {
				if f.head[i] == g && f.head[j] == next {
					leaves[g], enters[next] = i, j
				}
			}
		}
	}
	return func(g int) string {
		if enters[g] == leaves[g] {
			return f.name(enters[g])
		}
		return f.name(enters[g]) + " with " + f.name(leaves[g])
	}
}
