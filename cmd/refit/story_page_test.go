package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// shellBlock is what a page tells people to type.
var shellBlock = regexp.MustCompile("(?s)\n```sh\n(.*?)```")

// typed runs the commands that a page has in its sh blocks, one by one, as they are
// written: typed PAGE. What they say is in the file typed. In the place of `make run`,
// which builds an image first, only the sidecar is started; the socket is the story's.
func (s *story) typed(ts *testscript.TestScript, args []string) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	ts.Check(err)
	page, err := os.ReadFile(filepath.Join(root, args[0]))
	ts.Check(err)
	var said strings.Builder
	commands := 0
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		for command := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", "")) {
			command = strings.TrimSpace(command)
			if command == "make run" {
				command = "IMAGE=refit:latest NAME=refit sh " + filepath.Join(root, ".ci", "sidecar")
			}
			if socket, there := socketOf(s.engine.Host); there {
				command = strings.ReplaceAll(command, " /var/run/docker.sock:", " "+socket+":")
			}
			out, err := s.command(ts, "sh", "-c", command).CombinedOutput()
			if err != nil {
				ts.Fatalf("%s says: %s\n%v\n%s", args[0], command, err, out)
			}
			said.WriteString("$ " + command + "\n" + string(out))
			commands++
		}
	}
	if commands == 0 {
		ts.Fatalf("%s has no commands", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs("typed"), []byte(said.String()), 0o600))
}
