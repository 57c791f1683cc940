package coretest_test

import (
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
	"github.com/refit-dev/refit/core/update"
)

var (
	_ update.Engine  = (*coretest.Engine)(nil)
	_ update.Checker = (*coretest.Engine)(nil)
	_ update.Reader  = (*coretest.Engine)(nil)
	_ update.Journal = (*coretest.Journal)(nil)
)

func TestTheEngineInMemoryConforms(t *testing.T) {
	t.Parallel()
	coretest.TestEngine(t, func(*testing.T) coretest.Bench { return memory{coretest.NewEngine()} })
}

// memory is the in-memory engine as a bench.
type memory struct{ *coretest.Engine }

func (memory) Name(name string) string { return name }

func (m memory) Publish(_ *testing.T, name string, kind coretest.Kind) core.Image {
	return m.Engine.Publish(coretest.Reference(name, "1"), coretest.Image{Kind: kind})
}

func (m memory) Lose(_ *testing.T, imageID string) { m.Engine.Lose(imageID) }

func (m memory) Run(t *testing.T, s coretest.Spec) string {
	t.Helper()
	id, err := m.Engine.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
