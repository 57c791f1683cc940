package core

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const prefix = "refit."

// Label is a row of the one table of labels: it parses, it explains, and
// docs/labels.md is made from it.
type Label struct {
	// Name is the whole label: "refit.stop-timeout". A family ends in ".*".
	Name string
	// Value is the form of its value, for people: "duration".
	Value string
	// Flag is the command-line flag that sets the default, without dashes; "" if none does.
	Flag string
	// Help says what it does, in a sentence or two.
	Help string
	// Set reads a value into the policy. Its error says what a good value is.
	set func(s Settings, p *Policy, value string) error
	// Get shows the value that holds.
	Get func(p Policy) string
}

// Set reads a value into p as the label would, for a flag that sets the default
// of the same thing. Its error says what is wrong with the value, without
// naming the label. A family (".*") has no value of its own: do not call it there.
func (l Label) Set(s Settings, p *Policy, value string) error { return l.set(s, p, value) }

// Labels returns the table, in the order in which people should read it.
func Labels() []Label { return labels }

var labels = []Label{
	{
		Name: "refit.enable", Value: "true or false", Flag: "all",
		Help: "Whether Refit looks after this container. Without `true` it is left alone, unless Refit runs with `--all`; `false` is obeyed even then.",
		set:  boolean(func(p *Policy) *bool { return &p.Enabled }),
		Get:  func(p Policy) string { return strconv.FormatBool(p.Enabled) },
	},
	{
		Name: "refit.mode", Value: "update or notify", Flag: "mode",
		Help: "What to do about a new image: `update` replaces the container, `notify` only tells that there is one.",
		set:  word(func(p *Policy) *Mode { return &p.Mode }, ModeUpdate, ModeNotify),
		Get:  func(p Policy) string { return string(p.Mode) },
	},
	{
		Name: "refit.schedule", Value: "cron expression", Flag: "schedule",
		Help: "When to look, for this container alone: five fields, six with seconds first, `@daily`, `@every 6h`; `CRON_TZ=Europe/Berlin` in front sets the time zone.",
		set: func(s Settings, p *Policy, value string) error {
			if err := s.CheckSchedule(value); err != nil {
				return err
			}
			p.Schedule = value
			return nil
		},
		Get: func(p Policy) string { return p.Schedule },
	},
	{
		Name: "refit.stop-signal", Value: "signal", Flag: "stop-signal",
		Help: "The signal that asks the old container to end: `SIGQUIT`, `QUIT` or `3`. Default: the container's own stop signal.",
		set: func(_ Settings, p *Policy, value string) (err error) {
			p.StopSignal, err = ParseSignal(value)
			return err
		},
		Get: func(p Policy) string { return p.StopSignal },
	},
	{
		Name: "refit.stop-timeout", Value: "duration", Flag: "stop-timeout",
		Help: "How long the old container may take to end before it is killed: `90s`, `5m`, or plain seconds. Default: the container's own stop timeout, else 10 seconds.",
		set:  duration(func(p *Policy) *time.Duration { return &p.StopTimeout }, time.Second, 24*time.Hour),
		Get:  func(p Policy) string { return orNothing(p.StopTimeout) },
	},
	{
		Name: "refit.strategy", Value: "stop-first or start-first", Flag: "strategy",
		Help: "The order of the replacement. `stop-first` stops the old container, then starts the new one. `start-first` starts the new one beside the old one, which goes when the new one is good; a container of which two cannot run at a time is held, with the reason.",
		set:  word(func(p *Policy) *Strategy { return &p.Strategy }, StopFirst, StartFirst),
		Get:  func(p Policy) string { return string(p.Strategy) },
	},
	{
		Name: "refit.start-first-shared", Value: "true or false", Flag: "start-first-shared",
		Help: "Whether `start-first` may run the old and the new container on the same writable volumes and folders for a while. Without it a container that has any is held.",
		set:  boolean(func(p *Policy) *bool { return &p.StartFirstShared }),
		Get:  func(p Policy) string { return strconv.FormatBool(p.StartFirstShared) },
	},
	{
		Name: "refit.gate-stable", Value: "duration", Flag: "gate-stable",
		Help: "How long a new container without healthcheck must run, without a restart, before the old one goes. `0` accepts one that has started, or has already ended with exit code 0.",
		set:  duration(func(p *Policy) *time.Duration { return &p.GateStable }, 0, time.Hour),
		Get:  func(p Policy) string { return p.GateStable.String() },
	},
	{
		Name: "refit.gate-timeout", Value: "duration", Flag: "gate-timeout",
		Help: "How long a new container may take to become healthy. Default: computed from its healthcheck, start period + retries × (interval + timeout), and a margin.",
		set:  duration(func(p *Policy) *time.Duration { return &p.GateTimeout }, time.Second, 24*time.Hour),
		Get:  func(p Policy) string { return orNothing(p.GateTimeout) },
	},
	{
		Name: "refit.cleanup", Value: "true or false", Flag: "cleanup",
		Help: "Whether the old image is removed after the replacement. An image that another container uses, or that has another tag, stays.",
		set:  boolean(func(p *Policy) *bool { return &p.Cleanup }),
		Get:  func(p Policy) string { return strconv.FormatBool(p.Cleanup) },
	},
	{
		Name: "refit.pull", Value: "true or false", Flag: "no-pull",
		Help: "Whether the registry is asked. With `false` the container is compared with the local image of its tag only: for images that are built on the host.",
		set:  boolean(func(p *Policy) *bool { return &p.Pull }),
		Get:  func(p Policy) string { return strconv.FormatBool(p.Pull) },
	},
	{
		Name: "refit.depends-on", Value: "container names, comma-separated",
		Help: "Containers that are brought up to date before this one. While one of them is held, so is this one.",
		set:  list(func(p *Policy) *[]string { return &p.DependsOn }, "a container name", containerName),
		Get:  func(p Policy) string { return strings.Join(p.DependsOn, ",") },
	},
	{
		Name: "refit.scope", Value: "name",
		Help: "Which Refit looks after this container, where several share an engine: the one started with `--scope` and this name. `none` is no scope.",
		set: func(_ Settings, p *Policy, value string) error {
			if !simpleName.MatchString(value) {
				return errors.New("is not a name of letters, digits, dots, dashes and underscores")
			}
			if value == "none" { // Watchtower's word for it
				value = ""
			}
			p.Scope = value
			return nil
		},
		Get: func(p Policy) string { return p.Scope },
	},
	{
		Name: "refit.hooks", Value: "hook names, comma-separated", Flag: "hooks",
		Help: "Hooks that run around the replacement, in this order before it and in the reverse after it: `backup,smoke`. Empty declines the operator's. See [hooks.md](hooks.md).",
		set:  list(func(p *Policy) *[]string { return &p.Hooks }, "a hook name", simpleName),
		Get:  func(p Policy) string { return strings.Join(p.Hooks, ",") },
	},
	{
		Name: "refit.hook.*", Value: "text",
		Help: "Settings of one hook that `refit.hooks` names: `refit.hook.<name>.<key>`. A key that the hook does not know, or does not let labels set, holds the container.",
		Get:  func(p Policy) string { return hookSettings(p) },
	},
	{
		Name: "refit.notify", Value: "channel names, comma-separated",
		Help: "The notification channels that hear of this container, among those that the operator has set with `--notify`. Without it all of them do, and likewise where none of the names exists.",
		set:  list(func(p *Policy) *[]string { return &p.Notify }, "a channel name", simpleName),
		Get:  func(p Policy) string { return strings.Join(p.Notify, ",") },
	},
}

var (
	// containerName is the engine's own rule, see the names package of moby.
	containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)
	simpleName    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)
)

func isOurs(label string) bool     { return strings.HasPrefix(label, prefix) }
func short(label string) string    { return strings.TrimPrefix(label, prefix) }
func quoted(name, v string) string { return fmt.Sprintf("%s=%q", name, clip(v)) }

// clip keeps a stranger's value from flooding a line.
func clip(v string) string {
	const most = 80
	if len(v) <= most {
		return v
	}
	return strings.ToValidUTF8(v[:most], "") + "…"
}

// set reads one label into the policy. Its error names the label.
func (s Settings) set(p *Policy, name, value string) error {
	if strings.HasPrefix(name, prefix+"hook.") {
		return setHook(p, name, value)
	}
	for _, l := range labels {
		if l.Name != name || l.set == nil {
			continue
		}
		if err := l.set(s, p, value); err != nil {
			return fmt.Errorf("%s %w", quoted(name, value), err)
		}
		return nil
	}
	if known, near := Nearest(name, labelNames()); near {
		return fmt.Errorf("%s is not a label of Refit: did you mean %s?", clip(name), known)
	}
	return fmt.Errorf("%s is not a label of Refit", clip(name))
}

func setHook(p *Policy, name, value string) error {
	hook, key, found := strings.Cut(strings.TrimPrefix(name, prefix+"hook."), ".")
	if !found || !simpleName.MatchString(hook) || !simpleName.MatchString(key) {
		return fmt.Errorf("%s does not have the form refit.hook.<name>.<key>", clip(name))
	}
	if p.HookConfig[hook] == nil {
		p.HookConfig[hook] = map[string]string{}
	}
	p.HookConfig[hook][key] = value
	return nil
}

func labelNames() []string {
	var names []string
	for _, l := range labels {
		names = append(names, l.Name)
	}
	return names
}

func hookSettings(p Policy) string {
	n := 0
	for _, keys := range p.HookConfig {
		n += len(keys)
	}
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n) + " set"
}

func orNothing(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// The makers of set functions, one for each kind of value.

func boolean(field func(*Policy) *bool) func(Settings, *Policy, string) error {
	return func(_ Settings, p *Policy, value string) error {
		switch strings.ToLower(value) {
		case "true":
			*field(p) = true
		case "false":
			*field(p) = false
		default:
			return errors.New("is neither true nor false")
		}
		return nil
	}
}

func word[W ~string](field func(*Policy) *W, words ...W) func(Settings, *Policy, string) error {
	return func(_ Settings, p *Policy, value string) error {
		known := make([]string, len(words))
		for i, w := range words {
			if value == string(w) {
				*field(p) = w
				return nil
			}
			known[i] = string(w)
		}
		if near, ok := Nearest(value, known); ok {
			return fmt.Errorf("is not known: did you mean %s?", near)
		}
		return fmt.Errorf("is not known: use %s", strings.Join(known, " or "))
	}
}

func duration(field func(*Policy) *time.Duration, least, most time.Duration) func(Settings, *Policy, string) error {
	return func(_ Settings, p *Policy, value string) error {
		d, err := ParseDuration(value)
		if err != nil {
			return err
		}
		if d < least || d > most {
			return fmt.Errorf("is not between %s and %s", least, most)
		}
		*field(p) = d
		return nil
	}
}

func list(field func(*Policy) *[]string, what string, valid *regexp.Regexp) func(Settings, *Policy, string) error {
	return func(_ Settings, p *Policy, value string) error {
		var names []string
		for name := range strings.SplitSeq(value, ",") {
			name = strings.TrimSpace(name)
			if name == "" {
				continue
			}
			if !valid.MatchString(name) {
				return fmt.Errorf("holds %q, which is not %s", clip(name), what)
			}
			names = append(names, name)
		}
		*field(p) = names
		return nil
	}
}
