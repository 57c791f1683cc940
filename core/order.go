package core

import (
	"cmp"
	"slices"
	"strings"
)

// order sorts the steps so that each comes after those that it depends on, by
// name otherwise, and holds the members of a cycle.
func order(steps []Step) []Step {
	slices.SortFunc(steps, func(a, b Step) int { return cmp.Compare(a.Container.Name, b.Container.Name) })
	g := &graph{index: map[string]int{}, steps: steps, seen: make([]mark, len(steps))}
	for i, s := range steps {
		g.index[s.Container.Name] = i
	}
	for i := range steps {
		g.visit(i)
	}
	sorted := make([]Step, len(g.sorted))
	for at, i := range g.sorted {
		sorted[at] = steps[i]
	}
	return sorted
}

type mark int

const (
	unseen mark = iota
	open        // on the path from where the walk began
	done
)

// graph walks the steps depth first.
type graph struct {
	steps  []Step
	index  map[string]int // by container name
	seen   []mark
	path   []int
	sorted []int
}

func (g *graph) visit(i int) {
	switch g.seen[i] {
	case done:
		return
	case open:
		g.holdCycle(i)
		return
	case unseen:
	}
	g.seen[i] = open
	g.path = append(g.path, i)
	for _, name := range g.steps[i].needs() {
		if j, there := g.index[name]; there && j != i {
			g.visit(j)
		}
	}
	g.path = g.path[:len(g.path)-1]
	g.seen[i] = done
	g.sorted = append(g.sorted, i)
}

// needs are the names that the step's container depends on, without repetition.
func (s Step) needs() []string {
	names := slices.Concat(s.Container.DependsOn, s.Policy.DependsOn)
	slices.Sort(names)
	return slices.Compact(names)
}

// holdCycle holds what lies on the path from step i back to itself, as far as
// it is ours to touch.
func (g *graph) holdCycle(i int) {
	members := g.path[slices.Index(g.path, i):]
	names := make([]string, 0, len(members)+1)
	for _, m := range members {
		names = append(names, g.steps[m].Container.Name)
	}
	names = append(names, names[0])
	for _, m := range members {
		if s := &g.steps[m]; s.Action == Update {
			s.settle(Hold, DependencyCycle, "it depends on itself: %s", strings.Join(names, " → "))
		}
	}
}

// holdDependants holds the updates that depend on a held container, and lets
// the others wait for what is updated before them. Steps are in order.
func holdDependants(steps []Step) {
	before := map[string]*Step{}
	for i := range steps {
		s := &steps[i]
		before[s.Container.Name] = s
		if s.Action != Update {
			continue
		}
		for _, name := range s.needs() {
			needed, there := before[name]
			switch {
			case !there || needed == s:
			case needed.Action == Hold:
				s.settle(Hold, DependencyHeld, "%s is held (%s)", name, needed.Reason.Code)
			case needed.Action == Update:
				s.After = append(s.After, needed.Container.ID)
			}
		}
		if s.Action == Hold {
			s.After = nil
		}
	}
}
