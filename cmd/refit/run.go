package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/urfave/cli/v2"

	"github.com/refit-dev/refit/core/docker"
)

// Exit codes. Where several fit, the greatest holds.
const (
	exitDone       = 0  // done, or nothing to do
	exitWrong      = 2  // wrong usage, or a set-up with which nothing could begin
	exitPending    = 10 // check --exit-code: a new image waits
	exitRolledBack = 20 // a container was rolled back
	exitFailed     = 30 // something could not be done, or could not be checked
	exitDown       = 40 // a container is down
)

// program is one run of one command.
type program struct {
	config
	getenv         func(string) string
	stdout, stderr io.Writer
	screen         *screen // nil where no pulls are shown
	log            *slog.Logger
}

// refusal is a problem that keeps the program from beginning: nothing has been
// changed. The hint says what to do about it.
type refusal struct {
	problem string
	hint    string
}

func (r refusal) Error() string { return r.problem }

// run is the program, and takes its world as arguments. Args are without the
// program's name. It returns the exit code.
func run(ctx context.Context, args []string, env variables, stdout, stderr io.Writer) int {
	l, err := arrange(args)
	if err != nil {
		return complain(stderr, err)
	}
	code := exitDone
	act := func(c config) error {
		p := &program{config: c, getenv: env.get, stdout: stdout, stderr: stderr}
		p.share()
		p.log = newLog(p.stderr, p.config)
		var err error
		code, err = findCommand(l.command).run(ctx, p)
		return err
	}
	if err := l.read(ctx, env, stdout, stderr, act); err != nil {
		return complain(stderr, err)
	}
	return code
}

// read hands what the line and an environment come to to act. Where help is asked for it
// prints that instead.
func (l line) read(ctx context.Context, env variables, stdout, stderr io.Writer, act func(config) error) error {
	flags := flagsOf(l.command)
	settled := func() error {
		c := newConfig()
		c.command, c.names, c.foreign = l.command, l.names, l.foreign
		if err := settle(&c, flags, env); err != nil {
			return err
		}
		return act(c)
	}
	return newApp(l.command, flags, settled, stdout, stderr).RunContext(ctx, l.words())
}

// words are the line as urfave/cli reads it. The names stay out of it: the
// library would look for commands among them.
func (l line) words() []string {
	words := []string{"refit"}
	if l.command != "" {
		words = append(words, l.command)
	}
	words = append(words, l.flags...)
	if l.help {
		words = append(words, "--help")
	}
	return words
}

// complain says what is wrong in one line and what to do about it in another.
func complain(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "refit: %s\n", clean(err.Error()))
	var r refusal
	if !errors.As(err, &r) {
		if docker.IsDenied(err) {
			_, _ = fmt.Fprintf(stderr, "hint: %s\n", deniedHint)
		}
		return exitFailed
	}
	if r.hint != "" {
		_, _ = fmt.Fprintf(stderr, "hint: %s\n", clean(r.hint))
	}
	return exitWrong
}

func newLog(stderr io.Writer, c config) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.level}
	if c.jsonLog {
		return slog.New(slog.NewJSONHandler(stderr, o))
	}
	return slog.New(slog.NewTextHandler(stderr, o))
}

// flagsOf are the options of a command, with nothing given yet.
func flagsOf(command string) []*given {
	var flags []*given
	for _, o := range options {
		if o.belongs(command) {
			flags = append(flags, &given{option: o})
		}
	}
	return flags
}

// newApp sets urfave/cli up for one command line: it parses the flags of the
// command and prints the help. Flags of the root may follow a command, because
// every command has them.
func newApp(command string, flags []*given, act func() error, stdout, stderr io.Writer) *cli.App {
	action := func(*cli.Context) error { return act() }
	refuse := func(_ *cli.Context, err error, _ bool) error {
		return refusal{problem: err.Error(), hint: "refit --help lists the flags"}
	}
	list := make([]cli.Flag, len(flags))
	for i, f := range flags {
		list[i] = f
	}
	root := rootCommand()
	app := &cli.App{
		Name: "refit", Usage: root.summary, UsageText: root.usageText(), Description: root.more,
		Writer: stdout, ErrWriter: stderr, CustomAppHelpTemplate: helpTemplate,
		HideVersion: true, HideHelpCommand: true, DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {}, // the library would end the process
		OnUsageError:   refuse,
	}
	if command == "" {
		app.Flags, app.Action = list, action
	}
	for _, c := range commands() {
		sub := &cli.Command{
			Name: c.name, Usage: c.summary, UsageText: c.usageText(), Description: c.more,
			Hidden: c.hidden, HideHelpCommand: true, CustomHelpTemplate: helpTemplate, OnUsageError: refuse,
		}
		if c.name == command {
			sub.Flags, sub.Action = list, action
		}
		app.Commands = append(app.Commands, sub)
	}
	return app
}
