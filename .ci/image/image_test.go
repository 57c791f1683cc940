package main

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// archive is what docker save prints of an image of one file that was built then, on
// an engine of that name.
func archive(t *testing.T, then time.Time, engine string) []byte {
	t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	err := w.WriteHeader(&tar.Header{Name: "refit", Mode: 0o755, Size: 5, ModTime: then, Uname: engine})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, added)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Created: v1.Time{Time: then}, Container: engine,
		RootFS:  configOf(t, img).RootFS,
		History: []v1.History{{Created: v1.Time{Time: then}, CreatedBy: "COPY in " + engine}},
		Config:  v1.Config{Image: engine, Hostname: engine, Entrypoint: []string{"/refit"}, User: "7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tarball.Write(name.MustParseReference("x:1"), img, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func configOf(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestAnImageIsTheSameWheneverAndWhereverItIsBuilt(t *testing.T) {
	t.Parallel()
	then := time.Unix(1_795_350_054, 0)
	var first, second bytes.Buffer
	if err := run(bytes.NewReader(archive(t, then, "one")), &first, "refit:1.0", "arm64", then); err != nil {
		t.Fatal(err)
	}
	if err := run(bytes.NewReader(archive(t, then.Add(time.Hour), "two")), &second, "refit:1.0", "arm64", then); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the images differ")
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(first.Bytes())), nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(first.Bytes(), []byte(`"RepoTags":["refit:1.0"]`)) {
		t.Error("the image has another name")
	}
	got := configOf(t, img)
	if got.Architecture != "arm64" || !got.Created.Equal(then) || got.Config.User != "7" || got.Config.Entrypoint[0] != "/refit" {
		t.Errorf("it is of %s, made at %s, with %+v", got.Architecture, got.Created, got.Config)
	}
}
