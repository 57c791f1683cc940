package hooks

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/refit-dev/refit/hooks/proto"
)

// introduce tells a person who has started the program what it is. File is the
// program's own name.
func introduce(w io.Writer, file string, hook any) {
	name, installed := strings.CutPrefix(file, "refit-hook-")
	if !installed {
		name = "NAME"
	}
	d := describe(hook)
	fmt.Fprintf(w, "%s is a hook for Refit. It does nothing by itself: Refit runs it when it replaces a container.\n", file)
	if d.GetSummary() != "" {
		fmt.Fprintf(w, "\n%s\n", d.GetSummary())
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns)
	if d.GetVersion() != "" {
		fmt.Fprintf(columns, "version\t%s\n", d.GetVersion())
	}
	fmt.Fprintf(columns, "stages\t%s\n", strings.Join(stageNames(d), ", "))
	for i, k := range d.GetKeys() {
		title, who := "", "operator"
		if i == 0 {
			title = "settings"
		}
		if k.GetLabel() {
			who = "label, operator"
		}
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", title, k.GetName(), who, k.GetHelp())
	}
	_ = columns.Flush()
	fmt.Fprintf(w, "\nTo install it, put it as refit-hook-%s into the folder that Refit's --plugin-dir names, where only\n"+
		"its owner may write, and label a container with refit.hooks=%s.\n", name, name)
}

func stageNames(d *proto.Description) []string {
	var names []string
	for _, s := range d.GetStages() {
		names = append(names, stageName(s))
	}
	return names
}
