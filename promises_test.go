package refit_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")
	namedStory = regexp.MustCompile("`((?:engine|private|script)/[a-z-]+)`")
)

// TestPromisesNameTestsThatExist keeps docs/promises.md from promising a test
// that somebody has renamed or removed.
func TestPromisesNameTestsThatExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	code := testCode(t)
	tests := namedTest.FindAllStringSubmatch(string(page), -1)
	if len(tests) < 8 {
		t.Fatalf("%d tests on the page: one for each promise at least", len(tests))
	}
	for _, name := range tests {
		if !strings.Contains(code, "func "+name[1]+"(") {
			t.Errorf("no test is called %s", name[1])
		}
	}
	for _, name := range namedStory.FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.Join("cmd/refit/testdata", name[1]+".txtar")); err != nil {
			t.Error(err)
		}
	}
}

// testCode is all test files of the module in one text.
func testCode(t *testing.T) string {
	t.Helper()
	var code strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		code.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return code.String()
}
