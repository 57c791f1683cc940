package refit_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	pageLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// notInSlug is what a heading's anchor leaves out.
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestLinksOfThePagesLeadSomewhere follows the relative links of all that people read.
func TestLinksOfThePagesLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := append(docFiles(t, ".md"), "README.md")
	if len(pages) < 15 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, page := range pages {
		for _, link := range pageLink.FindAllStringSubmatch(readPage(t, page), -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			target, anchor, _ := strings.Cut(link[1], "#")
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, and that is not there", page, link[1])
				continue
			}
			if anchor != "" && !anchors(readPage(t, file))[anchor] {
				t.Errorf("%s links to %s, and no heading of %s is called so", page, link[1], file)
			}
		}
	}
}

// TestTheIndexLinksEveryPage also counts the files that people are to copy.
func TestTheIndexLinksEveryPage(t *testing.T) {
	t.Parallel()
	linked := map[string]bool{"docs/index.md": true}
	for _, link := range pageLink.FindAllStringSubmatch(readPage(t, "docs/index.md"), -1) {
		target, _, _ := strings.Cut(link[1], "#")
		linked[filepath.Join("docs", target)] = true
	}
	for _, page := range append(docFiles(t, ".md"), docFiles(t, ".yaml")...) {
		if strings.HasPrefix(page, "docs/changelog/") {
			continue // the index has the folder
		}
		if !linked[page] {
			t.Errorf("docs/index.md does not link %s", page)
		}
	}
}

// TestTheChangelogHasEveryEntry makes it as a release does. Its links are the root's.
func TestTheChangelogHasEveryEntry(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "sh", ".ci/changelog", "v9.8.7").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := string(out)
	if !strings.HasPrefix(text, "# Changelog\n\n## v9.8.7\n\n- ") {
		t.Errorf("it begins with %.60q", text)
	}
	for _, entry := range docFiles(t, ".md") {
		if !strings.HasPrefix(entry, "docs/changelog/") {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(readPage(t, entry), "- "), "\n")
		first, _, _ = strings.Cut(first, "[") // links are other ones there
		if !strings.Contains(text, "- "+first) {
			t.Errorf("it does not have %s", entry)
		}
	}
	for _, link := range pageLink.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(link[1], "#")
		if _, err := os.Stat(target); err != nil && !strings.Contains(target, "://") {
			t.Error(err)
		}
	}
}

// docFiles are those below docs with that extension.
func docFiles(t *testing.T, extension string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == extension {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors are what the headings of a page are linked by.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(page, -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(h[1]), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}
