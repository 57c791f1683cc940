package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// The headings of the help, in their order there (which is the alphabet's).
const (
	groupWhich  = "Containers: which, and what to do with them"
	groupEngine = "Engine and registries"
	groupHooks  = "Hooks"
	groupNotify = "Notifications"
	groupOutput = "Output and state"
	groupWhen   = "Clock: when to look"
)

// options is the table of flags, in the order in which people should read it.
var options = slices.Concat(generalOptions, registryOptions, hookOptions, notifyOptions)

var generalOptions = []option{
	{
		name: "host", short: "H", group: groupEngine, value: "URL", initial: "unix:///var/run/docker.sock",
		help: "The engine to talk to: `unix:///path` or `tcp://host:port`.",
		set:  text(func(c *config) *string { return &c.host }),
	},
	{
		name: "tlsverify", group: groupEngine,
		help: "Talk TLS to the engine, verify its certificate and show our own.",
		set:  toggle(func(c *config) *bool { return &c.tlsVerify }),
	},
	{
		name: "tlscacert", group: groupEngine, value: "FILE", initial: "ca.pem in DOCKER_CERT_PATH",
		help: "The authority that signed the engine's certificate.",
		set:  text(func(c *config) *string { return &c.caCert }),
	},
	{
		name: "tlscert", group: groupEngine, value: "FILE", initial: "cert.pem in DOCKER_CERT_PATH",
		help: "The certificate that Refit shows to the engine.",
		set:  text(func(c *config) *string { return &c.tlsCert }),
	},
	{
		name: "tlskey", group: groupEngine, value: "FILE", initial: "key.pem in DOCKER_CERT_PATH",
		help: "The key of that certificate.",
		set:  text(func(c *config) *string { return &c.tlsKey }),
	},
	{
		name: "api-version", group: groupEngine, value: "VERSION", initial: "agreed on with the engine",
		help: "The version of the engine's API to speak, such as `1.41`.",
		set:  text(func(c *config) *string { return &c.apiVersion }),
	},
	{
		name: "pull-stall", group: groupEngine, value: "DURATION", initial: "2m",
		help: "How long a pull may go without progress before it is given up.",
		set:  span(func(c *config) *time.Duration { return &c.pullStall }, time.Second),
	},
	{
		name: "pull-parallel", group: groupEngine, value: "N", initial: "2",
		help: "How many images may be pulled at once.",
		set:  count(func(c *config) *int { return &c.pullParallel }),
	},

	{
		name: "run-once", group: groupWhen,
		help: "Do one cycle over every enabled container, due or not, then end.",
		set:  toggle(func(c *config) *bool { return &c.runOnce }),
	},
	{
		name: "update-on-start", group: groupWhen,
		help: "Do a cycle at once when the sidecar starts, whatever the schedule says.",
		set:  toggle(func(c *config) *bool { return &c.updateOnStart }),
	},
	{
		name: "schedule", group: groupWhen, value: "CRON",
		help: "When to look: five fields, six with seconds first, `@daily`, `@every 6h`; `CRON_TZ=Europe/Berlin` in front sets the time zone. Not together with `--interval`.",
		set:  label("refit.schedule"),
	},
	{
		name: "interval", group: groupWhen, value: "DURATION", initial: "24h",
		help: "How often to look: `6h`, `30m`, or plain seconds. Not together with `--schedule`.",
		set:  span(func(c *config) *time.Duration { return &c.interval }, time.Second),
	},
	{
		name: "jitter", group: groupWhen, value: "DURATION", initial: "0s",
		help: "Look up to this much later than planned, by chance, so that many hosts do not ask at the same moment.",
		set:  span(func(c *config) *time.Duration { return &c.jitter }, 0),
	},
	{
		name: "catch-up", group: groupWhen, initial: "true",
		help: "Catch up, once, on a run that was missed while Refit or its host was down, or while a registry wanted to be left alone. `--catch-up=false` declines.",
		set:  toggle(func(c *config) *bool { return &c.catchUp }),
	},

	{
		name: "all", group: groupWhich,
		help: "Look after every container that does not say `refit.enable=false`, not only after those that say `refit.enable=true`.",
		set:  toggle(func(c *config) *bool { return &c.settings.All }),
	},
	{
		name: "label-enable", group: groupWhich,
		help: "Take Watchtower's label `com.centurylinklabs.watchtower.enable=true` for `refit.enable=true`.",
		set:  toggle(func(c *config) *bool { return &c.settings.LabelEnable }),
	},
	{
		name: "disable-containers", group: groupWhich, value: "NAME,…", many: true,
		help: "Containers that are left alone, whatever their labels say. May be given more than once.",
		set:  setDisabled,
	},
	{
		name: "label-take-precedence", group: groupWhich,
		help: "Let Watchtower's labels `monitor-only=false` and `no-pull=false` count against `--mode notify` and `--no-pull`.",
		set:  toggle(func(c *config) *bool { return &c.settings.LabelPrecedence }),
	},
	{
		name: "scope", group: groupWhich, value: "NAME",
		help: "Look after the containers labelled `refit.scope=NAME` only. Without it, after those that have no scope, as with `none`.",
		set:  setScope,
	},
	{
		name: "include-stopped", group: groupWhich,
		help: "Update containers that are created or have ended too. They are not started.",
		set:  toggle(func(c *config) *bool { return &c.settings.IncludeStopped }),
	},
	{
		name: "mode", group: groupWhich, value: "MODE", initial: "update",
		help: "What to do about a new image: `update`, or `notify` to tell only.",
		set:  label("refit.mode"),
	},
	{
		name: "no-pull", group: groupWhich,
		help: "Ask no registry: compare with the local image of the same tag.",
		set: func(c *config, text string) error {
			off, err := parseBool(text)
			c.settings.Defaults.Pull = !off
			return err
		},
	},
	{
		name: "cleanup", group: groupWhich,
		help: "Remove the old image after an update, unless something else uses it.",
		set:  label("refit.cleanup"),
	},
	{
		name: "strategy", group: groupWhich, value: "STRATEGY", initial: "stop-first",
		help: "The order of a replacement: `start-first` runs the new container beside the old one until it is good.",
		set:  label("refit.strategy"),
	},
	{
		name: "start-first-shared", group: groupWhich,
		help: "Let `start-first` run both containers on the same writable volumes and folders.",
		set:  label("refit.start-first-shared"),
	},
	{
		name: "stop-signal", group: groupWhich, value: "SIGNAL", initial: "the container's own",
		help: "The signal that asks an old container to end.",
		set:  label("refit.stop-signal"),
	},
	{
		name: "stop-timeout", group: groupWhich, value: "DURATION", initial: "the container's own, else 10s",
		help: "How long an old container may take to end before it is killed.",
		set:  label("refit.stop-timeout"),
	},
	{
		name: "gate-stable", group: groupWhich, value: "DURATION", initial: "10s",
		help: "How long a new container without healthcheck must run, without a restart, before the old one goes.",
		set:  label("refit.gate-stable"),
	},
	{
		name: "gate-timeout", group: groupWhich, value: "DURATION", initial: "computed from the healthcheck",
		help: "How long a new container may take to become healthy.",
		set:  label("refit.gate-timeout"),
	},
	{
		name: "parallel", group: groupWhich, value: "N", initial: "4",
		help: "How many containers may be between their stop and their start at once. With 1 each is down for as short as it can be; more are quicker together where they take long to stop.",
		set:  count(func(c *config) *int { return &c.parallel }),
	},
	{
		name: "trust-image-labels", group: groupWhich,
		help: "Obey `refit.*` labels that came with an image. Whoever publishes the image then decides.",
		set:  toggle(func(c *config) *bool { return &c.settings.TrustImageLabels }),
	},

	{
		name: "data", group: groupOutput, value: "FOLDER", initial: "$XDG_STATE_HOME/refit, else ~/.local/state/refit; /data in the image",
		help: "Where Refit keeps its state.",
		set:  text(func(c *config) *string { return &c.data }),
	},
	{
		name: "log-level", group: groupOutput, value: "LEVEL", initial: "info",
		help: "What to log at least: `debug`, `info`, `warn` or `error`.",
		set:  setLevel,
	},
	{
		name: "log-format", group: groupOutput, value: "FORMAT", initial: "text",
		help: "How to log: `text` or `json`.",
		set: func(c *config, text string) error {
			c.jsonLog = text == "json"
			return oneOf(text, "text", "json")
		},
	},
	{
		name: "debug", group: groupOutput,
		help: "The same as `--log-level debug`.",
		set:  toggle(func(c *config) *bool { return &c.debug }),
	},
	{
		name: "format", group: groupOutput, value: "FORMAT", initial: "table", commands: []string{"check", "history", "hooks", "hooks list", "hooks backup", "hooks backup list", "notify", "notify list", "notify preview", "migrate"},
		help: "`table`, `json`, or a Go template that is filled in for each container (check only): `{{.Container}} {{.Action}}`. For `refit notify preview` it is `text`, `plain`, `html` or `json`, for `refit migrate` `command` or `compose`.",
		set: func(c *config, text string) error {
			c.format = text
			switch c.command {
			case "notify preview":
				return oneOf(text, previews...)
			case "migrate":
				return oneOf(text, formatCommand, formatCompose)
			}
			return checkFormat(text)
		},
	},
	{
		name: "diff", group: groupOutput, commands: []string{"check"},
		help: "Show which settings the new image would change because it says something else than the old one. Of an image that is not on the engine its registry is asked for the configuration; nothing is pulled.",
		set:  toggle(func(c *config) *bool { return &c.diff }),
	},
	{
		name: "exit-code", group: groupOutput, commands: []string{"check"},
		help: "End with 10 if a new image waits for a container, with 30 if something could not be checked.",
		set:  toggle(func(c *config) *bool { return &c.exitCode }),
	},
	{
		name: "force", group: groupWhich, commands: []string{"update", "recover"},
		help: "`refit update`: try again what failed before, in spite of quarantine and back-off. `refit recover`: finish or undo what another Refit began, too; that one must not run any more.",
		set:  toggle(func(c *config) *bool { return &c.force }),
	},
}

func setLevel(c *config, text string) error {
	if err := oneOf(text, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	return c.level.UnmarshalText([]byte(text))
}

// oneOf refuses what is none of the words.
func oneOf(text string, words ...string) error {
	for _, w := range words {
		if text == w {
			return nil
		}
	}
	if near, ok := core.Nearest(text, words); ok {
		return fmt.Errorf("is not known: did you mean %s?", near)
	}
	return fmt.Errorf("is not known: use %s", strings.Join(words, ", "))
}

func span(field func(*config) *time.Duration, least time.Duration) func(*config, string) error {
	return func(c *config, text string) error {
		d, err := core.ParseDuration(text)
		if err != nil {
			return err
		}
		if d < least {
			return fmt.Errorf("is less than %s", least)
		}
		*field(c) = d
		return nil
	}
}

func count(field func(*config) *int) func(*config, string) error {
	return func(c *config, text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return errors.New("is not a number from 1 to 1000")
		}
		*field(c) = n
		return nil
	}
}

// setDisabled takes names as the engine spells them, too, with a slash in front.
func setDisabled(c *config, text string) error {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimPrefix(strings.TrimSpace(name), "/"); name != "" {
			c.settings.Disabled = append(c.settings.Disabled, name)
		}
	}
	return nil
}

// setScope reads a scope as the label would, but for Refit itself: the default
// of the label stays "no scope".
func setScope(c *config, text string) error {
	var p core.Policy
	err := labelRow("refit.scope").Set(c.settings, &p, text)
	c.settings.Scope = p.Scope
	return err
}
