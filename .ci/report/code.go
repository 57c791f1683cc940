package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// measure is what there is of one kind of code.
type measure struct {
	files, lines int // lines as wc counts them
	longest      int // lines of the longest function, from func to its brace
	name         string
}

// code prints the figures of the Go code below root, and the sizes of files.
func code(root string, sizes []string, w io.Writer) error {
	var program, test measure
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && isElsewhere(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		case strings.HasSuffix(name, "_test.go"):
			return test.add(name)
		}
		return program.add(name)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "code     %s\ntests    %s\n", program, test)
	return binaries(sizes, w)
}

// isElsewhere tells whether a folder holds no code of the program.
func isElsewhere(folder string) bool {
	return folder[0] == '.' || folder == "testdata" || folder == "tools"
}

func binaries(names []string, w io.Writer) error {
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "binary   %s: %.1f MiB (%d bytes)\n", name, float64(info.Size())/(1<<20), info.Size())
	}
	return nil
}

func (m measure) String() string {
	return fmt.Sprintf("%d lines in %d files, longest function %s (%d lines)", m.lines, m.files, m.name, m.longest)
}

func (m *measure) add(name string) error {
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	m.files++
	m.lines += bytes.Count(source, []byte("\n"))
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > m.longest {
			m.longest, m.name = lines, fmt.Sprintf("%s in %s", f.Name.Name, name)
		}
	}
	return nil
}
