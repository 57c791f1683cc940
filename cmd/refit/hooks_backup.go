package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/plugins/backup"
)

// backupCommands are for who wants to see or to use what the hook backup has made.
func backupCommands() []command {
	const about = `Looks at the folder of --backup-dir, not at the engine. A backup that was not finished, or
that is damaged as far as can be seen without reading all of it, says so under FAULT.

Examples:
    refit hooks backup list
    refit hooks backup list web`
	return []command{
		{
			name: "hooks backup", run: runBackups, usage: "hooks backup [flags]", hidden: true,
			summary: "show the backups that are there; the same as hooks backup list", more: about,
		},
		{
			name: "hooks backup list", run: runBackups, usage: "hooks backup list [flags] [NAME]", most: 1,
			summary: "show the backups that the hook backup has made", more: about,
		},
		{
			name: "hooks backup restore", run: runRestore, usage: "hooks backup restore [flags] NAME [BACKUP]",
			least: 1, most: 2, argument: "container and at most one backup",
			summary: "put a container's data back as it was in a backup",
			more: `Makes the volumes of the backup exactly what they were: what was written since is lost.
BACKUP is what hooks backup list shows, or the beginning of it; without one it is the
newest that can be used. A damaged backup touches nothing. A container that runs is
refused, unless --stop is given: it is then stopped, and started again when all is well.

Examples:
    refit hooks backup restore web
    refit hooks backup restore --stop web 2026-05-03T04-00`,
		},
	}
}

// kept is what hooks backup list tells of one backup. Its fields are for programs
// too: they are only ever added to.
type kept struct {
	Container string    `json:"container"`
	Backup    string    `json:"backup"` // its name
	Time      time.Time `json:"time,omitzero"`
	Image     string    `json:"image"`
	Digest    string    `json:"digest"`
	Hot       bool      `json:"hot"`
	Bytes     int64     `json:"bytes"`
	Packed    int64     `json:"packed"` // bytes in the folder
	Places    []string  `json:"places"` // in the container
	Path      string    `json:"path"`
	Engine    string    `json:"engine,omitempty"` // the id of the engine that has the container
	Fault     string    `json:"fault,omitempty"`
}

// backups returns the folder of all backups.
func (c config) backups() (string, error) {
	if dir := c.hookConfig["backup"]["dir"]; dir != "" {
		return dir, nil
	}
	return "", refusal{problem: "there is no folder for backups", hint: "name it with --backup-dir or REFIT_BACKUP_DIR"}
}

// runBackups shows what is in the folder.
func runBackups(_ context.Context, p *program) (int, error) {
	if p.format != "table" && p.format != "json" {
		return 0, refusal{problem: "hooks backup has no templates", hint: "--format table or json"}
	}
	dir, err := p.backups()
	if err != nil {
		return 0, err
	}
	found, err := backup.List(dir, strings.Join(p.names, ""))
	if err != nil {
		return 0, fmt.Errorf("list the backups: %w", err)
	}
	list := []kept{} // not null
	for _, b := range found {
		one := kept{
			Container: b.Container, Backup: b.Name, Time: b.Time, Image: b.Manifest.Image.Reference, Digest: b.Manifest.Image.Digest,
			Hot: b.Manifest.Hot, Bytes: b.Bytes(), Packed: b.Packed(), Places: []string{}, Path: b.Path, Fault: b.Fault,
			Engine: b.Manifest.Engine,
		}
		for _, a := range b.Manifest.Archives {
			one.Places = append(one.Places, a.Destination)
		}
		list = append(list, one)
	}
	if p.format == "json" {
		return exitDone, writeJSON(p.stdout, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(p.stdout, "no backups in "+clean(dir))
		return exitDone, err
	}
	return exitDone, writeTable(p.stdout, backupTable(list))
}

// backupTable names the engines only where several have their backups in the folder.
func backupTable(list []kept) [][]string {
	several := slices.ContainsFunc(list, func(b kept) bool { return b.Engine != list[0].Engine })
	table := [][]string{{"CONTAINER", "BACKUP", "IMAGE", "DIGEST", "PLACES", "SIZE", "PACKED", "FAULT"}}
	if several {
		table[0] = append(table[0], "ENGINE")
	}
	for _, b := range list {
		row := []string{
			b.Container, b.Backup, b.Image, core.Short(b.Digest), strings.Join(b.Places, " "), core.Size(b.Bytes).String(), core.Size(b.Packed).String(), b.Fault,
		}
		if several {
			row = append(row, b.Engine)
		}
		table = append(table, row)
	}
	return table
}

// runRestore puts a container's data back, while no other process changes
// containers with this ledger.
func runRestore(ctx context.Context, p *program) (int, error) {
	dir, err := p.backups()
	if err != nil {
		return 0, err
	}
	which := strings.Join(p.names[1:], "")
	p.names = p.names[:1]
	s, err := p.take(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	name := s.names[0]
	open, unlock, err := s.seize(ctx, name, "restore", endured)
	if err != nil {
		return 0, err
	}
	defer unlock()
	b, err := backup.Restore(ctx, backup.Order{
		Engine: backup.Engine{
			Host: p.host, TLSVerify: p.tlsVerify, CACert: p.caCert, Cert: p.tlsCert, Key: p.tlsKey, APIVersion: p.apiVersion,
		},
		Dir: dir, Container: name, Name: which, Stop: p.stop, Progress: p.meter(), Log: p.log,
	})
	if err != nil {
		return 0, fmt.Errorf("restore %s: %w", name, err)
	}
	for _, a := range open { // there is nothing left of what the new version has done
		a.Ran = time.Time{}
		if err := s.ledger.Save(ctx, a); err != nil {
			s.log.Warn("the interrupted update does not know that the data was put back", slog.Any("error", err))
		}
	}
	_, err = fmt.Fprintf(p.stdout, "%s has the data of %s again\n", name, b.Name)
	return exitDone, err
}

// seize makes this process the only one that changes containers with its ledger,
// and refuses to go on where an update of the container is open; unless that is
// endured. What is open is returned. Then is what is to be typed again.
func (s *session) seize(ctx context.Context, name, then string, endured func(core.Attempt) bool) ([]core.Attempt, func(), error) {
	unlock, err := s.ledger.Lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	giveBack := func() { _ = unlock() } // the end of the process gives it back in any case
	open, err := s.ledger.Attempts(ctx)
	if err != nil {
		giveBack()
		return nil, nil, err
	}
	concerns := func(s core.Swap) bool { return s.Name == name }
	open = slices.DeleteFunc(open, func(a core.Attempt) bool { return !concerns(a.Swap) && !slices.ContainsFunc(a.Members, concerns) })
	if slices.ContainsFunc(open, func(a core.Attempt) bool { return !endured(a) }) {
		giveBack()
		return nil, nil, refusal{problem: "an update of " + name + " was interrupted", hint: "refit recover finishes or undoes it; then " + then}
	}
	return open, giveBack, nil
}

// endured tells whether an attempt has nothing before it any more but to start the
// old container, which may not start before its data is put back. Hooks that only
// wait for the end do not mind.
func endured(a core.Attempt) bool {
	waiting := func(h core.HookState) bool { return !h.Ended }
	return a.Line == core.LineRollback && a.Cause != nil && (a.Told || !slices.ContainsFunc(a.Hooks, waiting))
}

// spoilt tells whether an update was undone whose new version may have changed data.
func spoilt(r core.Result) bool {
	switch r.Outcome {
	case core.OutcomeRolledBack, core.OutcomeDown, core.OutcomeRecovered:
		return r.Undone && r.Ran
	case core.OutcomeFailed: // what is open is undone later, and told then
		return r.Undone && r.Ran && !r.Open
	default:
		return false
	}
}

// recoveredHint is dataHint for what was recovered. Attempts are those that were open
// before: they say when the update was begun, and what its hooks had been told.
func (p *program) recoveredHint(r core.Result, attempts []core.Attempt) string {
	for _, a := range attempts {
		for _, s := range append([]core.Swap{a.Swap}, a.Members...) {
			if s.Name != r.Name {
				continue
			}
			if a.Told && p.asksToRestore(s.Policy) {
				return ""
			}
			r.Started = a.Started
			return p.dataHint(r, s.Policy)
		}
	}
	return ""
}

// dataHint is what to type where an update was undone that had a backup made, and the
// data was not put back. It is "" where there is no such backup.
func (p *program) dataHint(r core.Result, policy core.Policy) string {
	dir, err := p.backups()
	if !spoilt(r) || err != nil || p.restored(r, policy) {
		return ""
	}
	all, err := backup.List(dir, r.Name)
	if err != nil {
		return ""
	}
	made := func(b backup.Backup) bool { return b.Fault == "" && !b.Manifest.Began.Before(r.Started) }
	i := slices.IndexFunc(all, made)
	if i < 0 {
		return ""
	}
	state := "its data is as the new version has left it; "
	if r.Reason.Code == core.StartFailed { // it may have got as far as that
		state = "the new version may have changed its data; "
	}
	if r.Outcome == core.OutcomeDown {
		return state + "refit hooks backup restore " + r.Name + " " + all[i].Name + " puts back what it was, then refit recover"
	}
	return state + "refit hooks backup restore --stop " + r.Name + " " + all[i].Name + " puts back what it was"
}

// restored tells whether the hook has put the data back.
func (p *program) restored(r core.Result, policy core.Policy) bool {
	return p.asksToRestore(policy) && slices.ContainsFunc(r.Hooks, func(h core.HookReport) bool {
		return h.Hook == "backup" && h.Stage == core.OnRollback && h.Fault == ""
	})
}

// asksToRestore tells whether the hook is to put the data back.
func (p *program) asksToRestore(policy core.Policy) bool {
	const name, key = "backup", "restore"
	asked, operator := p.hookConfig[name][key]
	if !operator {
		asked = policy.HookConfig[name][key]
	}
	return asked == "true"
}

// meter shows on a terminal how far something is.
func (p *program) meter() func(text string, done, total int64) {
	if !p.onTerminal() {
		return nil
	}
	return func(text string, done, total int64) {
		line := clean(text) + " " + core.Size(done).String()
		if total > 0 {
			line += " of " + core.Size(total).String()
		}
		_, _ = fmt.Fprintf(p.stderr, "\r\x1b[K%s", line)
		if total > 0 && done >= total {
			_, _ = fmt.Fprintln(p.stderr)
		}
	}
}
