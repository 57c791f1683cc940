package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks/host"
)

// installed is what hooks list tells of one hook. Its fields are for programs too:
// they are only ever added to.
type installed struct {
	Name     string       `json:"name"`
	From     string       `json:"from"` // "bundled", or the plugin's file
	Version  string       `json:"version"`
	Summary  string       `json:"summary"`
	Stages   []core.Stage `json:"stages"`
	Settings []setting    `json:"settings"`
	Fault    *core.Reason `json:"fault,omitempty"`
}

// setting is one that a hook knows.
type setting struct {
	Name string `json:"name"`
	Help string `json:"help"`
	// Label tells whether a container's label may set it.
	Label bool `json:"label"`
	// Operator tells whether --hook-config sets it. To what is nobody's business.
	Operator bool `json:"operator"`
}

// runHooks shows the installed hooks. It asks no engine.
func runHooks(ctx context.Context, p *program) (int, error) {
	if p.format != "table" && p.format != "json" {
		return 0, refusal{problem: "hooks has no templates", hint: "--format table or json"}
	}
	h, err := p.newHost()
	if err != nil {
		return 0, err
	}
	defer h.close()
	plugins := h.List(ctx)
	list := []installed{} // not null
	code := exitDone
	for _, plugin := range plugins {
		one := p.installed(plugin)
		list = append(list, one)
		if one.Fault != nil {
			code = exitFailed
		}
	}
	for _, odd := range p.mindHooks(ctx, h) {
		if odd.Code == core.HookMissing { // the others are in the list
			_, _ = fmt.Fprintf(p.stderr, "refit: %s\n", clean(odd.Text))
			code = exitFailed
		}
	}
	if p.format == "json" {
		return code, writeJSON(p.stdout, list)
	}
	return code, writeHooks(p.stdout, list)
}

func (p *program) installed(plugin host.Plugin) installed {
	one := installed{
		Name: plugin.Name, From: plugin.Path, Version: plugin.Version, Summary: plugin.Summary,
		Stages: plugin.Stages, Settings: []setting{},
	}
	if plugin.Bundled {
		one.From = "bundled"
		if version, _ := build(); one.Version == "" {
			one.Version = version
		}
	}
	if plugin.Fault.Code != "" {
		one.Fault = &plugin.Fault
	}
	for _, k := range plugin.Keys {
		set := false
		for key := range p.hookConfig[plugin.Name] {
			set = set || core.Knows([]string{k.Name}, key)
		}
		one.Settings = append(one.Settings, setting{Name: k.Name, Help: k.Help, Label: k.Label, Operator: set})
	}
	return one
}

// writeHooks prints a table, and what each hook is for, with its settings.
func writeHooks(w io.Writer, list []installed) error {
	table := [][]string{{"NAME", "FROM", "VERSION", "STAGES", "FAULT"}}
	for _, one := range list {
		fault := ""
		if one.Fault != nil {
			fault = one.Fault.String()
		}
		table = append(table, []string{one.Name, one.From, one.Version, joined(one.Stages), fault})
	}
	if err := writeTable(w, table); err != nil {
		return err
	}
	var b strings.Builder
	for _, one := range list {
		if one.Summary == "" && len(one.Settings) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", clean(one.Name), clean(one.Summary))
		for _, s := range one.Settings {
			fmt.Fprintf(&b, "    %s%s: %s\n", clean(s.Name), who(s), clean(s.Help))
		}
	}
	b.WriteString("\n(label): a container's label may set it, refit.hook.NAME.SETTING; the operator may set all of them, --hook-config NAME.SETTING=VALUE\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// who may set a setting, and whether the operator has.
func who(s setting) string {
	text := ""
	if s.Label {
		text = " (label)"
	}
	if s.Operator {
		text += " (the operator has set it)"
	}
	return text
}

// hookTable shows the settings of the hooks of a container, and where each comes from.
func (c config) hookTable(p core.Policy) [][]string {
	rows := [][]string{{"HOOK", "SETTING", "VALUE", "FROM"}}
	for _, hook := range p.Hooks {
		settings := c.hookSettings(p, hook)
		if len(settings) == 0 {
			settings = [][]string{{hook, "", "", ""}}
		}
		rows = append(rows, settings...)
	}
	return rows
}

// hookSettings are rows of hook, key, value and origin. The operator's values may be
// secrets: that there is one is all that is shown.
func (c config) hookSettings(p core.Policy, hook string) [][]string {
	labels, operator := p.HookConfig[hook], c.hookConfig[hook]
	keys := maps.Clone(labels)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, operator)
	var rows [][]string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		from := p.From["hook."+hook+"."+key]
		if from == "" {
			from = "default"
		}
		row := []string{hook, key, labels[key], from}
		_, ours := operator[key]
		_, theirs := labels[key]
		switch {
		case ours && theirs:
			row[2], row[3] = "(not shown)", "--hook-config, in place of the "+from
		case ours && hook == "backup" && key == "dir" && c.backupDir != "":
			row[2], row[3] = "(not shown)", "--backup-dir"
		case ours:
			row[2], row[3] = "(not shown)", "--hook-config"
		}
		rows = append(rows, row)
	}
	return rows
}
