package main

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// hookOptions are the flags that have to do with hooks.
var hookOptions = []option{
	{
		name: "hooks", group: groupHooks, value: "NAME,…",
		help: "The hooks that run around every replacement whose container has no label `refit.hooks`, in this order before it and in the reverse after it. `refit hooks` lists those that are installed.",
		set:  label("refit.hooks"),
	},
	{
		name: "hook-config", group: groupHooks, value: "NAME.KEY=VALUE", many: true, lines: true, secret: true,
		help: "A setting of a hook: `backup.keep=3`. It beats the labels. May be given more than once; its variable and the file hold one in each line, and lines that begin with `#` do not count. What other people on the machine must not see belongs into the file.",
		set:  setHookConfig,
	},
	{
		name: "hook-timeout", group: groupHooks, value: "DURATION", initial: "1h",
		help: "How long a hook may take for one stage before it is ended. `on-rollback`, at which data is put back, takes as long as it takes: `--hook-stall` alone ends it.",
		set:  span(func(c *config) *time.Duration { return &c.hookTimeout }, time.Second),
	},
	{
		name: "hook-stall", group: groupHooks, value: "DURATION", initial: "2m",
		help: "How long a hook may say nothing, at any stage, before it is ended.",
		set:  span(func(c *config) *time.Duration { return &c.hookStall }, time.Second),
	},
	{
		name: "backup-dir", group: groupHooks, value: "FOLDER", initial: "backups in --data",
		help: "Where the hook `backup` keeps its archives: its setting `backup.dir`.",
		set:  folder(func(c *config) *string { return &c.backupDir }),
	},
	{
		name: "lifecycle-hooks", group: groupHooks,
		help: "Obey Watchtower's `com.centurylinklabs.watchtower.lifecycle.*` labels: they become settings of the hook `command`.",
		set:  toggle(func(c *config) *bool { return &c.settings.Lifecycle }),
	},
	{
		name: "plugin-dir", group: groupHooks, value: "FOLDER",
		help: "Where hooks of your own are: executables called `refit-hook-NAME`. A folder or a file that others may write is refused.",
		set:  folder(func(c *config) *string { return &c.pluginDir }),
	},
	{
		name: "plugin-checksums", group: groupHooks, value: "FILE",
		help: "A file as `sha256sum` writes it. A plugin in `--plugin-dir` that it does not list, or that has changed, is not started.",
		set:  folder(func(c *config) *string { return &c.pluginChecksums }),
	},
	{
		name: "plugin-env", group: groupHooks, value: "NAME", many: true,
		help: "A variable of Refit's environment that plugins see, too. May be given more than once. Without it they see `PATH`, `HOME`, `TMPDIR` and docker's variables.",
		set: func(c *config, text string) error {
			if !variableName.MatchString(text) {
				return errors.New("is not the name of a variable")
			}
			c.pluginEnv = append(c.pluginEnv, text)
			return nil
		},
	},
	{
		name: "container", group: groupHooks, value: "NAME", commands: []string{"hooks test"},
		help: "The container that the hook is told about.",
		set:  text(func(c *config) *string { return &c.container }),
	},
	{
		name: "stop", group: groupHooks, commands: []string{"hooks backup restore"},
		help: "Stop the container if it runs, and start it again when its data is back.",
		set:  toggle(func(c *config) *bool { return &c.stop }),
	},
	{
		name: "stage", group: groupHooks, value: "STAGE", initial: string(core.PreUpdate), commands: []string{"hooks test"},
		help: "The stage that is run: `pre-update`, `pre-recreate`, `post-update`, `on-rollback` or `finished`.",
		set: func(c *config, text string) error {
			c.stage = core.Stage(text)
			var words []string
			for _, s := range core.Stages() {
				words = append(words, string(s))
			}
			return oneOf(text, words...)
		},
	},
}

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	hookKey      = regexp.MustCompile(`^([a-zA-Z0-9][a-zA-Z0-9_-]*)\.([a-zA-Z0-9][a-zA-Z0-9_.-]*)$`)
)

// setHookConfig reads one setting. Its errors show nothing of it, because the
// values may be secrets and nobody knows where a malformed text has its value.
func setHookConfig(c *config, text string) error {
	name, value, joined := strings.Cut(text, "=")
	parts := hookKey.FindStringSubmatch(strings.TrimSpace(name))
	if !joined || parts == nil {
		return errors.New("does not have the form NAME.KEY=VALUE")
	}
	c.setHook(parts[1], parts[2], value)
	return nil
}

func (c *config) setHook(hook, key, value string) {
	if c.hookConfig == nil {
		c.hookConfig = map[string]map[string]string{}
	}
	if c.hookConfig[hook] == nil {
		c.hookConfig[hook] = map[string]string{}
	}
	c.hookConfig[hook][key] = value
}

// folder is for a path that a process in another folder will use.
func folder(field func(*config) *string) func(*config, string) error {
	return func(c *config, text string) error {
		path, err := filepath.Abs(text)
		*field(c) = path
		return err
	}
}

// completeHooks gives the bundled hook its folder, by whichever of its two names.
func (c *config) completeHooks() error {
	_, named := c.hookConfig["backup"]["dir"]
	switch {
	case named && c.backupDir != "":
		return refusal{problem: "both --backup-dir and --hook-config backup.dir are given", hint: "use one of them: they mean the same"}
	case named:
		return nil
	case c.backupDir == "" && c.data != "":
		dir, err := filepath.Abs(filepath.Join(c.data, "backups"))
		if err != nil {
			return err
		}
		c.backupDir = dir
	}
	if c.backupDir != "" {
		c.setHook("backup", "dir", c.backupDir)
	}
	return nil
}
