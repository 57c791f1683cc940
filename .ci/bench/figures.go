package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// figures are all that a run has measured: what the page is made of.
type figures struct {
	Machine machine
	Date    time.Time
	Took    time.Duration
	part
}

// part is what a section has measured.
type part struct {
	rows    []row
	cycles  []cycleRow
	samples []sample
	notes   []string
}

// row is a figure beside its limit. A limit is measured in the same run wherever it
// is not a size that was decided on.
type row struct {
	Line string // the line of the table in docs/design.md, in short
	What string
	// Limit and Measured are in Unit. Where the limit is 0, nothing but 0 holds.
	Limit, Measured float64
	Unit            string
	By              string  // what the limit is, in words
	Most            float64 // the largest good ratio of measured to limit; 0 means that the row is told, not judged
}

// cycleRow is what a cycle costs.
type cycleRow struct {
	Containers int
	Images     int
	Which      string // "first" or "later"
	Requests   requests
	Took       time.Duration // from when it was due to its end
	CPU        time.Duration
	Peak       float64 // MiB resident at most
}

// sample is the memory of a sidecar after so many cycles, in MiB.
type sample struct {
	Cycles              int
	Resident, Anonymous float64
}

func (f *figures) add(p part) {
	f.rows = append(f.rows, p.rows...)
	f.cycles = append(f.cycles, p.cycles...)
	f.samples = append(f.samples, p.samples...)
	f.notes = append(f.notes, p.notes...)
}

// ratio is of measured to limit, NaN where there is none.
func (r row) ratio() float64 {
	if r.Limit == 0 {
		return math.NaN()
	}
	return r.Measured / r.Limit
}

func (r row) holds() bool {
	switch {
	case r.Most == 0:
		return true
	case r.Limit == 0:
		return r.Measured == 0
	}
	return r.ratio() <= r.Most
}

// verdict is the row in one line.
func (r row) verdict() string {
	text := fmt.Sprintf("%s, limit %s", amount(r.Measured, r.Unit), amount(r.Limit, r.Unit))
	if r.Limit != 0 {
		text += fmt.Sprintf(", ratio %.2f", r.ratio())
	}
	switch {
	case r.Most == 0:
		return text
	case r.holds():
		return text + ", held"
	}
	return text + ", NOT held"
}

// broken are the rows that do not hold.
func (f *figures) broken() []row {
	return slices.DeleteFunc(slices.Clone(f.rows), row.holds)
}

// judged is how many rows can hold or not.
func (f *figures) judged() int {
	n := 0
	for _, r := range f.rows {
		if r.Most > 0 {
			n++
		}
	}
	return n
}

// median is the middle one, or the mean of the middle two. There is at least one.
func median[T time.Duration | float64](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// slope is that of the straight line that fits the points best, by least squares:
// by how much y grows while x grows by one. There are at least two different xs.
func slope(x, y []float64) float64 {
	n, sx, sy, sxx, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx += x[i]
		sy += y[i]
		sxx += x[i] * x[i]
		sxy += x[i] * y[i]
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}
