// Command bench measures the figures that docs/design.md promises to hold (section
// 14), on this machine's engine and with a registry of its own behind 50 ms of
// latency, and writes docs/benchmarks.md. It drives the program that people run, as
// processes, and judges by ratios to what it measures in the same run.
//
//	go run ./.ci/bench                        everything: about twelve minutes
//	go run ./.ci/bench -only downtime,crowd   some of it, printed
//	go run ./.ci/bench -short                 fewer repetitions, printed
//
// Benchmarks of single functions are none of its business: `go test -bench` has those.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are what the command line says.
type settings struct {
	only            []string
	short, strict   bool
	page            string
	refit, fixture  string
	repetitions     int // of what is measured in pairs
	laterCycles     int
	growthCycles    int
	idle, calm      time.Duration // how long an idle sidecar is looked at: on schedules, after a cycle
	containers      []int         // how many a cycle looks at
	crowd, schedule int           // how many containers
}

// section measures some lines of the table.
type section struct {
	name    string
	measure func(context.Context, *bench) (part, error)
}

var sections = []section{
	{"binary", binary},
	{"cycles", cycles},
	{"same", same},
	{"downtime", downtimes},
	{"front", front},
	{"crowd", crowded},
	{"idle", idle},
	{"growth", growth},
	{"schedules", schedules},
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{repetitions: 10, laterCycles: 3, growthCycles: 1000, idle: 2 * time.Minute, calm: 30 * time.Second, crowd: 20, schedule: 1000}
	s.containers = []int{1, 50, 200}
	var only string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&only, "only", "", "measure these `sections`, and print the page: "+strings.Join(names(), ","))
	fs.BoolVar(&s.short, "short", false, "measure less often and less long, and print the page: to try this program out")
	fs.BoolVar(&s.strict, "strict", false, "exit 1 if a figure does not hold")
	fs.StringVar(&s.page, "o", "docs/benchmarks.md", "`file` that a whole run writes")
	fs.StringVar(&s.refit, "refit", "dist/refit", "the `program` that is measured")
	fs.StringVar(&s.fixture, "fixture", "dist/fixture", "the `program` in the containers")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("stray argument %q", fs.Arg(0))
	}
	for name := range strings.SplitSeq(only, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(names(), name) {
			return s, fmt.Errorf("-only %s: want some of %s", name, strings.Join(names(), ","))
		}
		s.only = append(s.only, name)
	}
	if s.short {
		s.repetitions, s.laterCycles, s.growthCycles, s.idle, s.calm = 3, 1, 100, 10*time.Second, 10*time.Second
		s.schedule = 100
	}
	return s, nil
}

func names() []string {
	var all []string
	for _, s := range sections {
		all = append(all, s.name)
	}
	return all
}

// run returns 0 if it measured all that it was to, 1 if something went wrong or,
// with -strict, does not hold, and 2 for wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	f, err := measure(ctx, s, stderr)
	if err == nil {
		err = publish(s, f, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	broken := f.broken()
	for _, r := range broken {
		fmt.Fprintf(stderr, "bench: does not hold: %s: %s: %s\n", r.Line, r.What, r.verdict())
	}
	fmt.Fprintf(stderr, "bench: %d of %d figures hold\n", f.judged()-len(broken), f.judged())
	if s.strict && len(broken) > 0 {
		return 1
	}
	return 0
}

// measure goes through the sections and cleans up after each, whatever happens.
func measure(ctx context.Context, s settings, stderr io.Writer) (f figures, err error) {
	b, err := begin(ctx, s, stderr)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	if f.Machine, err = b.machine(ctx); err != nil {
		return f, err
	}
	f.Date = time.Now()
	for _, one := range sections {
		if len(s.only) > 0 && !slices.Contains(s.only, one.name) {
			continue
		}
		b.say("%s", one.name)
		part, err := one.measure(ctx, b)
		if ctx.Err() != nil {
			return f, errors.New("interrupted: nothing is written")
		}
		if err != nil {
			return f, fmt.Errorf("%s: %w", one.name, err)
		}
		f.add(part)
		for _, r := range part.rows {
			b.say("  %s: %s", r.What, r.verdict())
		}
		if err := b.clear(); err != nil {
			return f, err
		}
	}
	f.Took = time.Since(f.Date)
	return f, nil
}

// publish writes the page of a whole run, and prints any other. Half a page is not
// written over a whole one.
func publish(s settings, f figures, stdout io.Writer) error {
	page := f.page()
	if s.short || len(s.only) > 0 {
		_, err := io.WriteString(stdout, page)
		return err
	}
	if err := os.WriteFile(s.page+".new", []byte(page), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return os.Rename(s.page+".new", s.page)
}
