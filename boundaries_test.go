// Package refit_test holds the one test that is about all packages at once: who
// may import whom. Tests of what a package does lie beside that package.
package refit_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/refit-dev/refit/"

// room is a row of the import table in docs/design.md, section 3.
type room struct {
	ours   []string // packages of this module, without the module's path
	theirs []string // modules, or parts of one, with all that is below them
	// not are packages of the standard library that would break the package's
	// promise, with all that is below them.
	not []string
}

// Modules of others, named once so that the rows stay readable.
const (
	bbolt        = "go.etcd.io/bbolt"
	cli          = "github.com/urfave/cli/v2"
	cron         = "github.com/robfig/cron/v3"
	docker       = "github.com/docker/docker"
	errdefs      = "github.com/containerd/errdefs"
	ggcr         = "github.com/google/go-containerregistry"
	goCmp        = "github.com/google/go-cmp"
	goPlugin     = "github.com/hashicorp/go-plugin"
	grpc         = "google.golang.org/grpc"
	hclog        = "github.com/hashicorp/go-hclog"
	protobuf     = "google.golang.org/protobuf"
	reference    = "github.com/distribution/reference"
	roots        = "golang.org/x/crypto/x509roots/fallback"
	sasl         = "github.com/emersion/go-sasl"
	shoutrrr     = "github.com/containrrr/shoutrrr"
	smtp         = "github.com/emersion/go-smtp"
	term         = "golang.org/x/term"
	testscript   = "github.com/rogpeppe/go-internal/testscript"
	anythingElse = "*"
)

// rooms is the import table. A package without a row fails the test: a new room
// is a decision, and is written down here and in docs/design.md.
var rooms = map[string]room{
	"core":          {ours: []string{"core/watchtower"}, not: []string{"context", "io", "log", "math/rand", "net", "os", "sync", "syscall"}},
	"core/update":   {ours: []string{"core"}, not: []string{"net", "os", "syscall"}},
	"core/loop":     {ours: []string{"core", "core/update", "core/schedule"}},
	"core/schedule": {theirs: []string{cron}},
	"core/docker":   {ours: []string{"core"}, theirs: []string{docker, errdefs, reference}},
	"core/registry": {ours: []string{"core"}, theirs: []string{ggcr}},
	"core/ledger":   {ours: []string{"core"}, theirs: []string{bbolt}},
	"core/coretest": {ours: []string{"core", "core/update"}},

	"core/watchtower": {not: []string{"context", "io", "log", "math/rand", "net", "os", "sync", "syscall", "time"}},

	"core/docker/dockertest":     {theirs: []string{docker}},
	"core/registry/registrytest": {theirs: []string{ggcr}},
	"notify/notifytest":          {ours: []string{"core", "notify"}, theirs: []string{goCmp}},

	"hooks":           {ours: []string{"hooks/proto"}, theirs: []string{goPlugin, hclog, grpc, protobuf}},
	"hooks/proto":     {theirs: []string{grpc, protobuf}},
	"hooks/host":      {ours: []string{"core", "hooks", "hooks/proto"}, theirs: []string{goPlugin, hclog, grpc, protobuf}},
	"hooks/hookstest": {ours: []string{"hooks", "hooks/proto"}, theirs: []string{goPlugin, grpc, protobuf}},
	"notify":          {ours: []string{"core"}, theirs: []string{shoutrrr}},
	"plugins":         {ours: []string{"hooks"}, theirs: []string{anythingElse}},

	"cmd/refit": {
		ours: []string{
			"core", "core/update", "core/loop", "core/schedule", "core/docker", "core/registry",
			"core/ledger", "core/watchtower", "hooks", "hooks/host", "notify", "plugins",
		},
		theirs: []string{cli, term, roots},
	},
	"cmd/fixture": {ours: []string{"core/registry/registrytest"}},

	// This test's own.
	"": {},
}

// forTests are what every test may import beside what its package may: the test
// packages, core/update, whose interfaces the adapters are to satisfy, and a real
// mail server.
var forTests = room{
	ours:   []string{"core/update", "core/coretest", "core/docker/dockertest", "core/registry/registrytest", "hooks/hookstest", "notify/notifytest"},
	theirs: []string{goCmp, testscript, smtp, sasl},
}

// file is one source file, what it imports, and its comments.
type file struct {
	name     string // slashes, from the repository's root
	imports  []string
	comments []string
}

// sourceFiles reads every Go file of the module, whatever its build constraints:
// a forbidden import is forbidden on every system. Folders that the go command
// skips, and other modules, are left out.
func sourceFiles(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && skipped(name):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		f, err := readFile(name)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(name string) (file, error) {
	f := file{name: filepath.ToSlash(name)}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return f, err
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return f, err
		}
		f.imports = append(f.imports, imported)
	}
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			f.comments = append(f.comments, comment.Text)
		}
	}
	return f, nil
}

func skipped(folder string) bool {
	base := filepath.Base(folder)
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil || base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_'
}

// rowName names the row that a package follows: its own, or for a bundled
// plugin the one of all plugins.
func rowName(pkg string) string {
	if strings.HasPrefix(pkg, "plugins/") {
		return "plugins"
	}
	return pkg
}

// below tells whether a package is one of the listed ones or lies under one.
func below(pkg string, list []string) bool {
	return slices.ContainsFunc(list, func(root string) bool {
		return root == anythingElse || pkg == root || strings.HasPrefix(pkg, root+"/")
	})
}

// complaint says what is wrong with one import of a file, or nothing.
func complaint(f file, imported string) string {
	pkg := path.Dir(f.name)
	if pkg == "." {
		pkg = ""
	}
	r, ok := rooms[rowName(pkg)]
	if !ok {
		return "its package has no row in the import table"
	}
	inside, isOurs := strings.CutPrefix(imported, module)
	ours, theirs := r.ours, r.theirs
	if strings.HasSuffix(f.name, "_test.go") {
		if inside == pkg {
			return "" // a test from outside
		}
		ours = slices.Concat(ours, forTests.ours)
		theirs = slices.Concat(theirs, forTests.theirs)
		r.not = nil
	}
	host, _, _ := strings.Cut(imported, "/")
	switch {
	case isOurs && slices.Contains(ours, rowName(inside)):
		return ""
	case isOurs:
		return "may not import " + inside
	case strings.Contains(host, ".") && !below(imported, theirs):
		return "may not import " + imported
	case below(imported, r.not):
		return "may not import " + imported + ": it would break the package's promise"
	}
	return ""
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	files := sourceFiles(t)
	if len(files) < 10 {
		t.Fatalf("found only %d source files: the walk is broken", len(files))
	}
	for _, f := range files {
		for _, imported := range f.imports {
			if wrong := complaint(f, imported); wrong != "" {
				t.Errorf("%s: %s (docs/design.md, section 3)", f.name, wrong)
			}
		}
	}
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, imported string
		want           string
	}{
		"an adapter may import the domain":           {"core/docker/x.go", module + "core", ""},
		"an adapter may not import another":          {"core/docker/x.go", module + "core/ledger", "may not import core/ledger"},
		"nor may its tests":                          {"core/docker/x_test.go", module + "core/ledger", "may not import core/ledger"},
		"its tests may import the conformance suite": {"core/docker/x_test.go", module + "core/coretest", ""},
		"its tests may name what it is to satisfy":   {"core/docker/x_test.go", module + "core/update", ""},
		"its program may not":                        {"core/docker/x.go", module + "core/coretest", "may not import core/coretest"},
		"the Docker client belongs to its adapter":   {"core/docker/x.go", docker + "/client", ""},
		"the engine room may not have it":            {"core/update/x.go", docker + "/client", "may not import " + docker + "/client"},
		"a module of a similar name is another":      {"core/docker/x.go", docker + "-evil/client", "may not import " + docker + "-evil/client"},
		"the domain may not do I/O":                  {"core/x.go", "os/exec", "may not import os/exec: it would break the package's promise"},
		"its tests may read their golden files":      {"core/x_test.go", "os", ""},
		"the domain may know a duration":             {"core/x.go", "time", ""},
		"a plugin is a stranger":                     {"plugins/backup/x.go", module + "core", "may not import core"},
		"a plugin may use what it likes":             {"plugins/backup/x.go", "example.com/x", ""},
		"its tests may stand outside":                {"plugins/backup/x_test.go", module + "plugins/backup", ""},
		"its tests may not know another":             {"plugins/backup/x_test.go", module + "plugins/http", "may not import plugins/http"},
		"the command may bundle plugins":             {"cmd/refit/x.go", module + "plugins/backup", ""},
		"the command may not import a fake":          {"cmd/refit/x.go", module + "core/coretest", "may not import core/coretest"},
		"a package without a row":                    {"core/util/x.go", "strings", "its package has no row in the import table"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := complaint(file{name: tt.file}, tt.imported); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// waiver matches the comments by which linters are told to look away.
var waiver = regexp.MustCompile(`^//\s*(nolint|lint:ignore|revive:disable|#nosec)`)

func TestLinterIsNeverWaived(t *testing.T) {
	t.Parallel()
	for _, f := range sourceFiles(t) {
		for _, comment := range f.comments {
			if waiver.MatchString(comment) {
				t.Errorf("%s: %q: mend what the linter says instead", f.name, comment)
			}
		}
	}
}

// TestDesignNamesTheSameRooms keeps the published table and this one together.
func TestDesignNamesTheSameRooms(t *testing.T) {
	t.Parallel()
	design, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(design), "\n## 3. ")
	section, _, _ = strings.Cut(section, "\n## ")
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(section, -1) {
		got = append(got, strings.TrimSuffix(row[1], "/*"))
	}
	var want []string
	for name := range rooms {
		if name != "" {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rooms in docs/design.md, section 3 (-here +there):\n%s", diff)
	}
}
