package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

const (
	// patience is how long a story waits for something to become true.
	patience = time.Minute
	// glance lies between two looks at it.
	glance = 50 * time.Millisecond
)

// story is one script with an engine under it: what its commands share.
type story struct {
	t        testing.TB
	engine   *dockertest.Engine
	private  *dockertest.Private    // nil on the machine's engine
	registry string                 // "127.0.0.1:PORT", as the engine sees it
	images   *registrytest.Registry // nil where it is another process
	fixture  string                 // the program, where registries are other processes
	lie      string                 // the repository that it lies about
	guard    *guard                 // before the engine, nil where that has no socket
	variable map[string]string

	sidecar *exec.Cmd // nil while none runs
}

// storyKey is where the story is among the values of its script.
type storyKey struct{}

// begin gives a script its surroundings: names that are its own, an empty
// home, and a Refit that sees nothing but what the story has made.
func (s *story) begin(e *testscript.Env) error {
	if _, err := exec.LookPath("docker"); err != nil {
		dockertest.Missing(s.t, "the stories type docker commands, and there is no docker command")
	}
	folder, err := plugins()
	if err != nil {
		return err
	}
	s.variable = map[string]string{
		"PLUGINS":           folder,
		"PREFIX":            s.engine.Prefix(),
		"SCOPE":             s.engine.Prefix(),
		"REGISTRY":          s.registry,
		"IMAGES":            s.registry + "/" + s.engine.Prefix(),
		"HOME":              filepath.Join(e.WorkDir, "home"),
		"DOCKER_HOST":       s.engine.Host,
		"DOCKER_CONFIG":     filepath.Join(e.WorkDir, "docker"),
		"REFIT_DATA":        filepath.Join(e.WorkDir, "state"),
		"REFIT_GATE_STABLE": "1s",
	}
	if s.private == nil {
		s.variable["REFIT_SCOPE"] = s.engine.Prefix()
		for _, name := range []string{"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"} {
			s.variable[name] = os.Getenv(name)
		}
	}
	if socket, there := socketOf(s.engine.Host); there {
		s.guard = guarding(s.t, socket)
		s.variable["REFIT_HOST"] = s.guard.host
		s.variable["GUARD"], _ = socketOf(s.guard.host)
	}
	for name, value := range s.variable {
		e.Setenv(name, value)
	}
	e.Values[storyKey{}] = s
	e.Defer(func() { s.end(filepath.Join(e.WorkDir, "log")) })
	// For docker run --label-file.
	labels := "refit.enable=true\nrefit.scope=" + s.engine.Prefix() + "\n"
	return os.WriteFile(filepath.Join(e.WorkDir, "enabled"), []byte(labels), 0o600)
}

// end leaves no sidecar behind that would look after containers which are
// being removed. What the last one has logged is told if the story failed.
func (s *story) end(log string) {
	if s.sidecar != nil {
		_ = s.sidecar.Process.Kill() // it may have ended by itself
		_ = s.sidecar.Wait()
	}
	if text, err := os.ReadFile(log); err == nil && s.t.Failed() {
		s.t.Logf("the last sidecar's log:\n%s", text)
	}
}

// name is what the engine knows a container of the story by.
func (s *story) name(part string) string { return s.engine.Name(part) }

func (s *story) reference(part string) string { return s.registry + "/" + s.name(part) + ":1" }

// storyCommands are what scripts with an engine can say beyond the usual.
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "lines": lines}
	for name, act := range map[string]struct {
		least int
		usage string
		do    func(*story, *testscript.TestScript, []string)
	}{
		"push":     {2, "push NAME VERSION [INSTRUCTION…]", (*story).pushOurs},
		"publish":  {2, "publish REFERENCE VERSION [INSTRUCTION…]", (*story).publish},
		"serve":    {1, "serve ADDRESS [USER PASSWORD]", (*story).serve},
		"build":    {2, "build NAME VERSION [INSTRUCTION…]", (*story).build},
		"secure":   {2, "secure USER PASSWORD", (*story).secure},
		"registry": {1, "registry busy|lie|honest|also|asked [WHAT…]", (*story).misbehave},
		"id":       {2, "id NAME VARIABLE", (*story).id},
		"port":     {1, "port VARIABLE", (*story).port},
		"network":  {1, "network NAME", (*story).network},
		"order":    {2, "order NAME NAME…", (*story).order},
		"answers":  {2, "answers NAME TEXT", (*story).answers},
		"alone":    {1, "alone NAME", (*story).alone},
		"until":    {2, "until PATTERN COMMAND…", (*story).until},
		"sidecar":  {0, "sidecar [ARGUMENT…]", (*story).startSidecar},
		"logs":     {1, "logs PATTERN", (*story).logs},
		"sigterm":  {0, "sigterm", (*story).sigterm},
		"sigkill":  {0, "sigkill", (*story).sigkill},
		"engine":   {1, "engine shutdown|kill|boot|restart", (*story).control},
		"shipped":  {1, "shipped IMAGE", (*story).shipped},
		"ship":     {2, "ship NAME VERSION [INSTRUCTION…]", (*story).ship},
		"die":      {1, "die NAME", (*story).die},
		"tree":     {3, "tree NAME PLACE FILE", (*story).tree},
		"opened":   {0, "opened", (*story).open},
		"deny":     {0, "deny [ENDPOINT…]", (*story).deny},
		"typed":    {1, "typed PAGE", (*story).typed},
		"postgres": {1, "postgres VERSION [INSTRUCTION…]", (*story).postgres},
	} {
		commands[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < act.least {
				ts.Fatalf("usage: %s", act.usage)
			}
			act.do(ts.Value(storyKey{}).(*story), ts, args)
		}
	}
	return commands
}

// pushOurs pushes an image as $IMAGES-NAME:1.
func (s *story) pushOurs(ts *testscript.TestScript, args []string) {
	s.push(ts, s.reference(args[0]), args[1], args[2:])
}

// push makes an image of the web service that answers the version, and pushes it.
// The engine does not keep it, as if another machine had built it: whoever wants it
// has to pull.
func (s *story) push(ts *testscript.TestScript, reference, version string, instructions []string) {
	before, err := s.docker(ts, "image", "inspect", "--format", "{{.Id}}", reference)
	first := err != nil
	made := s.make(reference, version, instructions)
	_, err = s.docker(ts, "push", "--quiet", reference)
	ts.Check(err)
	if !first {
		_, err = s.docker(ts, "tag", before, reference)
		ts.Check(err)
	}
	_, err = s.docker(ts, "rmi", "--force", made)
	ts.Check(err)
}

// docker runs a docker command and returns what it printed.
func (s *story) docker(ts *testscript.TestScript, args ...string) (string, error) {
	out, err := s.command(ts, "docker", args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// build makes such an image, and tags it where it is.
func (s *story) build(_ *testscript.TestScript, args []string) {
	s.make(s.reference(args[0]), args[1], args[2:])
}

func (s *story) make(reference, version string, instructions []string) (id string) {
	usual := []string{`ENTRYPOINT ["/fixture", "web"]`, "ENV VERSION=" + version}
	return s.engine.Image(reference, slices.Concat(usual, instructions)...)
}

// secure makes the registry ask everybody for a login, from now on.
func (s *story) secure(ts *testscript.TestScript, args []string) {
	if s.images == nil {
		ts.Fatalf("the registry of this story demands nothing")
	}
	s.images.Demand(registrytest.Options{User: args[0], Password: args[1], Bearer: true})
}

// id remembers the id of a container.
func (s *story) id(ts *testscript.TestScript, args []string) {
	ts.Setenv(args[1], s.engine.Inspect(s.name(args[0])).ID)
}

// port finds a port of 127.0.0.1 that nobody listens on.
func (s *story) port(ts *testscript.TestScript, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(errors.Join(err, l.Close()))
	ts.Setenv(args[0], port)
}

// network makes a bridge network, and remembers the first three numbers of its
// addresses in the variable of that name.
func (s *story) network(ts *testscript.TestScript, args []string) {
	for range 50 { // two stories may hit on the same subnet
		subnet := fmt.Sprintf("10.%d.%d", 64+rand.N(128), rand.N(256))
		if _, err := s.docker(ts, "network", "create", "--subnet", subnet+".0/24", s.name(args[0])); err == nil {
			ts.Setenv(args[0], subnet)
			return
		}
	}
	ts.Fatalf("no subnet is free for the network %s", args[0])
}

// order wants the containers to have been started one after the other.
func (s *story) order(ts *testscript.TestScript, args []string) {
	before := time.Time{}
	for _, part := range args {
		text := s.engine.Inspect(s.name(part)).State.StartedAt
		started, err := time.Parse(time.RFC3339Nano, text)
		ts.Check(err)
		if !started.After(before) {
			ts.Fatalf("%s was started at %s, which is too early: not after %s", part, text, before)
		}
		before = started
	}
}

// answers waits until the web service in a container gives that answer.
func (s *story) answers(ts *testscript.TestScript, args []string) {
	s.until(ts, []string{
		"^" + regexp.QuoteMeta(args[1]) + "$",
		"docker", "exec", s.name(args[0]), dockertest.Fixture, "probe", "-url", "http://127.0.0.1/",
	})
}

// alone waits until exactly one container has the name, it runs, and nothing is
// left under the names that belong to a replacement of it.
func (s *story) alone(ts *testscript.TestScript, args []string) {
	name := s.name(args[0])
	found := ""
	s.wait(ts, func() bool {
		all, err := s.docker(ts, "ps", "--all", "--filter", "name="+name, "--format", "{{.Names}} {{.State}}")
		if err != nil { // the engine may be on its way back
			found = err.Error()
			return false
		}
		var there []string
		for line := range strings.Lines(all) {
			if rest, ours := strings.CutPrefix(line, name); ours && (rest[0] == ' ' || rest[0] == '.') {
				there = append(there, strings.TrimSpace(line))
			}
		}
		found = strings.Join(there, ", ")
		return found == name+" running"
	}, func() string { return "there is: " + found })
}

// until runs a command again and again until it succeeds and its output
// matches the pattern.
func (s *story) until(ts *testscript.TestScript, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	out := ""
	s.wait(ts, func() bool {
		cmd := s.command(ts, args[1], args[2:]...)
		text, err := cmd.CombinedOutput()
		out = string(text)
		return err == nil && pattern.MatchString(out)
	}, func() string { return "at last: " + out })
}

// wait ends the story if ok does not come true in time.
func (s *story) wait(ts *testscript.TestScript, ok func() bool, what func() string) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(glance) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited for %s; %s", patience, what())
		}
	}
}

// command is a program in the story's folder and environment.
func (s *story) command(ts *testscript.TestScript, program string, args ...string) *exec.Cmd {
	for _, folder := range []string{"dist", "bin"} { // where the story has a refit of its own
		if found, err := exec.LookPath(filepath.Join(ts.Getenv("WORK"), folder, program)); err == nil {
			program = found
		}
	}
	cmd := exec.CommandContext(s.t.Context(), program, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH")}
	for name := range s.variable {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// startSidecar starts refit in the background, with its log in the file log.
func (s *story) startSidecar(ts *testscript.TestScript, args []string) {
	if s.sidecar != nil {
		ts.Fatalf("a sidecar runs already")
	}
	log, err := os.Create(ts.MkAbs("log"))
	ts.Check(err)
	cmd := s.command(ts, "refit", args...)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Start()
	ts.Check(errors.Join(err, log.Close()))
	s.sidecar = cmd
}

// logs waits until the sidecar has logged something that matches.
func (s *story) logs(ts *testscript.TestScript, args []string) {
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	s.wait(ts, func() bool { return pattern.MatchString(ts.ReadFile("log")) },
		func() string { return "the log is:\n" + ts.ReadFile("log") })
}

// sigterm asks the sidecar to end, and wants exit code 0.
func (s *story) sigterm(ts *testscript.TestScript, _ []string) {
	if err := s.finish(ts, syscall.SIGTERM); err != nil {
		ts.Fatalf("the sidecar after SIGTERM: %v; its log is:\n%s", err, ts.ReadFile("log"))
	}
}

// sigkill ends the sidecar as a power cut would.
func (s *story) sigkill(ts *testscript.TestScript, _ []string) {
	if err := s.finish(ts, syscall.SIGKILL); err == nil {
		ts.Fatalf("the sidecar had ended by itself; its log is:\n%s", ts.ReadFile("log"))
	}
}

func (s *story) finish(ts *testscript.TestScript, signal syscall.Signal) error {
	if s.sidecar == nil {
		ts.Fatalf("no sidecar runs")
	}
	cmd := s.sidecar
	s.sidecar = nil
	ts.Check(cmd.Process.Signal(signal))
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may just have ended
	defer late.Stop()
	return cmd.Wait()
}

// control does to an engine what its operator may do at any time.
func (s *story) control(ts *testscript.TestScript, args []string) {
	if s.private == nil {
		ts.Fatalf("this engine is not the story's own")
	}
	switch args[0] {
	case "shutdown":
		s.private.Shutdown()
	case "kill":
		s.private.Kill()
	case "boot":
		s.private.Boot()
	case "restart":
		s.private.Restart()
	default:
		ts.Fatalf("an engine cannot %q", args[0])
	}
}
