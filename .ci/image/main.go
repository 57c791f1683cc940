// Command image makes of an image that docker build has made one that is the same
// whenever and wherever it is made of the same commit. It is part of the build and
// knows nothing of Refit.
//
//	docker save ID | go run ./.ci/image -name refit:1.0 -arch arm64 -time 1795350054 >image.tar
//
// What it prints is for docker load.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	reference := flag.String("name", "", "`NAME:TAG` of the image")
	arch := flag.String("arch", "", "the `architecture` of its program, such as arm64")
	seconds := flag.Int64("time", 0, "when it was made, in `seconds` since 1970")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *reference, *arch, time.Unix(*seconds, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, reference, arch string, made time.Time) error {
	tag, err := name.NewTag(reference, name.WithDefaultRegistry(""))
	if err != nil {
		return err
	}
	archive, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }, nil)
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if img, err = settled(img, arch, made); err != nil {
		return fmt.Errorf("settle %s: %w", reference, err)
	}
	return tarball.Write(tag, img, out)
}

// settled has the files and the settings of the image, and nothing of the time and the
// engine that it was made with.
func settled(img v1.Image, arch string, made time.Time) (v1.Image, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for i, layer := range layers {
		if layers[i], err = plain(layer, made); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	found, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	fresh, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		return nil, err
	}
	shell, err := fresh.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := shell.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: made}
	config.Config, config.History = found.Config, nil
	config.Config.Hostname = ""
	config.Config.Image = "" // the one before the last instruction, of that engine alone
	return mutate.ConfigFile(fresh, config)
}

// plain writes a layer anew. Engines differ in what they say of an owner's name.
func plain(layer v1.Layer, made time.Time) (v1.Layer, error) {
	in, err := layer.Uncompressed()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var out bytes.Buffer
	from, to := tar.NewReader(in), tar.NewWriter(&out)
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		err = to.WriteHeader(&tar.Header{
			Typeflag: h.Typeflag, Name: h.Name, Linkname: h.Linkname, Size: h.Size, Mode: h.Mode & 0o7777,
			Uid: h.Uid, Gid: h.Gid, ModTime: made, Format: tar.FormatUSTAR,
		})
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(to, from); err != nil {
			return nil, err
		}
	}
	if err := to.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil })
}
