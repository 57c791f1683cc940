package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
)

// cluster is how the image with a PostgreSQL starts. A new version that is to be a bad
// one spoils the data first, as a migration may.
const cluster = `#!/bin/sh
set -eu
if [ ! -f "$PGDATA/PG_VERSION" ]; then
	initdb --username postgres --auth trust --encoding UTF8 --locale C --data-checksums --no-sync >/dev/null
fi
if [ "${SPOIL:-}" = yes ]; then
	echo "migrating"
	for file in "$PGDATA"/base/*/* "$PGDATA"/pg_xact/*; do
		if [ -f "$file" ]; then echo rubbish >"$file"; fi
	done
	: >"$PGDATA/global/pg_control"
fi
exec postgres -k /tmp -c jit=off
`

// postgres makes an image of this machine's own PostgreSQL, and pushes it as
// $IMAGES-pg:1: postgres VERSION [INSTRUCTION…]. It runs as the user 26.
func (s *story) postgres(ts *testscript.TestScript, args []string) {
	base := s.name("pgbase") + ":1"
	if _, err := s.docker(ts, "image", "inspect", base); err != nil {
		s.postgresBase(ts, base)
	}
	reference := s.reference("pg")
	before, err := s.docker(ts, "image", "inspect", "--format", "{{.Id}}", reference)
	first := err != nil
	instructions := append([]string{"FROM " + base, "ENV VERSION=" + args[0]}, args[1:]...)
	build := s.command(ts, "docker", "build", "--no-cache", "--quiet", "--tag", reference, "-")
	build.Stdin = strings.NewReader(strings.Join(instructions, "\n") + "\n")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("docker build: %v\n%s", err, out)
	}
	_, err = s.docker(ts, "push", "--quiet", reference)
	ts.Check(err)
	if !first { // as if another machine had built it
		_, err = s.docker(ts, "tag", before, reference)
		ts.Check(err)
	}
}

// postgresBase makes the image that all versions are made from.
func (s *story) postgresBase(ts *testscript.TestScript, reference string) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is a good one
	if len(found) == 0 {
		dockertest.Missing(s.t, "this machine has no PostgreSQL to make an image of: install postgresql-15")
	}
	programs := filepath.Dir(slices.Max(found))
	load := s.command(ts, "docker", "import",
		"--change", "ENV PATH="+programs+":/bin PGDATA=/pg/data PGHOST=/tmp PGUSER=postgres TZ=UTC",
		"--change", "USER 26:26", "--change", `ENTRYPOINT ["/bin/cluster"]`,
		"--change", `HEALTHCHECK --interval=500ms --timeout=10s --retries=60 CMD ["`+programs+`/psql", "-c", "select 1"]`,
		"-", reference)
	in, err := load.StdinPipe()
	ts.Check(err)
	var said bytes.Buffer
	load.Stdout, load.Stderr = &said, &said
	ts.Check(load.Start())
	wrong := errors.Join(writePostgres(in, programs), in.Close())
	if err := errors.Join(load.Wait(), wrong); err != nil {
		ts.Fatalf("docker import: %v\n%s", err, &said)
	}
}

// writePostgres writes the file system of the image.
func writePostgres(out io.Writer, programs string) error {
	w := &layerWriter{Writer: tar.NewWriter(out), there: map[string]bool{}}
	w.folder("tmp", 0o1777, 0)
	w.folder("pg", 0o755, 26)
	w.folder("var/lib/postgresql/data", 0o700, 26) // where everybody else has it
	w.folder("dumps", 0o755, 26)
	w.folder("usr/share/zoneinfo", 0o755, 0) // UTC needs no file in it
	w.file("etc/passwd", 0o644, []byte("root:x:0:0::/:/bin/sh\npostgres:x:26:26::/:/bin/sh\n"))
	w.file("bin/cluster", 0o755, []byte(cluster))
	w.program("bin/sh", "/bin/sh")
	for _, name := range []string{"postgres", "initdb", "psql", "pg_dump", "pg_restore", "pg_isready", "createdb"} {
		w.program(filepath.Join(programs, name), filepath.Join(programs, name))
	}
	version := filepath.Dir(programs)
	for _, name := range []string{"plpgsql.so", "dict_snowball.so"} {
		w.program(filepath.Join(version, "lib", name), filepath.Join(version, "lib", name))
	}
	w.share(filepath.Join("/usr/share/postgresql", filepath.Base(version)))
	return errors.Join(w.err, w.Close())
}

// layerWriter writes files into the layer of an image. After an error it does nothing.
type layerWriter struct {
	*tar.Writer
	there map[string]bool
	err   error
}

func (w *layerWriter) folder(name string, mode int64, owner int) {
	if w.err == nil {
		w.err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Uid: owner, Gid: owner})
	}
}

func (w *layerWriter) file(name string, mode int64, content []byte) {
	name = strings.TrimPrefix(name, "/")
	if w.err != nil || w.there[name] {
		return
	}
	w.there[name] = true
	w.err = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))})
	if w.err == nil {
		_, w.err = w.Write(content)
	}
}

var libraryPath = regexp.MustCompile(`/\S+`)

// program writes a program, or a library, with the libraries that it needs.
func (w *layerWriter) program(name, source string) {
	// What needs none says so by ldd's exit code.
	needs, _ := exec.Command("ldd", source).Output()
	for _, file := range append(libraryPath.FindAllString(string(needs), -1), source) {
		content, err := os.ReadFile(file)
		if err != nil {
			w.err = errors.Join(w.err, fmt.Errorf("collect %s: %w", name, err))
			return
		}
		if file == source {
			file = name
		}
		w.file(file, 0o755, content)
	}
}

// share writes the server's files that are no programs.
func (w *layerWriter) share(root string) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		extension := filepath.Base(filepath.Dir(path)) == "extension" && !strings.HasPrefix(d.Name(), "plpgsql")
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "man":
			return fs.SkipDir
		case d.IsDir() || extension:
			return nil
		}
		content, err := os.ReadFile(path) // some are links to where the machine's own settings are
		if err == nil {
			w.file(path, 0o644, content)
		}
		return err
	})
	w.err = errors.Join(w.err, err)
}
