package core

import (
	"maps"
	"slices"
	"time"
)

// Mode says what to do about a new image.
type Mode string

// The modes.
const (
	ModeUpdate Mode = "update"
	ModeNotify Mode = "notify" // tell, and touch nothing
)

// Strategy says in which order predecessor and successor change places.
type Strategy string

// The strategies.
const (
	StopFirst  Strategy = "stop-first"
	StartFirst Strategy = "start-first"
)

// Policy is what labels and defaults say about one container. The zero Policy
// is not usable: begin with DefaultPolicy.
type Policy struct {
	Enabled  bool     `json:"enabled"`
	Mode     Mode     `json:"mode"`
	Schedule string   `json:"schedule,omitempty"` // "" means the operator's interval
	Strategy Strategy `json:"strategy"`
	// StartFirstShared lets start-first run both containers on the same writable mounts.
	StartFirstShared bool `json:"start_first_shared,omitempty"`

	Pull bool `json:"pull"` // false: compare with the local image of the tag only

	StopSignal  string        `json:"stop_signal,omitempty"`  // "" means the container's own
	StopTimeout time.Duration `json:"stop_timeout,omitempty"` // 0 means the container's own, else 10 s

	GateStable  time.Duration `json:"gate_stable"`            // how long a successor without healthcheck must stay up
	GateTimeout time.Duration `json:"gate_timeout,omitempty"` // 0 means computed from the healthcheck

	Cleanup   bool     `json:"cleanup"` // remove the old image after success
	DependsOn []string `json:"depends_on,omitempty"`
	Scope     string   `json:"scope,omitempty"`

	Hooks      []string                     `json:"hooks,omitempty"`
	HookConfig map[string]map[string]string `json:"hook_config,omitempty"` // hook name, key, value
	Notify     []string                     `json:"notify,omitempty"`

	// From tells where a value that is no default came from, by label name
	// without "refit.": "label", "image label", "flag", or the same with a name behind
	// it: "label com.centurylinklabs.watchtower.enable".
	From map[string]string `json:"from,omitempty"`
}

// DefaultPolicy is what holds where neither a label nor a flag says otherwise.
func DefaultPolicy() Policy {
	return Policy{
		Mode:       ModeUpdate,
		Strategy:   StopFirst,
		Pull:       true,
		GateStable: 10 * time.Second,
	}
}

// clone makes a copy that can be edited without changing p.
func (p Policy) clone() Policy {
	p.From = maps.Clone(p.From)
	if p.From == nil {
		p.From = map[string]string{}
	}
	p.DependsOn = slices.Clone(p.DependsOn)
	p.Hooks = slices.Clone(p.Hooks)
	p.Notify = slices.Clone(p.Notify)
	config := make(map[string]map[string]string, len(p.HookConfig))
	for name, values := range p.HookConfig {
		config[name] = maps.Clone(values)
	}
	p.HookConfig = config
	return p
}

// Settings are the operator's: what flags and environment say about all
// containers.
type Settings struct {
	// Defaults is what a container without labels gets.
	Defaults Policy
	// All includes containers that do not carry refit.enable=true.
	All bool
	// Scope limits Refit to the containers of that scope; "" to those of none.
	Scope string
	// TrustImageLabels accepts refit.* labels that the image brought along.
	TrustImageLabels bool
	// Lifecycle obeys Watchtower's lifecycle labels, by the hook "command", on
	// containers that do not choose their hooks by a label of ours.
	Lifecycle bool
	// LabelEnable takes Watchtower's label enable=true for refit.enable=true. Its false
	// counts in any case.
	LabelEnable bool
	// LabelPrecedence lets Watchtower's monitor-only=false and no-pull=false count
	// against the defaults that flags have set.
	LabelPrecedence bool
	// Disabled names containers that are left alone, whatever their labels say.
	Disabled []string
	// IncludeStopped updates created and exited containers too, without
	// starting them.
	IncludeStopped bool
	// Self is the id of the container that Refit runs in, "" outside of one.
	Self string
	// SelfBar says why this Refit cannot send a helper that replaces it, "" if it can.
	SelfBar string
	// CheckSchedule says what is wrong with a schedule. Required.
	CheckSchedule func(string) error
}

// PolicyOf reads the labels of c. A label of ours that is unknown, or a value
// that does not parse, makes ok false and the reason names it; everything that
// did parse is in the policy all the same. Labels of Watchtower's count where no label
// of ours says the same, and come before the operator's defaults.
func (s Settings) PolicyOf(c Container) (p Policy, bad Reason, ok bool) {
	p = s.Defaults.clone()
	err := s.readOurs(c, &p)
	worse := s.readTheirs(c, &p)
	s.exclude(c, &p)
	s.enable(&p)
	if err == nil && p.Enabled { // else theirs was not meant for Refit
		err = worse
	}
	if err != nil {
		return p, Reason{BadLabel, err.Error()}, false
	}
	return p, Reason{}, true
}

// readOurs reads the labels of ours into p. The first fault is told.
func (s Settings) readOurs(c Container, p *Policy) error {
	var fault error
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		value := c.Labels[name]
		if !isOurs(name) || name == MarkLabel || name == HelperLabel {
			continue
		}
		from := fromLabel
		if inherited, there := c.ImageLabels[name]; there && inherited == value {
			if !s.TrustImageLabels {
				continue
			}
			from = fromImage
		}
		if err := s.set(p, name, value); err != nil {
			if fault == nil {
				fault = err
			}
			continue
		}
		p.From[short(name)] = from
	}
	return fault
}

// enable includes a container of which no label says anything, where all are.
func (s Settings) enable(p *Policy) {
	if s.All && p.From["enable"] == "" {
		p.Enabled = true
		p.From["enable"] = fromFlag
	}
}
