package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/proto"
)

// The most that a plugin may declare.
const (
	maxKeys    = 256
	maxKeyName = 64 // bytes
)

// stages are the stages of the wire.
var stages = map[proto.Stage]core.Stage{
	proto.Stage_STAGE_PRE_UPDATE:   core.PreUpdate,
	proto.Stage_STAGE_PRE_RECREATE: core.PreRecreate,
	proto.Stage_STAGE_POST_UPDATE:  core.PostUpdate,
	proto.Stage_STAGE_ON_ROLLBACK:  core.OnRollback,
	proto.Stage_STAGE_FINISHED:     core.Finished,
}

// wireStage is the stage on the wire.
func wireStage(s core.Stage) proto.Stage {
	for wire, stage := range stages {
		if stage == s {
			return wire
		}
	}
	return proto.Stage_STAGE_UNSPECIFIED
}

// description is what a plugin says of itself, checked.
type description struct {
	of               identity
	summary, version string
	stages           []core.Stage
	keys             []hooks.Key
}

// describe asks the plugin what it is. What makes no sense is refused.
func (p *process) describe(ctx context.Context) (description, error) {
	wire, err := p.service().Describe(ctx, &proto.DescribeRequest{})
	switch said := status.Convert(err); said.Code() {
	case codes.OK:
	case codes.Unavailable: // It may have died, which says more.
		return description{}, err
	case codes.ResourceExhausted:
		return description{}, refusal(fmt.Sprintf("it says more than %d KiB of itself", maxMessage>>10))
	default:
		return description{}, refusal("it does not say what it is: " + tidy(said.Message(), maxText))
	}
	d := description{summary: tidy(wire.GetSummary(), maxText), version: tidy(wire.GetVersion(), maxText)}
	if d.stages, err = newStages(wire.GetStages()); err != nil {
		return description{}, err
	}
	d.keys, err = newKeys(wire.GetKeys())
	return d, err
}

// newStages puts the stages into their order.
func newStages(wire []proto.Stage) ([]core.Stage, error) {
	for _, s := range wire {
		if _, known := stages[s]; !known {
			return nil, refusal(fmt.Sprintf("it takes part in stage %d, which this Refit does not know", s))
		}
	}
	if len(wire) == 0 {
		return nil, refusal("it takes part in no stage")
	}
	var all []core.Stage
	for _, s := range core.Stages() {
		if slices.Contains(wire, wireStage(s)) {
			all = append(all, s)
		}
	}
	return all, nil
}

func newKeys(wire []*proto.Key) ([]hooks.Key, error) {
	if len(wire) > maxKeys {
		return nil, refusal(fmt.Sprintf("it has %d settings, which is more than %d", len(wire), maxKeys))
	}
	seen := map[string]bool{}
	var all []hooks.Key
	for _, k := range wire {
		name := k.GetName()
		switch {
		case !properKey.MatchString(name) || len(name) > maxKeyName:
			return nil, refusal(fmt.Sprintf("its setting %q has a name that none can have", tidy(name, maxKeyName)))
		case seen[name]:
			return nil, refusal("it has two settings named " + name)
		}
		seen[name] = true
		all = append(all, hooks.Key{Name: name, Help: tidy(k.GetHelp(), maxText), Label: k.GetLabel()})
	}
	return all, nil
}

// permitted are those of the settings from labels that labels may make. A plan holds a
// container that has any other; an attempt that was made anew from a container's
// labels had no plan, and the plugin may be another than it was.
func (d description) permitted(settings map[string]string, log *slog.Logger) map[string]string {
	var keys []string
	for _, k := range d.keys {
		if k.Label {
			keys = append(keys, k.Name)
		}
	}
	kept := make(map[string]string, len(settings))
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if !core.Knows(keys, key) {
			log.Warn("leaving out a setting that labels may not make", slog.String("key", tidy(key, maxKeyName)))
			continue
		}
		kept[key] = settings[key]
	}
	return kept
}

// checkConfig refuses what the operator sets and the hook does not know.
func (d description) checkConfig(name string, config map[string]string) error {
	var known []string
	for _, k := range d.keys {
		known = append(known, k.Name)
	}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if !utf8.ValidString(config[key]) {
			return fmt.Errorf("the value of --hook-config %s.%s is no text", name, key)
		}
		if core.Knows(known, key) {
			continue
		}
		text := fmt.Sprintf("--hook-config %s.%s is not a setting of that hook", name, key)
		if near, ok := core.Nearest(key, known); ok {
			text += ": did you mean " + near + "?"
		}
		return errors.New(text)
	}
	return nil
}
