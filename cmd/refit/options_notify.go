package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

// notifyOptions are the flags that have to do with notifications.
var notifyOptions = []option{
	{
		name: "notify", group: groupNotify, value: "NAME=URL", many: true, lines: true, secret: true,
		help: "A channel on which people are told: `ops=slack://…`; `docs/notifications.md` lists the services. A container picks with the label `refit.notify` among the names. May be given more than once; its variable and the file hold one in each line, and lines that begin with `#` do not count. URLs are credentials: they belong into the file, because other people on the machine see flags.",
		set: func(c *config, text string) error {
			c.notify.urls = append(c.notify.urls, text)
			return nil // understood in completeNotify, all of them together
		},
	},
	{
		name: "notify-level", group: groupNotify, value: "LEVEL", initial: string(notify.Changes), many: true,
		help: "What the channels hear: `problems`, `changes` (and what was updated, or could be), or `all` (and that Refit has started); `NAME=LEVEL` is for one channel. May be given more than once.",
		set:  setNotifyLevel,
	},
	{
		name: "notify-remind", group: groupNotify, value: "DURATION", initial: "0s",
		help: "After how long a thing that has not changed, such as a new image that waits, is told again. `0s` means never.",
		set:  span(func(c *config) *time.Duration { return &c.notify.remind }, 0),
	},
	{
		name: "notify-give-up", group: groupNotify, value: "DURATION", initial: "48h",
		help: "How long a message is tried before it is given up. `refit notify` lists what was.",
		set:  span(func(c *config) *time.Duration { return &c.notify.giveUp }, time.Minute),
	},
	{
		name: "notify-template", group: groupNotify, value: "FILE",
		help: "A Go template with words of your own for title, text and HTML.",
		set:  folder(func(c *config) *string { return &c.notify.template }),
	},
	{
		name: "notify-host", group: groupNotify, value: "NAME", initial: "the name of the engine's host",
		help: "What people call this machine: it is in every title.",
		set:  text(func(c *config) *string { return &c.notify.host }),
	},
	{
		name: "event", group: groupNotify, value: "EVENT", initial: string(core.NoticeRolledBack), commands: []string{"notify preview"},
		help: "The event that is shown: `" + strings.Join(eventNames(), "`, `") + "`.",
		set: func(c *config, text string) error {
			c.event = core.NoticeKind(text)
			return oneOf(text, eventNames()...)
		},
	},
}

// notifySettings are what the command line says about notifications.
type notifySettings struct {
	urls           []string // as they were given. Secrets
	levels         map[string]notify.Level
	level          notify.Level // of the others
	remind, giveUp time.Duration
	template       string // path, "" for none
	host           string // "" for the engine's own

	// channels are what all that comes to.
	channels []notify.Channel
}

func eventNames() []string {
	var names []string
	for _, k := range notify.Kinds() {
		names = append(names, string(k))
	}
	return names
}

func setNotifyLevel(c *config, text string) error {
	name, word, of := strings.Cut(text, "=")
	if !of {
		name, word = "", text
	}
	if isURL(name) {
		return errors.New("names no channel")
	}
	var words []string
	for _, l := range notify.Levels() {
		words = append(words, string(l))
	}
	if err := oneOf(word, words...); err != nil {
		return err
	}
	if !of {
		c.notify.level = notify.Level(word)
		return nil
	}
	if c.notify.levels == nil {
		c.notify.levels = map[string]notify.Level{}
	}
	c.notify.levels[name] = notify.Level(word)
	return nil
}

// withoutChannels are commands that tell nobody, and must work whatever is wrong
// with a channel.
var withoutChannels = []string{"health", "hook", "migrate", "version"}

// completeNotify makes the channels. No error shows a part of a URL beyond its
// scheme, and a list of them is never a part of an error.
func (c *config) completeNotify(used map[string]source, getenv func(string) string) error {
	if slices.Contains(withoutChannels, c.command) {
		return nil
	}
	from := used["notify"].name
	channels, err := notify.ParseChannels(c.notify.urls)
	if from == "" {
		from = "Watchtower's variables"
		channels, err = c.moveNotifyIn(getenv)
	}
	if err != nil {
		return refusal{problem: from + ": " + err.Error(), hint: "a channel is NAME=SERVICE://…; docs/notifications.md has an example of each service"}
	}
	c.notify.channels = channels
	for _, w := range notify.Warnings(channels) {
		c.warnings = append(c.warnings, "channel "+w.Channel+": "+w.Text)
	}
	for i := range channels {
		if channels[i].Level == "" || used["notify-level"].name != "" {
			channels[i].Level = c.notify.level
		}
	}
	return c.levelChannels(used["notify-level"].name)
}

// levelChannels gives channels the levels that name them.
func (c *config) levelChannels(from string) error {
	for name, level := range c.notify.levels {
		i := slices.IndexFunc(c.notify.channels, func(ch notify.Channel) bool { return ch.Name == name })
		if i < 0 {
			r := refusal{problem: fmt.Sprintf("%s: there is no channel %q", from, name), hint: "--notify " + name + "=URL makes one"}
			if near, ok := core.Nearest(name, c.channelNames()); ok {
				r.hint = "did you mean " + near + "?"
			}
			return r
		}
		c.notify.channels[i].Level = level
	}
	return nil
}

func (c *config) channelNames() []string {
	var names []string
	for _, ch := range c.notify.channels {
		names = append(names, ch.Name)
	}
	return names
}

// words are those of --notify-template, or the built-in ones.
func (p *program) words(host string) (notify.Words, error) {
	w := notify.Words{Host: p.notify.host, Log: p.log}
	if w.Host == "" {
		w.Host = host
	}
	if w.Host == "" {
		w.Host, _ = os.Hostname() // without one there is still a title
	}
	if p.notify.template == "" {
		return w, nil
	}
	text, err := os.ReadFile(p.notify.template)
	if err == nil {
		w.Template, err = notify.ParseTemplate(filepath.Base(p.notify.template), string(text))
	}
	if err != nil {
		return w, refusal{problem: "--notify-template: " + err.Error(), hint: "docs/notifications.md says what a template may use; refit notify preview shows what it makes"}
	}
	return w, nil
}
