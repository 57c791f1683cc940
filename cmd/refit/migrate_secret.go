package main

import (
	"fmt"
	"strings"

	"github.com/refit-dev/refit/core/watchtower"
)

// envFile holds what is not to be shown. Each of several has its own.
func (m *move) envFile() string { return m.name + ".env" }

// together takes a word along that means something only with others, as it is. Those
// of the environment all go into the file; of what was typed people have to write into
// it what may be secret.
func (m *move) together(w watchtower.Word, name, value string, typed bool) {
	m.notifies = true
	became := w.Variable
	switch {
	case !typed:
		m.hide(&m.secrets, name, value)
		m.lines = m.lines || w.Many && strings.Contains(strings.TrimSpace(value), "\n")
		became = "kept as it is, and becomes --" + w.Ours
	case w.Secret, isURL(value) && strings.ContainsAny(value, "@?"): // a URL may hold a password
		m.hide(&m.typed, w.Variable, value)
	default:
		m.env = append(m.env, assigned{w.Variable, value})
	}
	m.became = append(m.became, [2]string{name, became})
}

// hide leaves a variable to the file: one of the environment, or one whose value is
// among the arguments.
func (m *move) hide(list *[]string, name, value string) {
	*list = append(*list, name)
	m.raw = m.raw || strings.ContainsAny(value, "$#'\"\\") || value != strings.TrimSpace(value)
}

// takeAlong says how secrets get into a file without being shown.
func (m *move) takeAlong(p *paper) {
	if m.secretFile() {
		p.line("")
		p.say("What may be secret goes into a file that only you can read.")
	}
	if len(m.secrets) > 0 {
		entry := "."
		if m.lines { // the file has one line for each variable, and white space lies between URLs
			entry = `(join (split . "\n") " ")`
		}
		p.line("(umask 077; docker inspect --format '{{range .Config.Env}}{{println %s}}{{end}}' %s |", entry, m.tower.Name)
		p.line("    grep -E '^(%s)=' >%s)", strings.Join(m.secrets, "|"), m.envFile())
	} else if m.secretFile() {
		p.line("(umask 077; : >>%s)", m.envFile())
	}
	if len(m.typed) > 0 {
		p.say(fmt.Sprintf("Write %s into %s yourself, one NAME=VALUE in each line: the values are among the arguments of %s, which this shows:",
			strings.Join(m.typed, ", "), m.envFile(), m.tower.Name))
		p.line("#     docker inspect --format '{{json .Args}}' %s", m.tower.Name)
	}
}

func (m *move) secretFile() bool { return len(m.secrets)+len(m.typed) > 0 }

// composeSecrets names the file in a service. Compose reads one as a shell would, and
// puts something else in the place of dollars and quotes, unless it is told to take the
// lines as docker takes them.
func (m *move) composeSecrets(p *paper) {
	switch {
	case !m.secretFile():
	case m.raw:
		p.line("    # This needs Docker Compose 2.30: an older one would change what is in the file.")
		p.line("    env_file:\n      - path: %s\n        format: raw", m.envFile())
	default:
		p.line("    env_file: [%s]", m.envFile())
	}
}
