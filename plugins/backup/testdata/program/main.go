// Command program plays Refit for the tests of package backup: the helper in the
// container that restores, and the process in which a stage runs and can be killed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/plugins/backup"
)

// order is what the process is to do, as JSON in the one argument.
type order struct {
	Stage  string
	Update hooks.Update
}

func main() {
	if len(os.Args) > 3 {
		code, _ := backup.Main(os.Args[3:]) // "hook", "backup", …
		os.Exit(code)
	}
	var o order
	err := json.Unmarshal([]byte(os.Args[1]), &o)
	if err == nil {
		err = o.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	status, _ := os.ReadFile("/proc/self/status") // it is always there
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			fmt.Print(line)
		}
	}
}

func (o order) run() error {
	h := backup.New()
	if o.Stage == "pre-recreate" {
		return h.PreRecreate(context.Background(), &o.Update)
	}
	return h.OnRollback(context.Background(), &o.Update)
}
