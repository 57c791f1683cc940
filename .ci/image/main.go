// Command image makes of an image that docker build has made one that is the same
// whenever and wherever it is made of the same commit. It is part of the build and
// knows nothing of Refit.
//
//	docker save ID | go run ./.ci/image -name refit:1.0 -arch arm64 -time 1795350054 >image.tar
//
// What it prints is for docker load.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
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

// settled has nothing left in it of the time and the engine that it was made with.
func settled(img v1.Image, arch string, made time.Time) (v1.Image, error) {
	img, err := mutate.Canonical(img)
	if err != nil {
		return nil, err
	}
	if img, err = mutate.Time(img, made); err != nil {
		return nil, err
	}
	found, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := found.DeepCopy()
	config.OS, config.Architecture, config.Variant = "linux", arch, ""
	config.Config.Image = "" // the one before the last instruction, of that engine alone
	config.History = nil     // an engine has a manner of its own to write it
	return mutate.ConfigFile(img, config)
}
