package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// ship makes an image of the refit that shipped has built, with a version and further
// instructions, and pushes it as $IMAGES-NAME:1. The engine does not keep it.
func (s *story) ship(ts *testscript.TestScript, args []string) {
	reference, folder := s.reference(args[0]), ts.MkAbs("ship")
	before, err := s.docker(ts, "image", "inspect", "--format", "{{.Id}}", reference)
	first := err != nil
	lines := append([]string{
		"FROM " + s.name(args[0]), "LABEL org.opencontainers.image.version=" + args[1],
		`HEALTHCHECK --interval=1s --timeout=10s --start-period=5s --retries=5 CMD ["/refit", "health"]`,
	}, args[2:]...)
	ts.Check(os.MkdirAll(folder, 0o700))
	ts.Check(os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(strings.Join(lines, "\n")), 0o600))
	made, err := s.docker(ts, "build", "--quiet", "--tag", reference, folder)
	ts.Check(err)
	_, err = s.docker(ts, "push", "--quiet", reference)
	ts.Check(err)
	if !first {
		_, err = s.docker(ts, "tag", before, reference)
		ts.Check(err)
	}
	_, err = s.docker(ts, "rmi", "--force", made)
	ts.Check(err)
}

// die kills the process of a container, as the kernel does that is short of memory. To
// the engine that is an end like any other, which a restart policy is for.
func (s *story) die(ts *testscript.TestScript, args []string) {
	pid := 0
	s.wait(ts, func() bool {
		text, err := s.docker(ts, "inspect", "--format", "{{.State.Pid}}", s.name(args[0]))
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(text, &pid)
		return err == nil && pid > 0
	}, func() string { return args[0] + " does not run" })
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
}
