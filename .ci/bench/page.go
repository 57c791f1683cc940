package main

import (
	"fmt"
	"strings"
	"time"
)

const head = `# Benchmarks

Made by ` + "`make bench`" + ` on %s; do not edit. Absolute times depend on the machine. The ratios are what is to be
kept: each one compares a figure with a limit that was measured in the same run, on the same engine.

`

// page is the whole of docs/benchmarks.md.
func (f *figures) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, head, f.Date.UTC().Format("2 January 2006, 15:04 MST"))
	f.Machine.write(&b, f.Took)
	f.writeRows(&b)
	f.writeCycles(&b)
	f.writeSamples(&b)
	b.WriteString(method)
	return b.String()
}

func (f *figures) writeRows(b *strings.Builder) {
	broken := f.broken()
	fmt.Fprintf(b, "\n## The table\n\n%d of %d figures hold.", f.judged()-len(broken), f.judged())
	if len(broken) > 0 {
		b.WriteString(" These do not:\n")
		for _, r := range broken {
			fmt.Fprintf(b, "\n- %s: %s: %s", r.Line, r.What, r.verdict())
		}
	}
	b.WriteString("\n")
	line := ""
	for _, r := range f.rows {
		if r.Line != line {
			line = r.Line
			fmt.Fprintf(b, "\n### %s\n\n| what | limit | measured | ratio | target | |\n|---|---|---|---|---|---|\n", line)
		}
		limit := amount(r.Limit, r.Unit)
		if r.By != "" {
			limit += ": " + r.By
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", r.What, limit, amount(r.Measured, r.Unit), r.shownRatio(), r.target(), r.mark())
	}
	if len(f.notes) > 0 {
		b.WriteString("\n")
	}
	for _, note := range f.notes {
		fmt.Fprintf(b, "- %s\n", note)
	}
}

func (r row) shownRatio() string {
	if r.Limit == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", r.ratio())
}

func (r row) target() string {
	switch {
	case r.Most == 0:
		return "none: told only"
	case r.Limit == 0:
		return "0"
	}
	return fmt.Sprintf("≤ %.4g", r.Most)
}

func (r row) mark() string {
	switch {
	case r.Most == 0:
		return ""
	case r.holds():
		return "held"
	}
	return "**NOT held**"
}

func (f *figures) writeCycles(b *strings.Builder) {
	if len(f.cycles) == 0 {
		return
	}
	b.WriteString(`
## What a cycle costs that finds nothing new

The first cycle of a sidecar has everything to learn, and its figures begin with the start of the process. The later
ones know the tokens and the registry.

| containers | images | cycle | ping | token | HEAD | GET manifest | GET blob | took | CPU | peak RSS |
|---|---|---|---|---|---|---|---|---|---|---|
`)
	for _, c := range f.cycles {
		q := c.Requests
		fmt.Fprintf(b, "| %d | %d | %s | %d | %d | %d | %d | %d | %s | %s | %s |\n", c.Containers, c.Images, c.Which,
			q.Ping, q.Token, q.Head, q.Get, q.Blob, amount(c.Took.Seconds(), "s"), amount(c.CPU.Seconds(), "s"), amount(c.Peak, "MiB"))
	}
}

func (f *figures) writeSamples(b *strings.Builder) {
	if len(f.samples) == 0 {
		return
	}
	last := f.samples[len(f.samples)-1].Cycles
	fmt.Fprintf(b, "\n## Memory over %s cycles\n\n| cycles | RSS | anonymous |\n|---|---|---|\n", thousands(last))
	for _, s := range f.samples {
		if s.Cycles%max(1, last/10) == 0 {
			fmt.Fprintf(b, "| %s | %s | %s |\n", thousands(s.Cycles), amount(s.Resident, "MiB"), amount(s.Anonymous, "MiB"))
		}
	}
}

// amount is a number with its unit, as exact as a person wants to know it.
func amount(n float64, unit string) string {
	switch {
	case unit == "s" && n < 1:
		return fmt.Sprintf("%.0f ms", 1000*n)
	case unit == "s":
		return fmt.Sprintf("%.2f s", n)
	case unit == "%":
		return fmt.Sprintf("%.3f %%", n)
	case unit == "MiB":
		return strings.TrimSuffix(fmt.Sprintf("%.2f", n), ".00") + " " + unit
	}
	return strings.TrimSpace(thousands(int(n)) + " " + unit)
}

// thousands writes a whole number that is not negative with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func seconds(d time.Duration) string { return amount(d.Seconds(), "s") }
