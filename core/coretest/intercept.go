package coretest

import (
	"context"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/update"
)

// Intercepted is an engine, a journal and hooks all of whose calls go through At, which
// may let them through (do), act before or after, or answer something else. It
// serves to make any fault at any call.
type Intercepted struct {
	Engine  update.Engine
	Journal update.Journal
	Hooks   update.Hooks // nil if there are none
	// At is called for each call, with its name. Calls may come at the same time.
	At func(call string, do func() error) error
}

var (
	_ update.Engine  = Intercepted{}
	_ update.Journal = Intercepted{}
)

// through makes a call that has an answer.
func through[T any](i Intercepted, call string, do func() (T, error)) (answer T, err error) {
	err = i.At(call, func() (err error) {
		answer, err = do()
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return answer, nil
}

// Containers is update.Census.
func (i Intercepted) Containers(ctx context.Context) ([]core.Container, error) {
	return through(i, "containers", func() ([]core.Container, error) { return i.Engine.Containers(ctx) })
}

// Look is update.Observer.
func (i Intercepted) Look(ctx context.Context, nameOrID string) (core.Status, error) {
	return through(i, "look", func() (core.Status, error) { return i.Engine.Look(ctx, nameOrID) })
}

// Logs is update.Observer.
func (i Intercepted) Logs(ctx context.Context, id string, lines int) ([]string, error) {
	return through(i, "logs", func() ([]string, error) { return i.Engine.Logs(ctx, id, lines) })
}

// Signalled is update.Observer.
func (i Intercepted) Signalled(ctx context.Context, id string, since time.Time) (bool, error) {
	return through(i, "signalled", func() (bool, error) { return i.Engine.Signalled(ctx, id, since) })
}

// Defaults is update.Defaulter.
func (i Intercepted) Defaults(ctx context.Context, imageID string) (core.Defaults, error) {
	return through(i, "defaults", func() (core.Defaults, error) { return i.Engine.Defaults(ctx, imageID) })
}

// Preview is update.Previewer.
func (i Intercepted) Preview(ctx context.Context, id string, known, next core.Defaults) ([]core.Change, error) {
	return through(i, "preview", func() ([]core.Change, error) { return i.Engine.Preview(ctx, id, known, next) })
}

// Snapshot is update.Builder.
func (i Intercepted) Snapshot(ctx context.Context, id string, known core.Defaults) (core.Snapshot, error) {
	return through(i, "snapshot", func() (core.Snapshot, error) { return i.Engine.Snapshot(ctx, id, known) })
}

// Create is update.Builder.
func (i Intercepted) Create(ctx context.Context, d core.Draft) (string, error) {
	return through(i, "create", func() (string, error) { return i.Engine.Create(ctx, d) })
}

// Differences is update.Builder.
func (i Intercepted) Differences(ctx context.Context, d core.Draft, id string) ([]string, error) {
	return through(i, "differences", func() ([]string, error) { return i.Engine.Differences(ctx, d, id) })
}

// Start is update.Runner.
func (i Intercepted) Start(ctx context.Context, id string) error {
	return i.At("start", func() error { return i.Engine.Start(ctx, id) })
}

// Pause is update.Runner.
func (i Intercepted) Pause(ctx context.Context, id string) error {
	return i.At("pause", func() error { return i.Engine.Pause(ctx, id) })
}

// Stop is update.Runner.
func (i Intercepted) Stop(ctx context.Context, id, signal string, grace time.Duration) error {
	return i.At("stop", func() error { return i.Engine.Stop(ctx, id, signal, grace) })
}

// Remove is update.Runner.
func (i Intercepted) Remove(ctx context.Context, id string, volumes bool) error {
	return i.At("remove", func() error { return i.Engine.Remove(ctx, id, volumes) })
}

// Rename is update.Registrar.
func (i Intercepted) Rename(ctx context.Context, id, name string) error {
	return i.At("rename", func() error { return i.Engine.Rename(ctx, id, name) })
}

// SetRestartPolicy is update.Registrar.
func (i Intercepted) SetRestartPolicy(ctx context.Context, id string, p core.RestartPolicy) error {
	return i.At("set restart policy", func() error { return i.Engine.SetRestartPolicy(ctx, id, p) })
}

// Pull is update.Images.
func (i Intercepted) Pull(ctx context.Context, image core.Image, hear func(done, of core.Size)) (string, error) {
	return through(i, "pull", func() (string, error) { return i.Engine.Pull(ctx, image, hear) })
}

// RemoveImage is update.Images.
func (i Intercepted) RemoveImage(ctx context.Context, id string) (bool, error) {
	return through(i, "remove image", func() (bool, error) { return i.Engine.RemoveImage(ctx, id) })
}

// Resolve is update.Tags.
func (i Intercepted) Resolve(ctx context.Context, reference string) (string, error) {
	return through(i, "resolve", func() (string, error) { return i.Engine.Resolve(ctx, reference) })
}

// Tag is update.Tags.
func (i Intercepted) Tag(ctx context.Context, id, reference string) error {
	return i.At("tag", func() error { return i.Engine.Tag(ctx, id, reference) })
}

// Untag is update.Tags.
func (i Intercepted) Untag(ctx context.Context, reference string) error {
	return i.At("untag", func() error { return i.Engine.Untag(ctx, reference) })
}

// TagsOf is update.Tags.
func (i Intercepted) TagsOf(ctx context.Context, repository string) (map[string]string, error) {
	return through(i, "tags of", func() (map[string]string, error) { return i.Engine.TagsOf(ctx, repository) })
}

// InterceptedHooks are the hooks of an Intercepted. A Describe that fails answers
// that the hooks cannot be used.
type InterceptedHooks struct{ Intercepted }

var _ update.Hooks = InterceptedHooks{}

// Describe is update.Hooks.
func (i InterceptedHooks) Describe(ctx context.Context, names []string) map[string]core.HookAnswer {
	answers, err := through(i.Intercepted, "describe hooks", func() (map[string]core.HookAnswer, error) {
		return i.Hooks.Describe(ctx, names), nil
	})
	if err == nil {
		return answers
	}
	answers = map[string]core.HookAnswer{}
	for _, name := range names {
		answers[name] = core.HookAnswer{Fault: core.Reason{Code: core.HookUnusable, Text: err.Error()}}
	}
	return answers
}

// Call is update.Hooks.
func (i InterceptedHooks) Call(ctx context.Context, c core.HookCall) (core.HookReply, error) {
	return through(i.Intercepted, "hook "+c.Hook+" "+string(c.Stage), func() (core.HookReply, error) { return i.Hooks.Call(ctx, c) })
}

// Rest is update.Hooks. It cannot fail.
func (i InterceptedHooks) Rest() { i.Hooks.Rest() }

// Save is update.Journal.
func (i Intercepted) Save(ctx context.Context, a core.Attempt) error {
	return i.At("save", func() error { return i.Journal.Save(ctx, a) })
}

// Record is update.Journal.
func (i Intercepted) Record(ctx context.Context, e core.Entry) error {
	return i.At("record", func() error { return i.Journal.Record(ctx, e) })
}

// Lessons is update.Journal.
func (i Intercepted) Lessons(ctx context.Context) ([]core.Lesson, error) {
	return through(i, "lessons", func() ([]core.Lesson, error) { return i.Journal.Lessons(ctx) })
}

// Attempts is update.Journal.
func (i Intercepted) Attempts(ctx context.Context) ([]core.Attempt, error) {
	return through(i, "attempts", func() ([]core.Attempt, error) { return i.Journal.Attempts(ctx) })
}

// Recall is update.Memory.
func (i Intercepted) Recall(ctx context.Context, imageIDs []string) (map[string]core.Defaults, error) {
	return through(i, "recall", func() (map[string]core.Defaults, error) { return i.Journal.Recall(ctx, imageIDs) })
}

// Remember is update.Memory.
func (i Intercepted) Remember(ctx context.Context, add map[string]core.Defaults, inUse []string) error {
	return i.At("remember", func() error { return i.Journal.Remember(ctx, add, inUse) })
}
