package update_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// step returns web's of a new plan.
func (b *bench) step() core.Step {
	b.Helper()
	plan, err := b.updater.Plan(b.Context(), nil, []string{"web"})
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range plan.Steps {
		if s.Container.Name == "web" {
			return s
		}
	}
	b.Fatal("no step for web")
	return core.Step{}
}

func TestPreviewsAreReadWhereverTheNewImageIs(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(b *bench, newer core.Image){
		"from the registry, without a pull": func(*bench, core.Image) {},
		"from the engine, if it has it": func(b *bench, newer core.Image) {
			if _, err := b.engine.Pull(b.Context(), newer, nil); err != nil {
				b.Fatal(err)
			}
			b.updater.Reader = nil
		},
		"against an old image that is gone": func(b *bench, _ core.Image) { b.engine.Lose(b.old.ImageID) },
		"also of a local tag": func(b *bench, newer core.Image) {
			id, err := b.engine.Pull(b.Context(), newer, nil)
			if err == nil {
				err = b.engine.Tag(b.Context(), id, reference)
			}
			if err != nil {
				b.Fatal(err)
			}
			b.updater.Reader, b.updater.Settings.Defaults.Pull = nil, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(b *bench) {
				b.cycle(b.Context())
				newer := b.engine.Publish(coretest.Reference("app", "1"), coretest.Image{
					Kind: coretest.Good, Defaults: map[string]string{"memory": "1g", "COLOUR": "red"},
				})
				prepare(b, newer)
				got := b.updater.Preview(b.Context(), []core.Step{b.step()})[0]
				if got.Err != nil {
					t.Fatal(got.Err)
				}
				red := "red"
				if diff := cmp.Diff([]core.Change{{Setting: "ENV", Name: "COLOUR", To: &red}}, got.Changes); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestPreviewsAskAboutAnImageOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.run(coretest.Spec{Name: "web2"})
		b.engine.Publish(coretest.Reference("app", "1"), coretest.Image{Kind: coretest.Good, Defaults: map[string]string{"COLOUR": "red"}})
		plan, err := b.updater.Plan(b.Context(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		b.updater.Reader = reader(func(image core.Image) (core.Defaults, error) {
			asked++
			return b.engine.Config(t.Context(), image)
		})
		steps := append(plan.Steps, core.Step{Container: plan.Steps[0].Container, Action: core.Keep})
		var changes []int
		for _, p := range b.updater.Preview(t.Context(), steps) {
			if p.Err != nil {
				t.Error(p.Err)
			}
			changes = append(changes, len(p.Changes))
		}
		if diff := cmp.Diff([]int{1, 1, 0}, changes); diff != "" || asked != 1 {
			t.Errorf("it asked %d times; numbers of changes (-want +got):\n%s", asked, diff)
		}
	})
}

func TestPreviewsTakeTheImageOfTheContainersPlatform(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		newer := b.publish(coretest.Good)
		if _, err := b.engine.Pull(b.Context(), newer, nil); err != nil {
			t.Fatal(err)
		}
		s := b.step()
		s.To.Platform = core.Platform{OS: "linux", Architecture: "arm"} // the engine has its own
		var asked []core.Platform
		b.updater.Reader = reader(func(image core.Image) (core.Defaults, error) {
			asked = append(asked, image.Platform)
			return b.engine.Config(t.Context(), image)
		})
		if p := b.updater.Preview(t.Context(), []core.Step{s})[0]; p.Err != nil {
			t.Error(p.Err)
		}
		if diff := cmp.Diff([]core.Platform{s.To.Platform}, asked); diff != "" {
			t.Errorf("its registry was asked for (-want +got):\n%s", diff)
		}
	})
}

// reader is an update.Reader.
type reader func(core.Image) (core.Defaults, error)

func (r reader) Config(_ context.Context, image core.Image) (core.Defaults, error) { return r(image) }

func TestPreviewsSayWhyTheyCannotBeMade(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		s := b.step()
		s.To.Digest = "sha256:gone"
		err := b.updater.Preview(b.Context(), []core.Step{s})[0].Err
		told, ok := err.(interface{ Reason() core.Reason })
		if !ok || told.Reason().Code != core.NotFound {
			t.Errorf("the error is %v", err)
		}
	})
}
