package main

import (
	"fmt"
	"strings"

	"github.com/refit-dev/refit/notify"
)

// What people bring along from Watchtower. Its names are tried after ours.

// unanswered are Watchtower's variables that have no counterpart here. Whoever
// sets one is told, because nothing is silent.
var unanswered = []string{
	"WATCHTOWER_REMOVE_VOLUMES", "WATCHTOWER_NO_RESTART", "WATCHTOWER_REVIVE_STOPPED",
	"WATCHTOWER_INCLUDE_RESTARTING", "WATCHTOWER_ROLLING_RESTART", "WATCHTOWER_DISABLE_CONTAINERS",
	"WATCHTOWER_LABEL_TAKE_PRECEDENCE", "WATCHTOWER_WARN_ON_HEAD_FAILURE",
	"WATCHTOWER_HTTP_API_UPDATE", "WATCHTOWER_HTTP_API_METRICS", "WATCHTOWER_HTTP_API_TOKEN",
	"WATCHTOWER_NOTIFICATION_REPORT", "WATCHTOWER_NOTIFICATION_TEMPLATE",
	"WATCHTOWER_NO_STARTUP_MESSAGE", "WATCHTOWER_PORCELAIN",
}

// withOthers are those that only mean something together: they become channels, see
// moveNotifyIn.
var withOthers = []string{"WATCHTOWER_NOTIFICATIONS", "WATCHTOWER_NOTIFICATION_URL", "WATCHTOWER_NOTIFICATION_URL_FILE", "WATCHTOWER_NOTIFICATIONS_LEVEL"}

// moveIn does as Watchtower did: it looked after all containers unless it was
// told to look at labels. So whoever still has its variables, and does not say
// which containers are meant, means all of them.
func moveIn(c *config, used map[string]source, getenv func(string) string) {
	var set []string
	for _, o := range options {
		for _, v := range o.others {
			if strings.HasPrefix(v.name, "WATCHTOWER_") && getenv(v.name) != "" {
				set = append(set, v.name)
			}
		}
	}
	for _, name := range unanswered {
		if getenv(name) != "" {
			set = append(set, name)
			c.warnings = append(c.warnings, name+" has no counterpart in this build of Refit and is not obeyed")
		}
	}
	for _, name := range withOthers {
		if getenv(name) != "" {
			set = append(set, name)
		}
	}
	if _, said := used["all"]; said || len(set) == 0 {
		return
	}
	c.settings.All = true
	c.warnings = append(c.warnings, fmt.Sprintf(
		"%s is set and WATCHTOWER_LABEL_ENABLE is not: --all is implied (say --all=false to decline)", strings.Join(set, ", ")))
}

// moveNotifyIn makes channels of Watchtower's variables, where ours are not set.
func (c *config) moveNotifyIn(getenv func(string) string) ([]notify.Channel, error) {
	channels, warnings, err := notify.FromWatchtower(getenv)
	c.warnings = append(c.warnings, warnings...)
	return channels, err
}

// The translators of values.

// opposite is for "only those with a label" where we have "all".
func opposite(text string) string {
	on, err := parseBool(text)
	if err != nil {
		return text // the option refuses it, by the variable's name
	}
	return fmt.Sprint(!on)
}

// onlyTell is for a switch where we have two modes.
func onlyTell(text string) string {
	on, err := parseBool(text)
	switch {
	case err != nil:
		return text
	case on:
		return "notify"
	}
	return "update"
}

// nonEmpty is Docker's own reading of DOCKER_TLS_VERIFY: any text means yes.
func nonEmpty(string) string { return "true" }

// logLevel maps the levels that we do not have to the nearest one.
func logLevel(text string) string {
	switch text = strings.ToLower(text); text {
	case "trace":
		return "debug"
	case "fatal", "panic":
		return "error"
	case "warning":
		return "warn"
	}
	return text
}

func logFormat(text string) string {
	switch strings.ToLower(text) {
	case "json":
		return "json"
	case "auto", "logfmt", "pretty":
		return "text"
	}
	return text
}
