package core

import "slices"

// components sorts nodes so that each comes after those that it has edges to, in their
// given order otherwise. Nodes that have a way to one another and back are in one
// component. Edges that leave the nodes count not.
func components(nodes []int, edges func(int) []int) [][]int {
	w := &walk{edges: edges, number: make(map[int]int, len(nodes)), low: make(map[int]int, len(nodes)), open: map[int]bool{}}
	for _, n := range nodes {
		w.number[n] = 0
	}
	for _, n := range nodes {
		if w.number[n] == 0 {
			w.visit(n)
		}
	}
	return w.found
}

// walk is Tarjan's: depth first, with the nodes whose component is not complete on
// a stack. Numbers count from 1, in the order of the visits.
type walk struct {
	edges  func(int) []int
	number map[int]int // 0 before the visit
	low    map[int]int // the lowest number that there is a way to
	open   map[int]bool
	stack  []int
	last   int
	found  [][]int
}

func (w *walk) visit(n int) {
	w.last++
	w.number[n], w.low[n], w.open[n] = w.last, w.last, true
	w.stack = append(w.stack, n)
	for _, to := range w.edges(n) {
		switch number, there := w.number[to]; {
		case !there:
		case number == 0:
			w.visit(to)
			w.low[n] = min(w.low[n], w.low[to])
		case w.open[to]:
			w.low[n] = min(w.low[n], number)
		}
	}
	if w.low[n] != w.number[n] {
		return
	}
	at := slices.Index(w.stack, n)
	component := slices.Clone(w.stack[at:])
	w.stack = w.stack[:at]
	for _, m := range component {
		w.open[m] = false
	}
	w.found = append(w.found, component)
}

// circle returns the shortest way from one of the nodes back to itself, without
// leaving them: the node comes first, and not again at the end.
func circle(start int, nodes []int, edges func(int) []int) []int {
	from := map[int]int{}
	for _, n := range nodes {
		from[n] = -1
	}
	queue := []int{start}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, to := range edges(n) {
			if to == start {
				way := []int{n}
				for ; n != start; way = append(way, n) {
					n = from[n]
				}
				slices.Reverse(way)
				return way
			}
			if before, there := from[to]; there && before < 0 {
				from[to] = n
				queue = append(queue, to)
			}
		}
	}
	return nil
}
