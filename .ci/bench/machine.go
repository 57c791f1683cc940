package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is where and of what the figures are.
type machine struct {
	CPU      string
	Cores    int
	MemoryGB float64 // GiB
	Kernel   string
	Engine   string // version, API and storage driver
	Refit    string // what the program says of itself
	Commit   string
	Go       string
	Load     string // of the last minute, when the run began
	Others   int    // containers that were on the engine
	Short    bool   // fewer repetitions than a page should be made of
}

func (b *bench) machine(ctx context.Context) (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Short: b.short}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, fmt.Errorf("look at the machine: %w", err)
	}
	m.Kernel = strings.TrimSpace(string(kernel))
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, fmt.Errorf("look at the machine: %w", err)
	}
	m.Load, _, _ = strings.Cut(string(load), " ")
	if m.CPU, err = field("/proc/cpuinfo", "model name"); err != nil {
		m.CPU = runtime.GOARCH // not every kernel names it
	}
	memory, err := kilobytes("/proc/meminfo", "MemTotal")
	if err != nil {
		return m, fmt.Errorf("look at the machine: %w", err)
	}
	m.MemoryGB = memory / (1 << 10)
	version, err := b.api.ServerVersion(ctx)
	if err != nil {
		return m, fmt.Errorf("ask the engine for its version: %w", err)
	}
	info, err := b.api.Info(ctx)
	if err != nil {
		return m, fmt.Errorf("ask the engine for its storage: %w", err)
	}
	m.Others = info.Containers
	m.Engine = fmt.Sprintf("%s, API %s, %s", version.Version, version.APIVersion, info.Driver)
	said, err := exec.CommandContext(ctx, b.settings.refit, "--version").Output()
	if err != nil {
		return m, fmt.Errorf("%s --version: %w", b.settings.refit, err)
	}
	m.Refit, _, _ = strings.Cut(strings.TrimSpace(string(said)), "\n")
	m.Commit = commit(ctx)
	return m, nil
}

// commit is that of the code around us, "unknown" where git does not know.
func commit(ctx context.Context) string {
	id, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	// The page itself may be of another run.
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no", "--", ":!docs/benchmarks.md").Output()
	if err != nil || len(changed) > 0 {
		return strings.TrimSpace(string(id)) + ", with changes"
	}
	return strings.TrimSpace(string(id))
}

func (m machine) write(b *strings.Builder, took time.Duration) {
	fmt.Fprintf(b, "| | |\n|---|---|\n")
	fmt.Fprintf(b, "| machine | %s, %d cores, %.0f GiB of memory, Linux %s |\n", m.CPU, m.Cores, m.MemoryGB, m.Kernel)
	fmt.Fprintf(b, "| engine | Docker %s |\n", m.Engine)
	fmt.Fprintf(b, "| program | %s, commit %s, %s |\n", m.Refit, m.Commit, m.Go)
	fmt.Fprintf(b, "| the run | %.0f minutes; when it began the machine had a load of %s, and the engine %d containers", took.Minutes(), m.Load, m.Others)
	if m.Short {
		b.WriteString(", SHORTENED: fewer repetitions than the text below says")
	}
	b.WriteString(" |\n")
}

// field finds "name : value" in a file of the kernel's.
func field(file, name string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no %s", file, name)
}

// kilobytes is a field in kB, in MiB.
func kilobytes(file, name string) (float64, error) {
	text, err := field(file, name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w", file, name, err)
	}
	return n / (1 << 10), nil
}
