package main

import (
	"fmt"
	"strings"
)

// envFile holds what is not to be shown.
const envFile = "refit.env"

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
		p.line("(umask 077; docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' %s |", m.tower.Name)
		p.line("    grep -E '^(%s)=' >%s)", strings.Join(m.secrets, "|"), envFile)
	}
	if len(m.typed) > 0 {
		p.say(fmt.Sprintf("Write %s into %s yourself, one NAME=VALUE in each line: the values are among the arguments of %s, which this shows:",
			strings.Join(m.typed, ", "), envFile, m.tower.Name))
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
		p.line("    env_file:\n      - path: %s\n        format: raw", envFile)
	default:
		p.line("    env_file: [%s]", envFile)
	}
}
