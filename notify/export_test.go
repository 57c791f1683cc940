package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
)

// Functions are the names of those that templates may call.
func Functions() []string { return slices.Sorted(maps.Keys(functions())) }

// EventsTable is the table of events in docs/notifications.md.
func EventsTable() string {
	var b strings.Builder
	b.WriteString("| event | level | what has happened |\n|---|---|---|\n")
	for _, k := range kinds {
		level := "`" + string(k.level) + "`"
		if k.kind == core.NoticeHeld {
			level += ", or as the reason says"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.kind, level, k.means)
	}
	return b.String()
}

// HoldsTable is the table of reasons that are no problem.
func HoldsTable() string {
	var b strings.Builder
	b.WriteString("| reason | level | why |\n|---|---|---|\n")
	for _, h := range holds {
		level := "`" + string(h.level) + "`"
		if h.level == never {
			level = "never told"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", h.code, level, h.why)
	}
	return b.String()
}
