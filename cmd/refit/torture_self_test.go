package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// selfSample is how many of the seven hundred cases make test tries, selfTorture how many
// make torture does: each takes ten to twenty seconds.
const selfSample, selfTorture = 5, 100

// selfUpdate is a Refit in a container that replaces itself, and what goes wrong: after
// the call, which is counted from the sending of the helper on, the victim goes.
type selfUpdate struct {
	good   bool
	call   int // 0 where nothing goes wrong
	victim string
}

func (c selfUpdate) String() string {
	image := "bad release"
	if c.good {
		image = "good release"
	}
	if c.call == 0 {
		return image + ", nothing goes wrong"
	}
	return fmt.Sprintf("%s, %s gone at call %d", image, c.victim, c.call)
}

// The victims.
const (
	theHelper = "the helper"
	theRefit  = "the Refit that is there"
	both      = "both"
	theEngine = "the engine" // restarted in good order
	thePower  = "the power"  // the engine's and that of all that runs on it
)

// TestTortureOfRefitItself is the proof of promise P1 for Refit's own container: whoever
// is killed at whatever call, in the end one Refit stands under the name and is well.
func TestTortureOfRefitItself(t *testing.T) {
	t.Parallel()
	b := newSelfBench(t)
	var all []selfUpdate
	for _, good := range []bool{true, false} {
		calls := b.try(t, selfUpdate{good: good})
		for call := 1; call <= calls; call++ {
			for _, victim := range []string{theHelper, theRefit, both, theEngine, thePower} {
				all = append(all, selfUpdate{good, call, victim})
			}
		}
	}
	n := selfSample
	if tortured() {
		n = selfTorture
	}
	for _, c := range some(all, n) {
		t.Run(c.String(), func(t *testing.T) { b.try(t, c) })
	}
	t.Logf("updates of Refit itself: cases tried: %d of %d", n, len(all))
}

// selfBench is an engine of its own, with a registry and an image of Refit.
type selfBench struct {
	engine   *dockertest.Private
	registry string
	cases    int
}

func newSelfBench(t *testing.T) *selfBench {
	t.Helper()
	b := &selfBench{engine: dockertest.NewPrivate(t, false)}
	var err error
	if b.registry, err = serveInside(t, b.engine, built(t, "fixture")); err != nil {
		t.Fatal(err)
	}
	program := built(t, "refit")
	folder := filepath.Dir(program)
	lines := "FROM scratch\nCOPY refit /refit\nENV PATH=/ REFIT_DATA=/data\nVOLUME /data\nENTRYPOINT [\"/refit\"]\n" +
		"HEALTHCHECK --interval=1s --timeout=10s --start-period=8s --retries=3 CMD [\"/refit\", \"health\"]\n"
	b.build(t, folder, "refit-base", lines)
	return b
}

// docker runs a docker command.
func (b *selfBench) docker(t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+b.engine.Host)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

func (b *selfBench) must(t testing.TB, args ...string) string {
	t.Helper()
	out, err := b.docker(t, args...)
	if err != nil {
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (b *selfBench) build(t testing.TB, folder, reference, lines string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "Dockerfile"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return b.must(t, "build", "--quiet", "--tag", reference, folder)
}

// release pushes an image, and leaves nothing of it on the engine but what is in use.
func (b *selfBench) release(t testing.TB, reference, version, more string) (id string) {
	t.Helper()
	id = b.build(t, t.TempDir(), reference, "FROM refit-base\nLABEL release="+version+"\n"+more)
	b.must(t, "push", "--quiet", reference)
	return id
}

// try is one case. It returns how many calls were counted.
func (b *selfBench) try(t *testing.T, c selfUpdate) int {
	t.Helper()
	b.cases++
	name := fmt.Sprintf("refit%d", b.cases)
	reference := fmt.Sprintf("%s/%s:1", b.registry, name)
	old := b.release(t, reference, "1.0", "")
	p := intercept(t, strings.TrimPrefix(b.engine.Host, "unix://"))
	p.counted, p.at = afterHelper(name), c.call
	back := make(chan struct{})
	p.fault = fault{act: func(p *interceptor, w http.ResponseWriter, r *http.Request) {
		defer close(back)
		answer := p.execute(r)
		b.strike(t, name, c.victim)
		// Whoever was not killed gets the answer.
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}}
	if c.call == 0 {
		close(back)
	}
	p.runs(nil)
	b.run(t, name, reference, filepath.Dir(strings.TrimPrefix(p.host, "unix://")))
	first := b.wait(t, name, "to begin", func() bool { return b.stands(t, name) == "" })
	bad := ""
	if !c.good {
		bad = "ENV REFIT_DATA=/proc\n"
	}
	fresh := b.release(t, reference, "1.1", bad)
	b.must(t, "tag", old, reference)
	wanted := map[string]bool{old: !c.good, fresh: c.good}
	if c.victim == theRefit || c.victim == both {
		wanted[old] = true // one that is killed in its gate has not passed it
	}
	b.wait(t, name, "to be updated, or undone", func() bool { return b.ended(t, name, back, wanted) })
	now := b.must(t, "inspect", "--format", "{{.Id}} {{.Image}} {{.HostConfig.RestartPolicy.Name}}", name)
	if strings.Contains(now, old) && !strings.HasPrefix(now, first) {
		t.Errorf("the old image runs in another container")
	}
	if !strings.HasSuffix(now, " always") {
		t.Errorf("its restart policy is not what it was: %s", now)
	}
	b.must(t, "rm", "--force", "--volumes", name)
	return len(p.made())
}

// run starts a Refit that looks after itself every two seconds.
func (b *selfBench) run(t testing.TB, name, reference, folder string) {
	t.Helper()
	b.must(t, "run", "--detach", "--name", name, "--restart", "always", "--network", "host",
		"--label", "refit.enable=true", "--label", "refit.scope="+name, "--env", "REFIT_SCOPE="+name,
		"--volume", folder+":/engine", "--env", "DOCKER_HOST=unix:///engine/s", "--volume", name+":/data",
		reference, "--schedule", "*/2 * * * * *")
}

// ended tells whether the fault has struck, something has come of the update, and all is
// as it is to be.
func (b *selfBench) ended(t testing.TB, name string, struck <-chan struct{}, wanted map[string]bool) bool {
	t.Helper()
	select {
	case <-struck:
	default:
		return false
	}
	image, err := b.docker(t, "inspect", "--format", "{{.Image}}", name)
	if err != nil || !wanted[image] {
		return false
	}
	history, err := b.docker(t, "exec", name, "/refit", "history")
	told := slices.ContainsFunc([]string{" updated ", " recovered ", " rolled-back "}, func(outcome string) bool {
		return strings.Contains(history, outcome)
	})
	return err == nil && told && b.stands(t, name) == ""
}

// afterHelper counts the calls that change something, from that on which makes the helper.
func afterHelper(name string) func(*http.Request) bool {
	begun, lines := false, lineCalls()
	return func(r *http.Request) bool {
		begun = begun || r.URL.Query().Get("name") == name+core.HelperSuffix
		return begun && lines(r)
	}
}

// strike kills the victim. Who does not run cannot be killed.
func (b *selfBench) strike(t testing.TB, name, victim string) {
	t.Helper()
	switch victim {
	case theEngine:
		b.engine.Restart()
		return
	case thePower:
		b.engine.CutPower()
		b.engine.Boot()
		return
	}
	for who, container := range map[string]string{theHelper: name + core.HelperSuffix, theRefit: name} {
		if victim != both && victim != who {
			continue
		}
		pid := 0
		if text, err := b.docker(t, "inspect", "--format", "{{.State.Pid}}", container); err == nil {
			_, _ = fmt.Sscan(text, &pid)
		}
		if pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may just have ended
		}
	}
}

// stands says what is not as it is to be in the end; "" if nothing is wrong.
func (b *selfBench) stands(t testing.TB, name string) string {
	t.Helper()
	all, err := b.docker(t, "ps", "--all", "--filter", "name="+name, "--format", "{{.Names}} {{.State}}")
	if err != nil {
		return err.Error()
	}
	there := slices.DeleteFunc(strings.Split(all, "\n"), func(line string) bool {
		return !strings.HasPrefix(line, name+" ") && !strings.HasPrefix(line, name+".")
	})
	if !slices.Equal(there, []string{name + " running"}) {
		return "there is " + strings.Join(there, ", ")
	}
	if health := b.must(t, "inspect", "--format", "{{.State.Health.Status}}", name); health != "healthy" {
		return "it is " + health
	}
	if tags, err := b.docker(t, "images", core.KeptRepository, "--format", "{{.Tag}}"); err != nil || tags != "" {
		return "a tag is left: " + tags
	}
	return ""
}

// wait waits for something, and returns the id of the container then.
func (b *selfBench) wait(t testing.TB, name, what string, ok func() bool) string {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for it %s: %s\n%s", what, b.stands(t, name), b.told(name))
		}
	}
	return b.must(t, "inspect", "--format", "{{.Id}}", url.PathEscape(name))
}

// told is what the two have logged, for a test that fails.
func (b *selfBench) told(name string) string {
	var all strings.Builder
	for _, args := range [][]string{
		{"logs", "--tail", "40", name}, {"logs", "--tail", "40", name + core.HelperSuffix}, {"exec", name, "/refit", "history"},
	} {
		cmd := exec.Command("docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+b.engine.Host)
		out, _ := cmd.CombinedOutput() // an error is in it
		fmt.Fprintf(&all, "docker %s:\n%s\n", strings.Join(args, " "), out)
	}
	return all.String()
}
