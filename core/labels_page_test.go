package core_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/refit-dev/refit/core"
)

var rewrite = flag.Bool("update", false, "write docs/labels.md anew")

// TestLabelsPage keeps docs/labels.md what the table of labels says.
func TestLabelsPage(t *testing.T) {
	t.Parallel()
	const file = "../docs/labels.md"
	page := labelsPage()
	if *rewrite {
		if err := os.WriteFile(file, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	there, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(there, page) {
		t.Errorf("%s is not what the table says: make docs", file)
	}
}

func labelsPage() []byte {
	var page bytes.Buffer
	page.WriteString(`# Labels

<!-- Made from the table in core/labels.go by "make docs". Do not edit. -->

Labels on a container say what Refit does with it. A label under ` + "`refit.`" + ` that Refit does not
know, or a value that does not parse, holds that container and says which label it is. Labels that
come from the image count only with ` + "`--trust-image-labels`" + `.

| label | value | default from | what it does |
|---|---|---|---|
`)
	for _, l := range core.Labels() {
		flag := ""
		if l.Flag != "" {
			flag = "`--" + l.Flag + "`"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", l.Name, l.Value, flag, l.Help)
	}
	return page.Bytes()
}
