package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/host"
	"github.com/refit-dev/refit/plugins/backup"
	commandplugin "github.com/refit-dev/refit/plugins/command"
	httpplugin "github.com/refit-dev/refit/plugins/http"
)

// ours is a hook that refit itself can be: see runHook.
type ours struct {
	hook func() any
	// main is what the program can be beside the hook, for the hook's own use. It
	// says whether it has understood its arguments. Nil if there is no such thing.
	main func(args []string) (code int, handled bool)
}

var bundled = map[string]ours{
	"backup":  {hook: func() any { return backup.New() }, main: backup.Main},
	"http":    {hook: func() any { return httpplugin.New() }},
	"command": {hook: func() any { return commandplugin.New() }},
}

// hookCommands are those that have to do with hooks.
func hookCommands() []command {
	return []command{
		{
			name: "hooks", run: runHooks, usage: "hooks [flags]",
			summary: "show the hooks that are installed; the same as hooks list",
			more:    aboutHooks,
		},
		{
			name: "hooks list", run: runHooks, usage: "hooks list [flags]",
			summary: "show the hooks that are installed, and whether they can be used",
			more:    aboutHooks,
		},
		{
			name: "hooks test", run: runHooksTest, usage: "hooks test [flags] NAME", least: 1, most: 1, argument: "hook",
			summary: "run one stage of a hook for a container, and show what it says",
			more:    aboutTest,
		},
		{
			name: "hook", run: runHook, usage: "hook NAME", least: 1, most: -1, argument: "hook", passesOn: true, hidden: true,
			summary: "be a hook that comes with Refit; Refit starts it by itself",
			more: `Refit runs hooks as processes of their own, and those that come with it are the same
program. To use one label a container: refit.hooks=backup. refit hooks lists them.`,
		},
	}
}

const aboutHooks = `Starts every plugin to ask what it is; needs no engine. A setting with a star may be
made by a container's label, refit.hook.NAME.SETTING; all of them by --hook-config.
Ends with 30 if a hook cannot be used.

Examples:
    refit hooks
    refit hooks --plugin-dir /etc/refit/plugins
    refit hooks list --format json`

// runHook makes a plugin of this process. It wants neither an engine nor a
// configuration, and is told by the environment that Refit has started it.
func runHook(_ context.Context, p *program) (int, error) {
	name, args := p.names[0], p.names[1:]
	one, known := bundled[name]
	if !known {
		names := slices.Sorted(maps.Keys(bundled))
		r := refusal{problem: fmt.Sprintf("no hook called %q comes with Refit", name), hint: "there are " + strings.Join(names, ", ")}
		if near, ok := core.Nearest(name, names); ok {
			r.hint = "did you mean refit hook " + near + "?"
		}
		return 0, r
	}
	// Who ends such a process means it, and there is no context to cancel.
	signal.Reset(os.Interrupt, syscall.SIGTERM)
	if one.main != nil {
		if code, handled := one.main(args); handled {
			return code, nil
		}
	}
	if len(args) > 0 || p.getenv(hooks.CookieKey) != hooks.CookieValue {
		return 0, refusal{
			problem: name + " is a hook: Refit starts it by itself when it replaces a container",
			hint:    "label a container refit.hooks=" + name + "; refit hooks says more",
		}
	}
	hooks.Serve(one.hook())
	return exitDone, nil // not reached
}

// hookHost is a host with what its plugins see of our environment.
type hookHost struct {
	host.Host
	around *surroundings
}

// close ends all plugins.
func (h *hookHost) close() {
	h.Rest()
	if err := h.around.close(); err != nil {
		h.Log.Debug("closing the hooks", slog.Any("error", err))
	}
}

// newHost knows the hooks that are installed. What is wrong with one of them is
// that hook's fault; what is wrong with all of them is refused here.
func (p *program) newHost() (*hookHost, error) {
	if err := p.checkPlugins(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find our own program: %w", err)
	}
	around := &surroundings{config: p.config, outer: p.getenv}
	h := &hookHost{around: around, Host: host.Host{
		Dir: p.pluginDir, Checksums: p.pluginChecksums, Bundled: map[string][]string{},
		Env: p.pluginEnv, Getenv: around.getenv, Config: p.hookConfig,
		Timeout: p.hookTimeout, Stall: p.hookStall, Log: p.log,
	}}
	for name := range bundled {
		h.Bundled[name] = []string{self, "hook", name}
	}
	if p.data != "" { // an image from scratch has no other place for a socket
		h.TempDir = filepath.Join(p.data, "tmp")
	}
	return h, nil
}

// checkPlugins looks at what the operator has named before anything is begun.
func (p *program) checkPlugins() error {
	if p.pluginDir != "" {
		hint := "name a folder that only root, or the user that Refit runs as, may write"
		info, err := os.Stat(p.pluginDir)
		switch {
		case err != nil:
			return refusal{problem: "read the plugin folder: " + err.Error(), hint: hint}
		case !info.IsDir():
			return refusal{problem: "the plugin folder " + p.pluginDir + " is no folder", hint: hint}
		case info.Mode().Perm()&0o002 != 0:
			return refusal{problem: "everybody may write into the plugin folder " + p.pluginDir, hint: "chmod go-w " + p.pluginDir}
		}
	}
	if p.pluginChecksums != "" {
		file, err := os.Open(p.pluginChecksums)
		if err != nil {
			return refusal{problem: "read the checksums of the plugins: " + err.Error(), hint: "make the file with sha256sum"}
		}
		return file.Close()
	}
	return nil
}

// mindHooks says what is wrong with the hooks that the operator has named: in
// --hooks, or in a setting, which else nobody would read.
func (p *program) mindHooks(ctx context.Context, h *hookHost) []core.Reason {
	names := slices.Clone(p.settings.Defaults.Hooks)
	for name, settings := range p.hookConfig {
		if _, folder := settings["dir"]; name == "backup" && folder && len(settings) == 1 {
			continue // we have set that ourselves, maybe
		}
		names = append(names, name)
	}
	slices.Sort(names)
	answers := h.Describe(ctx, slices.Compact(names))
	var odd []core.Reason
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if fault := answers[name].Fault; fault.Code != "" {
			odd = append(odd, fault)
		}
	}
	return odd
}
