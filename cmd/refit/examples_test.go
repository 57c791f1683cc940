package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

var (
	// Also what is commented out, because it is there to be used.
	yamlLine    = regexp.MustCompile(`(?m)^[ #]*(refit\.[a-z][a-z0-9.-]*|REFIT_[A-Z_]+): (.+)$`)
	labelTyped  = regexp.MustCompile("--label (?:'(refit\\.[^'=]+)=([^']*)'|(refit\\.[^ '=]+)=([^ '`)]+))")
	settingPart = regexp.MustCompile(`(?:-e|--env) '?(REFIT_[A-Z_]+)=([^ '` + "`" + `]+|'[^']*')`)
)

// TestExamplesSayNothingThatRefitDoesNotKnow reads the labels and the variables out of
// all files below docs, and of the README.
func TestExamplesSayNothingThatRefitDoesNotKnow(t *testing.T) {
	t.Parallel()
	labels, variables := 0, 0
	for path, text := range documents(t) {
		found := labelTyped.FindAllStringSubmatch(text, -1)
		found = append(found, settingPart.FindAllStringSubmatch(text, -1)...)
		if filepath.Ext(path) == ".yaml" {
			found = append(found, yamlLine.FindAllStringSubmatch(text, -1)...)
		}
		for _, match := range found {
			pair := strings.TrimRight(strings.Join(match[1:], "\x00"), "\x00")
			name, value, _ := strings.Cut(strings.TrimLeft(pair, "\x00"), "\x00")
			value = strings.Trim(value, `"'`)
			if strings.Contains(value, "…") || strings.Contains(value, "$") {
				continue // it is the reader's to fill in
			}
			if strings.HasPrefix(name, "REFIT_") {
				variables++
				checkVariable(t, path, name, value)
				continue
			}
			labels++
			checkLabel(t, path, name, value)
		}
	}
	if labels < 30 || variables < 5 {
		t.Errorf("found %d labels and %d variables: the patterns miss some", labels, variables)
	}
}

func checkLabel(t *testing.T, path, name, value string) {
	t.Helper()
	c := core.Container{Name: "web", Labels: map[string]string{name: value}}
	if _, bad, ok := newConfig().settings.PolicyOf(c); !ok {
		t.Errorf("%s: %s=%s: %s", path, name, value, bad.Text)
	}
}

// checkVariable also accepts a file that holds the value.
func checkVariable(t *testing.T, path, name, value string) {
	t.Helper()
	for _, o := range options {
		switch c := newConfig(); {
		case name == o.env()+"_FILE":
			return
		case name != o.env():
			continue
		case value == "|": // the lines below are the value
			return
		default:
			if err := o.set(&c, value); err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s: %s=%s: %v", path, name, value, err)
			}
			return
		}
	}
	t.Errorf("%s: no flag has the variable %s", path, name)
}

// documents are what people read and copy from, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	texts := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/*.yaml", "docs/examples/*.yaml"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(text)
		}
	}
	return texts
}
