package main

import (
	"net/http"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/registry/registrytest"
)

// misbehave makes the story's registry do what registries do now and then:
//
//	registry busy SECONDS     it wants no questions about images for that long
//	registry lie NAME         it says that the image has a digest that nothing has
//	registry cut NUMBER       it cuts the connection when a manifest is fetched, so often
//	registry honest           it does as it should again
//	registry also NAME ARCH…  there is an index now: the image for this machine is still
//	                          the same, beside it are new ones for these architectures
//	registry asked NUMBER     that many questions have come in since the last of these
func (s *story) misbehave(ts *testscript.TestScript, args []string) {
	if s.images == nil {
		ts.Fatalf("the registry of this story always does as it should")
	}
	digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	least, known := map[string]int{"busy": 2, "cut": 2, "lie": 2, "honest": 1, "also": 2, "asked": 2}[args[0]]
	if !known || len(args) < least {
		ts.Fatalf("a registry cannot %q", args)
	}
	switch args[0] {
	case "busy":
		s.images.Misbehave(registrytest.On(http.MethodHead, registrytest.Manifests, registrytest.RetryAfter(429, args[1])))
	case "cut":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		s.images.Misbehave(registrytest.On(http.MethodGet, registrytest.Manifests, s.images.Times(n, registrytest.Cut)))
	case "lie":
		s.images.Lie(s.name(args[1]), "1", digest)
		s.lie = s.name(args[1])
	case "honest":
		s.images.Misbehave(nil)
		s.images.Lie(s.lie, "", "")
	case "also":
		var others []registrytest.Image
		for _, arch := range args[2:] {
			others = append(others, registrytest.For(arch))
		}
		_, err := s.images.Accompany(s.name(args[1]), "1", others...)
		ts.Check(err)
	case "asked":
		if n := strconv.Itoa(s.images.Count("", registrytest.Manifests)); n != args[1] {
			ts.Fatalf("%s questions about images, want %s", n, args[1])
		}
	}
	s.images.Reset()
}
