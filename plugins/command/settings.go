package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/refit-dev/refit/hooks"
)

// The stages, which are the keys of their commands as well.
const (
	preUpdate  = "pre-update"
	postUpdate = "post-update"
)

const (
	defaultTimeout = 5 * time.Minute
	maxTimeout     = 24 * time.Hour
	minRetry       = time.Minute
	maxRetry       = 7 * 24 * time.Hour
	maxCommand     = 64 << 10 // bytes
)

// nowhere are the stages that people may look for here: why there is nothing.
var nowhere = map[string]string{
	"pre-recreate": "the container has been stopped then",
	"on-rollback":  "neither of the two containers runs then",
	"finished":     "it may be that none runs then",
}

// settings are what the operator and the labels say, read.
type settings struct {
	commands   map[string]command // by stage
	gate       bool
	user       string
	workdir    string
	retryAfter time.Duration // 0 is the container's next regular time
}

// command is what is to be run in a stage. Without arguments it is nothing.
type command struct {
	argv    []string
	shell   bool // argv is one line for the container's /bin/sh
	timeout time.Duration
}

// read reads all settings, also those of other stages: what is wrong is found
// before anything is stopped. Where it fails, the gate is true.
func read(u *hooks.Update) (settings, error) {
	s := settings{gate: true, user: u.Setting("user"), workdir: u.Setting("workdir"), commands: map[string]command{}}
	if err := refuse(u); err != nil {
		return s, err
	}
	for _, stage := range []string{preUpdate, postUpdate} {
		c, err := parse(u.Setting(stage))
		if err != nil {
			return s, fmt.Errorf("%s %w", stage, err)
		}
		if c.timeout, err = timeout(u, stage); err != nil {
			return s, err
		}
		s.commands[stage] = c
	}
	if s.workdir != "" && !strings.HasPrefix(s.workdir, "/") {
		return s, errors.New("workdir is not a whole path: it begins with a slash")
	}
	if text := u.Setting("retry-after"); text != "" {
		var err error
		if s.retryAfter, err = duration("retry-after", text, minRetry, maxRetry); err != nil {
			return s, err
		}
	}
	switch text := strings.ToLower(u.Setting("post-update-gate")); text {
	case "", "true":
	case "false":
		s.gate = false
	default:
		return s, errors.New("post-update-gate is neither true nor false")
	}
	return s, nil
}

// refuse refuses commands for the stages that have none.
func refuse(u *hooks.Update) error {
	for key, why := range nowhere {
		if u.Setting(key) != "" {
			return fmt.Errorf("there is no %s command: %s; there are %s and %s", key, why, preUpdate, postUpdate)
		}
	}
	return nil
}

// parse reads a command. Its error never shows it: there may be a password in it.
func parse(text string) (command, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return command{}, nil
	case len(text) > maxCommand:
		return command{}, fmt.Errorf("is longer than %d KiB", maxCommand>>10)
	case strings.ContainsRune(text, 0):
		return command{}, errors.New("holds a null byte")
	case text[0] != '[':
		return command{argv: []string{text}, shell: true}, nil
	}
	var argv []string
	if err := json.Unmarshal([]byte(text), &argv); err != nil {
		return command{}, errors.New(`begins with a bracket, and is not a JSON array of texts, such as ["/app", "dump"]; ` +
			"if it is meant for the shell, put a blank before it")
	}
	if len(argv) == 0 || argv[0] == "" {
		return command{}, errors.New("is an array that names no program")
	}
	for _, arg := range argv {
		if strings.ContainsRune(arg, 0) {
			return command{}, errors.New("holds a null byte")
		}
	}
	return command{argv: argv}, nil
}

// timeout is how long the stage's command may take. What the operator says in
// general is stronger than what a label says of one stage.
func timeout(u *hooks.Update, stage string) (time.Duration, error) {
	for _, settings := range []map[string]string{u.Operator, u.Labels} {
		for _, key := range []string{stage + "-timeout", "timeout"} {
			if text := settings[key]; text != "" {
				return duration(key, text, 0, maxTimeout)
			}
		}
	}
	return defaultTimeout, nil
}

// duration reads "90s", "1h30m" or plain seconds.
func duration(key, text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, plain := strconv.ParseUint(text, 10, 31); plain == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration: use 90s, 5m, 1h30m or plain seconds", key)
	}
	if d < least || d > most {
		return 0, fmt.Errorf("%s is not between %s and %s", key, least, most)
	}
	return d, nil
}
