package core

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/refit-dev/refit/core/watchtower"
)

// Watchtower ran commands in a container around its update, as labels of the
// container said. Where the operator asks for it (Settings.Lifecycle) these labels
// are read as settings of the bundled hook that does the same.

const (
	lifecyclePrefix = watchtower.LabelPrefix + "lifecycle."
	// commandHook is the bundled hook that runs commands in containers.
	commandHook = "command"
	// maxMinutes is the longest that such a command may take: a day.
	maxMinutes = 24 * 60
)

// lifecycle reads Watchtower's lifecycle labels into p. A container that chooses
// its hooks itself has moved on: theirs do not count then. pre-check and post-check,
// which Watchtower ran in every cycle and for every container, are not carried out.
//
// Exit code 75 puts the update off, any other but 0 keeps it from happening, and
// post-update gates nothing: that is what Watchtower's code does, whatever its
// manual says of the second (containrrr/watchtower#1756).
func (s Settings) lifecycle(c Container, p *Policy) error {
	if !s.Lifecycle || p.fromOurs("hooks") {
		return nil
	}
	settings, from := map[string]string{}, map[string]string{}
	for _, stage := range []string{string(PreUpdate), string(PostUpdate)} {
		command, origin := s.theirs(c, lifecyclePrefix+stage)
		if command == "" {
			continue
		}
		// To the hook a leading bracket means a JSON array. Watchtower gave every text
		// to the shell, and "[ -e /busy ] && exit 75" is a good one.
		if strings.HasPrefix(command, "[") {
			command = " " + command
		}
		settings[stage], from[stage] = command, origin
		if stage == string(PostUpdate) {
			settings["post-update-gate"], from["post-update-gate"] = "false", origin
		}
		name := lifecyclePrefix + stage + "-timeout"
		if text, origin := s.theirs(c, name); origin != "" {
			minutes, err := strconv.ParseUint(text, 10, 16)
			if err != nil || minutes > maxMinutes {
				return fmt.Errorf("%s is not a number of minutes from 0 (no limit) to %d", quoted(name, text), maxMinutes)
			}
			settings[stage+"-timeout"], from[stage+"-timeout"] = strconv.FormatUint(minutes, 10)+"m", origin
		}
	}
	p.useCommand(settings, from)
	return nil
}

// useCommand adds the hook, last, and the settings that labels of ours have not made.
func (p *Policy) useCommand(settings, from map[string]string) {
	if len(settings) == 0 {
		return
	}
	if !slices.Contains(p.Hooks, commandHook) {
		p.Hooks = append(p.Hooks, commandHook)
		p.From["hooks"] = from[slices.Sorted(maps.Keys(from))[0]]
	}
	if p.HookConfig[commandHook] == nil {
		p.HookConfig[commandHook] = map[string]string{}
	}
	for key, value := range settings {
		if _, ours := p.HookConfig[commandHook][key]; !ours {
			p.HookConfig[commandHook][key] = value
			p.From["hook."+commandHook+"."+key] = from[key]
		}
	}
}
