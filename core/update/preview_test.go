package update_test

import (
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
			if _, err := b.engine.Pull(b.Context(), newer); err != nil {
				b.Fatal(err)
			}
			b.updater.Reader = nil
		},
		"against an old image that is gone": func(b *bench, _ core.Image) { b.engine.Lose(b.old.ImageID) },
		"also of a local tag": func(b *bench, newer core.Image) {
			id, err := b.engine.Pull(b.Context(), newer)
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
				got, err := b.updater.Preview(b.Context(), b.step())
				if err != nil {
					t.Fatal(err)
				}
				red := "red"
				if diff := cmp.Diff([]core.Change{{Setting: "ENV", Name: "COLOUR", To: &red}}, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestPreviewsSayWhyTheyCannotBeRead(t *testing.T) {
	t.Parallel()
	inBubble(t, func(b *bench) {
		b.publish(coretest.Good)
		s := b.step()
		s.To.Digest = "sha256:gone"
		_, err := b.updater.Preview(b.Context(), s)
		told, ok := err.(interface{ Reason() core.Reason })
		if !ok || told.Reason().Code != core.NotFound {
			t.Errorf("the error is %v", err)
		}
	})
}
