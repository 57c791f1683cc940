package command

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/jsonmessage"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/hooks"
)

// programs are this machine's own, put into the image together with what they need.
var programs = []string{"sh", "sleep", "id", "cat", "env", "touch", "head"}

var library = regexp.MustCompile(`/\S+`)

// files is the file system of an image with a shell: path in the image to the file here.
var files = sync.OnceValues(func() (map[string]string, error) {
	all := map[string]string{}
	for _, name := range programs {
		program, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		all["bin/"+name] = program
		// A static program has no libraries, which ldd tells by its exit code.
		said, _ := exec.Command("ldd", program).Output()
		for _, lib := range library.FindAllString(string(said), -1) {
			all[lib[1:]] = lib
		}
	}
	return all, nil
})

// archive packs the files, and a user that the machine may not have.
func archive(files map[string]string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, mode int64, content []byte) error {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	for name, file := range files {
		content, err := os.ReadFile(file)
		if err == nil {
			err = add(name, 0o755, content)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return nil, err
	}
	if err := add("etc/passwd", 0o644, []byte("root:x:0:0::/:/bin/sh\nkeeper:x:1234:1234::/:/bin/sh\n")); err != nil {
		return nil, err
	}
	return out.Bytes(), w.Close()
}

// withShell makes an image whose container sleeps, and that has a shell.
func withShell(t *testing.T, e *dockertest.Engine) string {
	t.Helper()
	all, err := files()
	if err != nil {
		dockertest.Missing(t, "an image with a shell needs this machine's: "+err.Error())
	}
	packed, err := archive(all)
	if err != nil {
		t.Fatal(err)
	}
	reference := e.Name("shell") + ":1"
	stream, err := e.API.ImageImport(t.Context(), image.ImportSource{Source: bytes.NewReader(packed), SourceName: "-"},
		reference, image.ImportOptions{Changes: []string{`CMD ["/bin/sleep", "600"]`, "ENV GREETING=hello", "LABEL test=" + filepath.Base(t.Name())}})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(stream, io.Discard, 0, false, nil); err != nil {
		t.Fatal(err)
	}
	return reference
}

// running starts a container of the image, and returns its id.
func running(t *testing.T, e *dockertest.Engine, name, image string, tty bool) string {
	t.Helper()
	id := e.Container(e.Name(name), &container.Config{Image: image, Tty: tty, OpenStdin: tty}, nil, nil)
	e.Start(id)
	return id
}

// update is one about that container, with settings from labels.
func update(id string, labels map[string]string) *hooks.Update {
	return &hooks.Update{
		Attempt:   "0123456789abcdef",
		Container: hooks.Container{ID: id, Name: "web", Running: true},
		From:      hooks.Image{Reference: "web:1", Digest: "sha256:aaa", ID: "sha256:111"},
		To:        hooks.Image{Reference: "web:1", ID: "sha256:222"},
		Labels:    labels,
	}
}
