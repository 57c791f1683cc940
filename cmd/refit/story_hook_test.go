package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/refit-dev/refit/hooks"
)

// storyHook is the plugin refit-hook-story, which the test binary plays. It does
// what the container's labels ask for, and writes down what it is called for.
type storyHook struct{}

// serveStoryHook is its main function.
func serveStoryHook() { hooks.Serve(storyHook{}) }

func (storyHook) Describe() hooks.Description {
	return hooks.Description{
		Summary: "does as it is told", Version: "1.2.3",
		Keys: []hooks.Key{
			{Name: "pre-update", Help: "defer, veto or fail", Label: true},
			{Name: "post-update", Help: "fail", Label: true},
			{Name: "journal", Help: "the file to write to"},
			{Name: "hang", Help: "the stage that it does not end"},
		},
	}
}

func (h storyHook) PreUpdate(ctx context.Context, u *hooks.Update) (hooks.Verdict, error) {
	if err := h.write(ctx, u, "pre-update", ""); err != nil {
		return hooks.Verdict{}, err
	}
	u.State = []byte("token-of-" + u.Container.Name)
	u.Progress("thinking", 1, 2)
	u.Log().Info("asked", slog.String("new", u.To.Reference))
	switch u.Setting("pre-update") {
	case "defer":
		return hooks.Defer(time.Now().Add(time.Hour), "come back later"), nil
	case "veto":
		return hooks.Veto("not this one"), nil
	case "fail":
		return hooks.Verdict{}, errors.New("nobody is at home")
	}
	return hooks.Proceed(), nil
}

func (h storyHook) PreRecreate(ctx context.Context, u *hooks.Update) error {
	return h.write(ctx, u, "pre-recreate", "")
}

func (h storyHook) PostUpdate(ctx context.Context, u *hooks.Update) error {
	if u.Setting("post-update") == "fail" {
		return errors.Join(h.write(ctx, u, "post-update", ""), errors.New("it smells of smoke"))
	}
	return h.write(ctx, u, "post-update", "")
}

func (h storyHook) OnRollback(ctx context.Context, u *hooks.Update) error {
	return h.write(ctx, u, "on-rollback", fmt.Sprintf(" stopped=%t started=%t", u.Stopped, u.Started))
}

func (h storyHook) Finished(ctx context.Context, u *hooks.Update, o hooks.Outcome) error {
	return h.write(ctx, u, "finished", " "+string(o.Result))
}

// write adds a line to the journal. If it is the stage to hang in, it does.
func (storyHook) write(ctx context.Context, u *hooks.Update, stage, what string) error {
	file, err := os.OpenFile(u.Operator["journal"], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s %s%s %s\n", u.Container.Name, stage, what, u.State)
	if u.Operator["hang"] == stage {
		<-ctx.Done()
	}
	return errors.Join(err, file.Close())
}

// shipped makes refit the program that `make image` puts into an image, and makes
// that image. The test binary is no static program: nothing of it runs in a container.
func (s *story) shipped(ts *testscript.TestScript, args []string) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	ts.Check(err)
	program := filepath.Join(ts.Getenv("WORK"), "dist", "refit")
	build := exec.CommandContext(s.t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "github.com/refit-dev/refit/cmd/refit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		ts.Fatalf("build refit: %v\n%s", err, out)
	}
	data := filepath.Join(ts.Getenv("WORK"), "dist", "image", "data")
	ts.Check(os.MkdirAll(data, 0o755))
	ts.Check(os.Chmod(data, 0o777|os.ModeSticky)) // whatever the umask
	_, err = s.docker(ts, "build", "--no-cache", "--quiet", "--file", filepath.Join(root, "Dockerfile"), "--tag", s.name(args[0]), ts.Getenv("WORK"))
	ts.Check(err)
	ts.Setenv("PATH", filepath.Dir(program)+string(filepath.ListSeparator)+ts.Getenv("PATH"))
}
