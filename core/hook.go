package core

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Stage is a moment of a replacement at which hooks are called.
type Stage string

// The stages, in their order. The last two are the ends: a hook that was called
// gets exactly one of them.
const (
	PreUpdate   Stage = "pre-update"   // line 4: P still runs
	PreRecreate Stage = "pre-recreate" // line 6: P is down, S is not started
	PostUpdate  Stage = "post-update"  // line 9: S has passed its gate
	OnRollback  Stage = "on-rollback"  // R4: nothing runs
	Finished    Stage = "finished"     // line 11, or after a rollback
)

// Stages returns them all, in their order.
func Stages() []Stage { return []Stage{PreUpdate, PreRecreate, PostUpdate, OnRollback, Finished} }

// Mount is a place in a container's files that is not its image's.
type Mount struct {
	Type        string `json:"type"`             // "volume", "bind", "tmpfs", …
	Name        string `json:"name,omitempty"`   // of a volume
	Source      string `json:"source,omitempty"` // on the engine's host
	Destination string `json:"destination"`
	ReadOnly    bool   `json:"read_only,omitempty"`
}

// HookAnswer is what is known of a hook before it is needed: what its plugin says
// of itself, or the fault that keeps it from being used.
type HookAnswer struct {
	Stages []Stage
	// LabelKeys are the settings that labels may make; Keys are all of them. A key
	// that ends in ".*" is a family.
	LabelKeys, Keys []string
	Fault           Reason // zero if there is none
}

// Has tells whether the hook takes part in that stage.
func (a HookAnswer) Has(s Stage) bool { return slices.Contains(a.Stages, s) }

// HookState is a hook in an attempt, as the ledger keeps it: it was called, or is
// about to be.
type HookState struct {
	Name string `json:"name"`
	// Container is the name of the container whose hook it is.
	Container string `json:"container,omitempty"`
	// Stage is the latest one that it was called at.
	Stage Stage `json:"stage"`
	// State is what it wants to be told later.
	State []byte `json:"state,omitempty"`
	// Ended says that it was told the end, or that telling it was given up.
	Ended bool `json:"ended,omitempty"`
}

// HookCall asks a hook for one stage of one replacement.
type HookCall struct {
	Hook    string
	Stage   Stage
	Attempt string // its id; a call may come again with the same one
	// Name is the container's own name, ID that of the container that the stage is
	// about: P before the update and on rollback, S after it, and in the end the one
	// that stands.
	Name, ID string
	Labels   map[string]string // the container's
	Mounts   []Mount
	Running  bool // whether P ran before
	From, To Image
	Settings map[string]string // from labels
	State    []byte
	// Stopped, on rollback: neither P nor S runs.
	Stopped bool
	// Started: S was started in this attempt, or may have been.
	Started bool
	// Outcome and Reason are set in the ends.
	Outcome Outcome
	Reason  Reason
}

// HookReply is what a hook says of a stage that went well.
type HookReply struct {
	Verdict HookVerdict
	Reason  string
	// RetryAt goes with a deferral; zero is the container's next regular time.
	RetryAt time.Time
	// State replaces what the hook said before.
	State []byte
}

// HookVerdict is a hook's word about an update that has not begun.
type HookVerdict int

// The verdicts. They count at PreUpdate only.
const (
	Proceed HookVerdict = iota
	Defer
	Veto
)

// HookReport is one call of a hook in a result.
type HookReport struct {
	Hook  string        `json:"hook"`
	Stage Stage         `json:"stage"`
	Took  time.Duration `json:"took_ns"`
	// Fault is what went wrong, "" if nothing did.
	Fault string `json:"fault,omitempty"`
}

// HookNames returns the hooks whose answers MakePlan needs, each once: also those of
// containers that may have to follow another one.
func (w World) HookNames() []string {
	names := map[string]bool{}
	f := w.fleet(w.survey())
	for i, s := range f.steps {
		if s.Action != "" {
			continue
		}
		for _, m := range f.closure(i, anyState) {
			for _, name := range f.steps[m].Policy.Hooks {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// checkHooks holds a step whose hooks cannot be used, or whose labels ask for what
// they do not allow.
func (s *Step) checkHooks(answers map[string]HookAnswer) {
	for i, name := range s.Policy.Hooks {
		a, there := answers[name]
		switch {
		case slices.Contains(s.Policy.Hooks[:i], name):
			s.settle(Hold, BadLabel, "refit.hooks names %s twice", name)
		case !there:
			s.settle(Hold, HookMissing, "hook %s is not installed", name)
		case a.Fault.Code != "":
			s.Action, s.Reason = Hold, a.Fault
		case s.startsFirst() && a.Has(PreRecreate):
			s.settle(Hold, Unsupported, "start-first: hook %s needs the old container stopped", name)
		default:
			s.checkKeys(name, a)
		}
		if s.Action != "" {
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Policy.HookConfig)) {
		if !slices.Contains(s.Policy.Hooks, name) {
			s.settle(Hold, BadLabel, "refit.hook.%s.%s is set, and refit.hooks does not name %s%s", name,
				anyKey(s.Policy.HookConfig[name]), name, meant(name, s.Policy.Hooks))
			return
		}
	}
}

// checkKeys holds a step whose labels set what the hook does not know, or does not
// let labels set.
func (s *Step) checkKeys(name string, a HookAnswer) {
	for _, key := range slices.Sorted(maps.Keys(s.Policy.HookConfig[name])) {
		label := "refit.hook." + name + "." + key
		switch {
		case Knows(a.LabelKeys, key):
			continue
		case Knows(a.Keys, key):
			s.settle(Hold, BadLabel, "%s may not be set by a label: the operator sets it with --hook-config", label)
		default:
			s.settle(Hold, BadLabel, "%s is not a setting of that hook%s", label, meant(key, a.LabelKeys))
		}
		return
	}
}

// Knows tells whether a key is among the keys, or in one of the families among
// them: "url.*" stands for "url." and any name.
func Knows(keys []string, key string) bool {
	return slices.ContainsFunc(keys, func(k string) bool {
		prefix, family := strings.CutSuffix(k, "*")
		return k == key || family && strings.HasPrefix(key, prefix) && len(key) > len(prefix)
	})
}

func anyKey(settings map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		return key
	}
	return ""
}

// meant asks whether a known word was meant, where one is near.
func meant(word string, known []string) string {
	if near, ok := Nearest(word, known); ok {
		return ": did you mean " + near + "?"
	}
	return ""
}
