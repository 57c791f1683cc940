package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
	"github.com/refit-dev/refit/hooks/host"
)

// noop builds a plugin that does nothing, and returns its folder.
func noop(b *testing.B) string {
	b.Helper()
	folder := b.TempDir()
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(folder, "refit-hook-noop"), "./testdata/noop")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return folder
}

// BenchmarkUpdate is a whole `refit update` of one container, as a process: in turns
// without hooks, and with one that takes part in all stages and does nothing. The
// figures are medians, in milliseconds; more and less are of the pairs.
func BenchmarkUpdate(b *testing.B) {
	bench := newBench(b, dockertest.New(b), registrytest.New(b, registrytest.Options{}).Host)
	folder := noop(b)
	var took, down [2][]float64
	var more, longer []float64
	for pair := range b.N {
		for turn := range 2 {
			with := (pair + turn) % 2 // each goes first as often
			whole, downtime := oneUpdate(b, bench, folder, with == 1)
			took[with], down[with] = append(took[with], whole), append(down[with], downtime)
		}
		more = append(more, took[1][pair]-took[0][pair])
		longer = append(longer, down[1][pair]-down[0][pair])
	}
	b.Logf("pairs %d: whole without %v, with %v; downtime without %v, with %v", b.N, took[0], took[1], down[0], down[1])
	b.ReportMetric(median(took[0]), "ms-without")
	b.ReportMetric(median(took[1]), "ms-with")
	b.ReportMetric(median(more), "ms-more")
	b.ReportMetric(median(down[0]), "ms-down-without")
	b.ReportMetric(median(down[1]), "ms-down-with")
	b.ReportMetric(median(longer), "ms-down-more")
	b.ReportMetric(0, "ns/op")
}

// oneUpdate returns how long an update took, and for how long the container was down.
func oneUpdate(b *testing.B, bench *bench, folder string, hooked bool) (whole, down float64) {
	b.Helper()
	e := dockertest.New(b)
	x := bench.trial(b, e, "web", true)
	defer x.forget()
	if hooked {
		x.labels = map[string]string{"refit.hooks": "noop"}
	}
	x.env = []string{"REFIT_PLUGIN_DIR=" + folder}
	x.prepare()
	began := time.Now()
	code, out := x.start("unix://"+x.socket, "update").wait()
	whole = milliseconds(time.Since(began))
	if code != exitDone {
		b.Fatalf("refit update: exit code %d\n%s", code, out)
	}
	code, out = x.start("unix://"+x.socket, "history", "--format", "json").wait()
	var entries []core.Result
	if err := json.Unmarshal([]byte(out), &entries); code != exitDone || err != nil || len(entries) != 1 {
		b.Fatalf("refit history: exit code %d, %v\n%s", code, err, out)
	}
	if got := len(entries[0].Hooks); hooked && got != 4 || !hooked && got != 0 {
		b.Fatalf("%d calls of hooks: %s", got, out)
	}
	volume := fmt.Sprint(x.before.Mounts[0]["Name"]) // which the copy names: it does not go with it
	for _, path := range []string{"/containers/" + x.name, "/volumes/" + volume} {
		if err := x.call("DELETE", path+"?force=1", nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	return whole, milliseconds(entries[0].Downtime)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// BenchmarkPlugin is the start of a plugin file of its own, up to what it says of
// itself. The memory is that of the plugin when it has run a stage.
func BenchmarkPlugin(b *testing.B) {
	folder := noop(b)
	var resident float64
	for b.Loop() {
		h := &host.Host{Dir: folder}
		if fault := h.Describe(b.Context(), []string{"noop"})["noop"].Fault; fault.Code != "" {
			b.Fatal(fault)
		}
		b.StopTimer()
		if _, err := h.Call(b.Context(), core.HookCall{Hook: "noop", Stage: core.PostUpdate, Name: "web"}); err != nil {
			b.Fatal(err)
		}
		resident = residentOf(b, filepath.Join(folder, "refit-hook-noop"))
		h.Rest()
		b.StartTimer()
	}
	b.ReportMetric(resident, "MiB-resident")
}

// residentOf is the memory of the process that runs the file, in MiB.
func residentOf(b *testing.B, file string) float64 {
	b.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/exe") // the pattern is a good one
	for _, exe := range all {
		if runs, err := os.Readlink(exe); err != nil || runs != file {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "status"))
		if err != nil {
			b.Fatal(err)
		}
		_, text, _ := strings.Cut(string(status), "VmRSS:")
		kib, err := strconv.Atoi(strings.Fields(text)[0])
		if err != nil {
			b.Fatal(err)
		}
		return float64(kib) / 1024
	}
	b.Fatal("no process runs the plugin")
	return 0
}
