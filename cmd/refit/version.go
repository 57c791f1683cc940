package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/refit-dev/refit/core/docker"
)

// These are set by the build: -ldflags "-X main.release=v1.2.3 -X main.revision=83893219".
// Go knows a revision only where .git is a folder, which it is not in every checkout.
var release, revision = "devel", "unknown"

// build says what this binary was made from.
func build() (version, commit string) {
	version, commit = release, revision
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, commit
	}
	if version == "devel" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " (modified)"
		}
	}
	return version, commit
}

func runVersion(_ context.Context, p *program) (int, error) {
	v, commit := build()
	oldest, newest := docker.APIRange()
	_, err := fmt.Fprintf(p.stdout, "refit %s\ncommit %s\n%s %s/%s\nDocker API %s to %s\n",
		v, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH, oldest, newest)
	return exitDone, err
}
