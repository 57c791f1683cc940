package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "write the generated documentation and the golden files")

func TestFlagsPage(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join("..", "..", "docs", "flags.md"), flagsPage())
}

// golden compares with a file, or writes it where the test runs with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-file +made), go test ./cmd/refit -update writes it:\n%s", path, diff)
	}
}

// flagsPage is docs/flags.md.
func flagsPage() string {
	var b strings.Builder
	b.WriteString("# Flags\n\n" +
		"Generated from the table in `cmd/refit`; `go test ./cmd/refit -update` writes it.\n\n" +
		"Flags may stand before and after a command, and after its arguments. Where neither the flag nor its\n" +
		"variable is there, the file that the variable with `_FILE` behind its name points to is read\n" +
		"(`REFIT_DATA_FILE`), then the other variables, in their order. An empty variable counts as not set.\n\n" +
		"If a variable of Watchtower is set and `WATCHTOWER_LABEL_ENABLE` is not, `--all` is implied, and the log says so.\n" +
		"Watchtower's flags and letters are taken as well: [migrating.md](migrating.md) has them all.\n" +
		"`DOCKER_CERT_PATH` and `DOCKER_CONFIG` have no flag and mean what they mean to docker.\n")
	for _, group := range []string{groupWhen, groupWhich, groupHooks, groupNotify, groupEngine, groupOutput} {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | variables | default | what it does |\n|---|---|---|---|\n", group)
		for _, o := range options {
			if o.group == group {
				b.WriteString(flagsRow(o))
			}
		}
	}
	return b.String()
}

func flagsRow(o option) string {
	name := "`--" + o.name
	if o.value != "" {
		name += " " + o.value
	}
	name += "`"
	if o.short != "" {
		name += ", `-" + o.short + "`"
	}
	if len(o.commands) > 0 {
		name += " (`refit " + strings.Join(o.commands, "`, `refit ") + "`)"
	}
	return fmt.Sprintf("| %s | `%s` | %s | %s |\n", name, strings.Join(o.variables(), "`, `"), o.initial, o.help)
}
