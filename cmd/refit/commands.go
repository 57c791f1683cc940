package main

import (
	"context"
	"slices"
	"strings"
)

// command is one command, the sidecar being the one without a name.
type command struct {
	name    string // one word or more: "hooks list"
	usage   string // what follows "refit "
	summary string // one line
	more    string // examples, and what the summary leaves out
	// least and most bound the arguments that it takes; most is -1 for any number.
	least, most int
	argument    string // what one of them is, "" for a container
	// passesOn makes it take no flags at all: whatever follows its first argument
	// is for somebody else.
	passesOn bool
	hidden   bool // from the list in the help
	run      func(context.Context, *program) (int, error)
}

// takes says how many arguments it takes.
func (c command) takes() string {
	what := c.argument
	if what == "" {
		what = "container"
	}
	switch {
	case c.most < 0:
		return "at least one " + what
	case c.least == 0:
		return "at most one " + what
	}
	return "one " + what
}

func (c command) usageText() string { return "refit " + c.usage }

const exitCodes = `Exit codes (where several fit, the greatest):
    0   done, or nothing to do
    2   wrong usage, or nothing could begin: no engine, no certificate, no place for the state
    10  check --exit-code: a new image waits for a container
    20  a container was rolled back: the old one runs again
    30  something failed or could not be checked, or a container that was named is not looked after
    40  a container is down`

const environment = `Environment:
    Every flag has a variable: --stop-timeout is REFIT_STOP_TIMEOUT, or REFIT_STOP_TIMEOUT_FILE
    for a file that holds the value. A flag beats a variable. DOCKER_HOST, DOCKER_TLS_VERIFY,
    DOCKER_CERT_PATH, DOCKER_CONFIG and DOCKER_API_VERSION mean what they mean to docker.
    Watchtower's variables are read where ours are not set, and its flags are taken; if there
    is one, and WATCHTOWER_LABEL_ENABLE is not, --all is implied.`

// rootCommand and commands are functions, because the commands themselves reach
// them to say what else there is.
func rootCommand() command {
	return command{
		usage:   "[flags] [NAME…]",
		summary: "keep the containers of a Docker host up to date",
		more: `Without a command Refit is the sidecar: it runs until it is told to end, and looks after
the containers labelled refit.enable=true (only those of the NAMEs, if there are any).

Examples:
    refit check                                     what would happen, and why
    refit --schedule "0 0 4 * * *" --cleanup        every day at four; old images go
    refit --all --interval 6h                       every container, four times a day
    refit --run-once web                            one cycle for one container, then end
    docker run -d --name refit -v /var/run/docker.sock:/var/run/docker.sock \
        -v refit:/data --restart unless-stopped --stop-timeout 60 refit

` + exitCodes + "\n\n" + environment,
		most: -1, run: runSidecar,
	}
}

// commands have names. The sidecar is not among them: that a word is none of
// these must never start it by mistake.
func commands() []command {
	return slices.Concat(everyday(), occasional(), hookCommands(), backupCommands(), notifyCommands(), shellCommands())
}

// everyday are the commands that people type when something is new, or broke.
func everyday() []command {
	return []command{
		{
			name: "check", run: runCheck, usage: "check [flags] [NAME…]", most: -1,
			summary: "show what would happen, and why; touches nothing",
			more: `Examples:
    refit check
    refit check web db
    refit check --diff web          which settings the new image would change
    refit check --format json
    refit check --format '{{.Container}} {{.Action}} {{.Reason.Code}}'
    refit check --exit-code || echo "something new, or something wrong"

The fields of json and templates: container (.Container), id (.ID), image (.Image),
current (.Current), latest (.Latest), action (.Action: update, notify, keep or hold) and
reason with code and text (.Reason.Code, .Reason.Text); with --diff also changes
(.Changes), each with setting, name, from and to, or unread (.Unread) with the reason why
they are not known. Templates have the functions json and short besides Go's own.`,
		},
		{
			name: "update", run: runUpdate, usage: "update [flags] [NAME…]", most: -1,
			summary: "do one cycle now, whatever the schedule says",
			more: `Examples:
    refit update
    refit update web
    refit update --force web        although its new image failed before

` + exitCodes,
		},
		{
			name: "rollback", run: runRollback, usage: "rollback NAME", least: 1, most: 1,
			summary: "go back to the image that a container ran before; the one it leaves is not tried again",
			more: `The image before is kept on the engine, or pulled again by its digest. The way back is an
update like any other: watched, and undone if it fails. The image that is left is
quarantined, until its tag moves on or somebody asks for it: refit update --force NAME.

Example:
    refit rollback web`,
		},
		{
			name: "history", run: runHistory, usage: "history [flags] [NAME…]", most: -1,
			summary: "show what was done, when, how long it was down, and why",
			more: `Examples:
    refit history
    refit history web
    refit history --format json web

Looks at the state in --data, not at the engine, so that it also tells of containers that
are no more. Newest first.`,
		},
	}
}

// occasional are those that explain, mend and keep watch.
func occasional() []command {
	return []command{
		{
			name: "explain", run: runExplain, usage: "explain NAME", least: 1, most: 1,
			summary: "show what holds for a container, where it comes from, and when it is looked at next",
			more:    "Example:\n    refit explain web",
		},
		{
			name: "recover", run: runRecover, usage: "recover",
			summary: "finish or undo interrupted updates (every start of the sidecar does it too)",
			more:    "Touches only what a Refit with the same engine, scope and name or data folder began,\nunless --force is given.",
		},
		{
			name: "health", run: runHealth, usage: "health",
			summary: "tell whether the sidecar's loop is alive, for a healthcheck: 0 or 1",
			more:    "Looks at the state in --data, not at the engine.",
		},
		migrateCommand(),
		{
			name: "version", run: runVersion, usage: "version",
			summary: "show the version of Refit and the engines that it speaks to",
			more:    "",
		},
	}
}

func isCommand(name string) bool { return name != "" && findCommand(name).name == name }

// findCommand returns the root command for a name that is none.
func findCommand(name string) command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return rootCommand()
}

// commandNames are those that people type.
func commandNames() []string {
	var names []string
	for _, c := range commands() {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

// below are the commands whose names begin with that command's.
func below(command string) []string {
	return slices.DeleteFunc(commandNames(), func(name string) bool { return !strings.HasPrefix(name, command+" ") })
}

// helpTemplate is for the root and for commands. The flags print themselves.
const helpTemplate = `{{.HelpName}} - {{.Usage}}

Usage:
    {{.UsageText}}
{{if .VisibleCommands}}
Commands:{{range .VisibleCommands}}
    {{.Name}}{{"\t"}}{{.Usage}}{{end}}
{{end}}{{if .Description}}
{{.Description}}
{{end}}{{range .VisibleFlagCategories}}{{if .Name}}
{{.Name}}:
{{range .Flags}}    {{.}}
{{end}}{{end}}{{end}}`

// wrap breaks a text into lines of at most width letters where its words allow,
// each led by the indent.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
			b.WriteString(indent)
		case at+1+n > width:
			b.WriteString("\n" + indent)
			at = 0
		default:
			b.WriteString(" ")
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
