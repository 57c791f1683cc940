package hooks

import (
	"context"
	"strings"

	"github.com/refit-dev/refit/hooks/proto"
)

// runner runs one stage of a hook.
type runner func(context.Context, *Update) (Verdict, error)

// stages are all that there are, in their order.
var stages = []struct {
	stage  proto.Stage
	method string
	from   string // the interface's name
	of     func(hook any) runner
}{
	{proto.Stage_STAGE_PRE_UPDATE, "PreUpdate", "PreUpdater", func(hook any) runner {
		if h, ok := hook.(PreUpdater); ok {
			return h.PreUpdate
		}
		return nil
	}},
	{proto.Stage_STAGE_PRE_RECREATE, "PreRecreate", "PreRecreater", func(hook any) runner {
		if h, ok := hook.(PreRecreater); ok {
			return withoutVerdict(h.PreRecreate)
		}
		return nil
	}},
	{proto.Stage_STAGE_POST_UPDATE, "PostUpdate", "PostUpdater", func(hook any) runner {
		if h, ok := hook.(PostUpdater); ok {
			return withoutVerdict(h.PostUpdate)
		}
		return nil
	}},
	{proto.Stage_STAGE_ON_ROLLBACK, "OnRollback", "Rollbacker", func(hook any) runner {
		if h, ok := hook.(Rollbacker); ok {
			return withoutVerdict(h.OnRollback)
		}
		return nil
	}},
	{proto.Stage_STAGE_FINISHED, "Finished", "Finisher", func(hook any) runner {
		if h, ok := hook.(Finisher); ok {
			return withoutVerdict(func(ctx context.Context, u *Update) error { return h.Finished(ctx, u, u.Outcome) })
		}
		return nil
	}},
}

func withoutVerdict(run func(context.Context, *Update) error) runner {
	return func(ctx context.Context, u *Update) (Verdict, error) { return Proceed(), run(ctx, u) }
}

// runners are the stages that the hook has.
func runners(hook any) map[proto.Stage]runner {
	all := map[proto.Stage]runner{}
	for _, s := range stages {
		if run := s.of(hook); run != nil {
			all[s.stage] = run
		}
	}
	return all
}

// stageName is a stage as people know it: "pre-update".
func stageName(s proto.Stage) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(s.String(), "STAGE_")), "_", "-")
}

// describe says what the hook is, fit for the wire.
func describe(hook any) *proto.Description {
	d := &proto.Description{}
	if h, ok := hook.(Describer); ok {
		said := h.Describe()
		d.Summary, d.Version = tidy(said.Summary, maxText), tidy(said.Version, maxText)
		for _, k := range said.Keys {
			d.Keys = append(d.Keys, &proto.Key{Name: tidy(k.Name, maxText), Help: tidy(k.Help, maxText), Label: k.Label})
		}
	}
	for _, s := range stages {
		if s.of(hook) != nil {
			d.Stages = append(d.Stages, s.stage)
		}
	}
	return d
}
