package notify

import (
	"fmt"
	"strings"
)

// ServicesTable is the table of services in docs/notifications.md.
func ServicesTable() string {
	var b strings.Builder
	b.WriteString("| service | | URL | what to know |\n|---|---|---|---|\n")
	for _, s := range services {
		example := ""
		if s.example != "" {
			example = "`" + s.example + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.scheme, s.state, example, s.note)
	}
	return b.String()
}
