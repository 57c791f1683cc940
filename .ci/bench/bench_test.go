package main

import (
	"bytes"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "write the golden file")

// someFigures have a row of every kind, and no relation to any machine.
func someFigures() figures {
	f := figures{
		Machine: machine{
			CPU: "Abacus 1", Cores: 2, MemoryGB: 23.6, Kernel: "6.1.0", Engine: "20.10.24, API 1.41, overlay2",
			Refit: "refit 1.2.3", Commit: "0123456789ab", Go: "go1.26.0", Load: "0.08",
		},
		Date: time.Date(2026, time.March, 1, 12, 30, 0, 0, time.UTC), Took: 11*time.Minute + 40*time.Second,
	}
	f.add(part{rows: []row{{"Binary", "the program", 24, 21.26, "MiB", "", 1}}})
	f.add(part{
		rows: []row{
			{"A cycle", "first cycle", 1.0025, 1.123, "s", "401 requests × 50 ms / 20", 1.5},
			{"A cycle", "later cycle", 0.5, 0.8, "s", "200 requests × 50 ms / 20", 1.5},
			{"A cycle", "requests", 401, 401, "", "two for each image, and one for the registry", 1},
		},
		cycles: []cycleRow{
			{200, 200, "first", requests{Ping: 1, Token: 200, Head: 200}, 1500 * time.Millisecond, 609 * time.Millisecond, 30.36},
			{200, 200, "later", requests{Head: 200}, 700 * time.Millisecond, 244 * time.Millisecond, 31},
		},
	})
	f.add(part{
		rows:  []row{{"Start-first", "failed requests of 1,876", 0, 0, "", "", 1}, {"Start-first", "failed without the rules", 0, 3, "", "", 1}},
		notes: []string{"Start-first: the slowest answer took 1.06 s."},
	})
	f.add(part{rows: []row{{"20 containers", "at that load", 1.75, 1.73, "s", "the engine alone", 0}}})
	for n := 20; n <= 1000; n += 20 {
		f.samples = append(f.samples, sample{n, 27.5, 9.25})
	}
	return f
}

func TestThePageIsMadeOfTheFigures(t *testing.T) {
	t.Parallel()
	const golden = "testdata/benchmarks.golden.md"
	f := someFigures()
	got := f.page()
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the page (-want +got):\n%s", diff)
	}
}

func TestARowHoldsOrDoesNot(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		row   row
		holds bool
		ratio float64
	}{
		"at the limit it holds":                  {row{Limit: 2, Measured: 3, Most: 1.5}, true, 1.5},
		"above it does not":                      {row{Limit: 2, Measured: 3.02, Most: 1.5}, false, 1.51},
		"of a limit of 0 nothing holds but 0":    {row{Measured: 1, Most: 1}, false, math.NaN()},
		"0 does":                                 {row{Most: 1}, true, math.NaN()},
		"a row without target always holds":      {row{Limit: 1, Measured: 9}, true, 9},
		"a figure that was not taken is no good": {row{Limit: 1, Measured: math.NaN(), Most: 1}, false, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tt.row.holds(); got != tt.holds {
				t.Errorf("holds is %t, want %t", got, tt.holds)
			}
			got := tt.row.ratio()
			if math.IsNaN(tt.ratio) != math.IsNaN(got) || math.Abs(got-tt.ratio) > 1e-9 {
				t.Errorf("the ratio is %v, want %v", got, tt.ratio)
			}
		})
	}
	f := someFigures()
	if got := len(f.broken()); got != 2 {
		t.Errorf("%d rows do not hold, want 2", got)
	}
	if got := f.judged(); got != 6 {
		t.Errorf("%d rows are judged, want 6", got)
	}
}

func TestMedianAndSlope(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		all  []float64
		want float64
	}{
		"of one":                                   {[]float64{3}, 3},
		"of three in no order":                     {[]float64{9, 1, 4}, 4},
		"of four it is between the middle two":     {[]float64{4, 1, 9, 2}, 3},
		"one that is far off has no influence":     {[]float64{1, 2, 1e9}, 2},
		"what it is given stays in its own order ": {[]float64{2, 1, 3}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := append([]float64(nil), tt.all...)
			if got := median(tt.all); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if diff := cmp.Diff(before, tt.all); diff != "" {
				t.Errorf("the order changed:\n%s", diff)
			}
		})
	}
	if got := slope([]float64{1, 2, 3, 4}, []float64{10, 8, 12, 10}); math.Abs(got-0.4) > 1e-9 {
		t.Errorf("the slope is %v, want 0.4", got)
	}
}

func TestTheGrowthIsThatOfTheSecondHalf(t *testing.T) {
	t.Parallel()
	var all []sample
	for n := 20; n <= 1000; n += 20 {
		s := sample{n, 20 + float64(min(n, 500))/100, 9} // it grows at first, as every process does
		if n > 500 {
			s.Anonymous += float64(n-500) / 250
		}
		all = append(all, s)
	}
	rows := grown(all)
	if resident := rows[0]; !resident.holds() || resident.Measured > 1e-6 {
		t.Errorf("what grew in the first half only: %s", resident.verdict())
	}
	if anonymous := rows[1]; anonymous.holds() || math.Abs(anonymous.Measured-1.92) > 0.01 {
		t.Errorf("what grew by 2 MiB in the second: %s", anonymous.verdict())
	}
}

func TestARatioIsThatOfTheMeasuredCycle(t *testing.T) {
	t.Parallel()
	first := costs{requests: requests{Ping: 1, Token: 200, Head: 200}, registry: 1200 * time.Millisecond}
	later := costs{requests: requests{Head: 200}, registry: 600 * time.Millisecond, took: 900 * time.Millisecond}
	rows := distinct(200, first, later, 250*time.Millisecond)
	var got []float64
	for _, r := range rows {
		got = append(got, math.Round(1000*r.ratio())/1000)
	}
	if diff := cmp.Diff([]float64{1.197, 1.2, 1.2, 1, 1}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if got := middle([]costs{{took: 3, cpu: 1, peak: 9}, {took: 1, cpu: 5, peak: 2}, {took: 2, cpu: 3, peak: 1}}); got.took != 2 || got.cpu != 3 || got.peak != 9 {
		t.Errorf("the middle of three is %+v", got)
	}
}

func TestALogIsReadAsItComes(t *testing.T) {
	t.Parallel()
	l := newLogbook()
	text := `{"time":"2026-03-01T12:00:00.5Z","msg":"watching containers"}
panic: not JSON
{"time":"2026-03-01T12:00:01.25Z","msg":"cycle done","unchanged":3}
{"time":"2026-03-01T12:00:02Z","msg":"result"}
`
	for _, piece := range strings.SplitAfter(text, "c") { // lines arrive in pieces
		if _, err := l.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-l.watching:
	default:
		t.Error("it did not hear that the sidecar watches")
	}
	if len(l.cycles) != 1 {
		t.Fatalf("%d cycles have ended, want 1", len(l.cycles))
	}
	if at := <-l.cycles; at.Format(time.TimeOnly+".00") != "12:00:01.25" {
		t.Errorf("the cycle ended at %s", at)
	}
	if !strings.Contains(l.tail(), "panic: not JSON") {
		t.Errorf("the last lines are %q", l.tail())
	}
}

func TestWrongUsageMeasuresNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string
		code int
	}{
		"an unknown section":             {[]string{"-only", "downtim"}, "want some of binary,cycles", 2},
		"a stray argument":               {[]string{"now"}, `stray argument "now"`, 2},
		"a program that is not built":    {[]string{"-refit", "testdata/none"}, "make build makes it", 1},
		"-help is no error":              {[]string{"-help"}, "-strict", 0},
		"one unknown among known others": {[]string{"-only", "idle, x"}, "-only x", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), tt.args, &stdout, &stderr); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
				t.Errorf("stdout %q, stderr %q, want %q in it", stdout.String(), stderr.String(), tt.want)
			}
		})
	}
}

func TestOnlyAWholeRunWritesThePage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		s      settings
		writes bool
	}{
		"a whole run writes":      {settings{}, true},
		"a short one prints":      {settings{short: true}, false},
		"one of a section prints": {settings{only: []string{"idle"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.s.page = t.TempDir() + "/page.md"
			var out bytes.Buffer
			if err := publish(tt.s, someFigures(), &out); err != nil {
				t.Fatal(err)
			}
			_, err := os.Stat(tt.s.page)
			if written := err == nil; written != tt.writes || tt.writes == (out.Len() > 0) {
				t.Errorf("written is %t, want %t; printed %d bytes", written, tt.writes, out.Len())
			}
		})
	}
}
