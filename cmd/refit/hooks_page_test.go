package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/refit-dev/refit/hooks"
)

var docs = filepath.Join("..", "..", "docs")

// TestHooksPage holds the parts of docs/hooks.md that are made from code: the tables
// of settings, and the example.
func TestHooksPage(t *testing.T) {
	t.Parallel()
	page := readPage(t, "hooks.md")
	for _, name := range slices.Sorted(maps.Keys(bundled)) {
		page = fillIn(t, page, "settings of "+name, settingsTable(describe(t, name)))
	}
	example := readPage(t, filepath.Join("..", "plugins", "example", "main.go"))
	page = fillIn(t, page, "plugins/example/main.go", "```go\n"+example+"```\n")
	golden(t, filepath.Join(docs, "hooks.md"), page)
}

// TestHookPagesNameEverySetting is for the pages of single hooks, which people write.
func TestHookPagesNameEverySetting(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(docs, "hook-*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("there are no such pages: %v", err)
	}
	for _, path := range pages {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "hook-"), ".md")
		page := readPage(t, filepath.Base(path))
		for _, key := range describe(t, name).Keys {
			if shown := "`" + strings.Replace(key.Name, ".*", ".NAME", 1) + "`"; !strings.Contains(page, shown) {
				t.Errorf("docs/hook-%s.md does not mention %s", name, shown)
			}
		}
	}
}

// TestHooksPageLinks follows the links of the page that lead to files.
func TestHooksPageLinks(t *testing.T) {
	t.Parallel()
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(readPage(t, "hooks.md"), -1) {
		if _, err := os.Stat(filepath.Join(docs, filepath.FromSlash(link[1]))); err != nil {
			t.Errorf("docs/hooks.md: %v", err)
		}
	}
}

// TestHooksPageKnowsTheMessages looks for the messages of the page in the code.
func TestHooksPageKnowsTheMessages(t *testing.T) {
	t.Parallel()
	said := literals(t, "core", "core/update", "hooks", "hooks/host")
	_, table, found := strings.Cut(readPage(t, "hooks.md"), "| message | why | what to do |\n|---|---|---|\n")
	if !found {
		t.Fatal("docs/hooks.md has no table of messages")
	}
	for row := range strings.Lines(table) {
		for _, message := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(strings.Split(row, "|")[1], -1) {
			for part := range strings.SplitSeq(message[1], "…") {
				if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, strings.TrimSpace(part)) }) {
					t.Errorf("nothing says %q any more, which docs/hooks.md explains", message[1])
				}
			}
		}
	}
}

// literals returns the strings in the code of those packages.
func literals(t *testing.T, packages ...string) []string {
	t.Helper()
	var all []string
	for _, name := range packages {
		files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(name), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("read %s: %v", name, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, _ := strconv.Unquote(literal.Value) // it has been parsed
					all = append(all, text)
				}
				return true
			})
		}
	}
	return all
}

// fillIn puts a text between a mark and the next end.
func fillIn(t *testing.T, page, mark, text string) string {
	t.Helper()
	const end = "<!-- end -->"
	before, rest, found := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("the page has no place for %s", mark)
	}
	return before + "<!-- " + mark + " -->\n" + text + end + after
}

func settingsTable(d hooks.Description) string {
	var b strings.Builder
	b.WriteString("| setting | who | what it says |\n|---|---|---|\n")
	for _, k := range d.Keys {
		who := "operator"
		if k.Label {
			who = "label"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, who, strings.ReplaceAll(k.Help, "|", `\|`))
	}
	return b.String()
}

func describe(t *testing.T, name string) hooks.Description {
	t.Helper()
	one, there := bundled[name]
	if !there {
		t.Fatalf("no hook %s comes with Refit", name)
	}
	d, ok := one.hook().(hooks.Describer)
	if !ok {
		t.Fatalf("hook %s does not describe itself", name)
	}
	return d.Describe()
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
