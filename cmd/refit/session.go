package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/update"
)

// session is a program that has reached its engine.
type session struct {
	*program
	client *docker.Client
	engine docker.Info
	images *registry.Registry
	self   core.Status // the container that Refit runs in; zero outside of one
	denied []docker.Denied
	ledger *ledger.Ledger
	hooks  *hookHost
	// policies are what is known of labels: who plans and who watches share it.
	policies *core.Policies
	updater  *update.Updater
	post     *post // nil for who only looks
	// met are the other Refits, by container, of which it was told.
	met map[string]bool
	// aside is set while a helper is at work, and this Refit stands by.
	aside bool

	loopback sync.Once // warns of registries that are elsewhere for us
}

// reachTimeout bounds the first contact with an engine: an address that swallows
// packets must not look like a program that hangs.
const reachTimeout = 20 * time.Second

// connect reaches the engine and finds the containers that were named. It
// touches nothing: the ledger is one to read until own is called.
func (p *program) connect(ctx context.Context) (*session, error) {
	hooks, err := p.newHost()
	if err != nil {
		return nil, err
	}
	version, _ := build()
	reg := &registry.Registry{
		ConfigDir: p.dockerConfig, Insecure: p.insecureRegistries, Timeout: p.registryTimeout,
		Parallel: p.registryParallel, Roots: p.registryRoots, UserAgent: "refit/" + version, Log: p.log,
	}
	client, err := docker.New(docker.Options{
		Host: p.host, TLSVerify: p.tlsVerify, TLSCACert: p.caCert, TLSCert: p.tlsCert, TLSKey: p.tlsKey,
		APIVersion: p.apiVersion, RegistryAuth: reg.EngineAuth, PullStall: p.pullStall,
	})
	if err != nil {
		return nil, refusal{problem: err.Error(), hint: engineHint(err)}
	}
	s := &session{program: p, client: client, images: reg, hooks: hooks, ledger: ledger.At(p.data)}
	if err := s.reach(ctx); err != nil {
		return nil, errors.Join(barred(err), client.Close())
	}
	p.settings.Self = s.self.ID
	p.settings.SelfBar = s.selfBar(ctx)
	reg.Platform = core.Platform{OS: s.engine.OS, Architecture: s.engine.Arch}
	looker := onlooker{s.ledger, p.log}
	reg.Holds = looker
	s.policies = p.settings.Policies()
	s.updater = &update.Updater{
		Deputy: deputy{s}, Engine: client, Registry: reg, Reader: reg, Journal: looker, Hooks: hooks,
		Settings: p.settings, Policies: s.policies,
		Owner: s.owner(), Parallel: p.parallel, PullParallel: p.pullParallel, Log: p.log,
		Impatient: p.command == "update" || p.helper == helperAsked,
		Force:     p.force && p.command == "update", Adopt: p.force && p.command == "recover",
	}
	if p.screen != nil { // not an interface that holds nothing
		s.updater.Screen = p.screen
	}
	return s, nil
}

// onlooker is the ledger for who only looks. That it cannot be read, because it
// belongs to another user or is elsewhere, is told and keeps nobody from looking.
type onlooker struct {
	*ledger.Ledger
	log *slog.Logger
}

// Lessons are none where they cannot be read.
func (o onlooker) Lessons(ctx context.Context) ([]core.Lesson, error) {
	lessons, err := o.Ledger.Lessons(ctx)
	if err != nil {
		o.log.Warn("looking without what earlier updates have taught", slog.Any("error", err))
	}
	return lessons, nil
}

// Recall recalls nothing where it cannot be read: containers whose image is gone
// are then held.
func (o onlooker) Recall(ctx context.Context, imageIDs []string) (map[string]core.Defaults, error) {
	known, err := o.Ledger.Recall(ctx, imageIDs)
	if err != nil {
		o.log.Warn("looking without what is remembered of images", slog.Any("error", err))
	}
	return known, nil
}

// SetRegistryHold writes nothing.
func (o onlooker) SetRegistryHold(context.Context, string, time.Time) error { return nil }

// reach asks the engine who it is, and for the containers that matter here.
func (s *session) reach(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	info, err := s.client.Ping(short)
	if err != nil {
		return s.unreachable(err)
	}
	s.engine = info
	if s.registryMirrors {
		s.images.Mirrors = info.Mirrors
	}
	if s.self, err = s.client.Self(short); err != nil {
		return fmt.Errorf("look at our own container: %w", err)
	}
	if s.helper != "" {
		s.names = nil // it has the one container that it is for
	}
	for i, name := range s.names {
		found, err := s.client.Look(short, strings.TrimPrefix(name, "/"))
		if err == nil && !found.Exists() && s.command == "" { // whose update was cut short: the sidecar gives it its name back
			found, err = s.client.Look(short, strings.TrimPrefix(name, "/")+core.OldSuffix)
			found.Name = strings.TrimSuffix(found.Name, core.OldSuffix)
		}
		switch {
		case err != nil:
			return fmt.Errorf("look for container %s: %w", name, err)
		case !found.Exists():
			return s.noSuch(short, name)
		}
		s.names[i] = found.Name
	}
	return nil
}

// unreachable refuses to begin without an engine. The sidecar's first argument
// may be a command that was meant: no engine is needed to say so.
func (s *session) unreachable(err error) error {
	if near, ok := s.nearCommand(); ok {
		return refusal{
			problem: fmt.Sprintf("unknown command %q (a container of that name could not be looked for: %v)", s.names[0], err),
			hint:    "did you mean refit " + near + "?",
		}
	}
	return refusal{problem: err.Error(), hint: engineHint(err)}
}

// nearCommand is the command that the sidecar's first argument is a slip of.
func (s *session) nearCommand() (string, bool) {
	if s.command != "" || len(s.names) == 0 {
		return "", false
	}
	return core.Nearest(s.names[0], commandNames())
}

// noSuch refuses a name that is no container's.
func (s *session) noSuch(ctx context.Context, name string) error {
	r := refusal{problem: fmt.Sprintf("no such container: %s", name), hint: "docker ps --all lists the containers, refit --help the commands"}
	if near, ok := s.nearCommand(); ok && name == s.names[0] {
		return refusal{problem: fmt.Sprintf("%q is neither a command nor a container", name), hint: "did you mean refit " + near + "?"}
	}
	all, err := s.client.Containers(ctx)
	if err != nil {
		return r
	}
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
	}
	near, ok := core.Nearest(name, names)
	switch {
	case slices.Contains(names, name+core.OldSuffix):
		r.hint = "it is being replaced, or that was interrupted: refit recover finishes or undoes it"
	case ok:
		r.hint = "did you mean " + near + "?"
	}
	return r
}

func (s *session) close() {
	s.hooks.close()
	if err := s.client.Close(); err != nil {
		s.log.Debug("closing the connection to the engine", slog.Any("error", err))
	}
}

// owner is this instance's id. It survives a lost ledger, and differs between
// two Refits on one engine.
func (s *session) owner() string {
	place := core.BaseName(s.self.Name)
	if place == "" {
		host, _ := os.Hostname() // without one, engine and data folder still tell
		place = host + "\x00" + s.data
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{s.engine.ID, s.settings.Scope, place}, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// take is connect for who changes containers: with a ledger to write.
func (p *program) take(ctx context.Context) (*session, error) {
	s, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = s.checkAccess(ctx); err == nil {
		err = s.own()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	// What happens from now on is told.
	s.post.note(ctx, s.post.clerk.Begin)
	return s, nil
}

// own opens the ledger for writing. Who only looks does without.
func (s *session) own() error {
	if s.data == "" {
		return refusal{problem: "there is no place for the state", hint: "name a folder with --data or REFIT_DATA: neither XDG_STATE_HOME nor HOME is set"}
	}
	l, err := ledger.Open(s.data)
	if err != nil {
		return refusal{problem: err.Error(), hint: stateHint(err, s.data)}
	}
	if s.post, err = s.newPost(l); err != nil {
		return err
	}
	s.ledger, s.updater.Journal, s.images.Holds = l, herald{l, s.post}, l
	return nil
}

// warn tells what is odd about the configuration.
func (p *program) warn() {
	for _, w := range p.warnings {
		p.log.Warn("mind the configuration", slog.String("what", w))
	}
}

// engineHint says what to do about an engine that cannot be used.
func engineHint(err error) string {
	if docker.IsDenied(err) {
		return deniedHint
	}
	var gone *docker.UnreachableError
	if !errors.As(err, &gone) {
		return "--host or DOCKER_HOST says where the engine is, --tlscacert, --tlscert and --tlskey (or DOCKER_CERT_PATH) how to trust it"
	}
	switch {
	case gone.Permission():
		return "run as root or as a member of the socket's group; in a container add --group-add with the group's number"
	case gone.NoSocket():
		return "is Docker running? In a container mount its socket: -v /var/run/docker.sock:/var/run/docker.sock; elsewhere --host or DOCKER_HOST says where it is"
	case gone.NoClient():
		return "the engine refuses the certificate of --tlscert, which is not one for clients: it needs clientAuth in its extendedKeyUsage, and a server's own usually lacks that"
	case gone.Unwelcome():
		return "the engine refuses the certificate of --tlscert: has it expired, and does the engine's own --tlscacert vouch for it?"
	case gone.TLS():
		return "does the engine speak TLS? Use --tlsverify with --tlscacert, --tlscert and --tlskey (or DOCKER_CERT_PATH) if it does, and none of them if it does not"
	case gone.Refused():
		return "is the engine running, and does it listen there? --host or DOCKER_HOST says where it is"
	}
	return "is the address right? --host or DOCKER_HOST says where the engine is"
}
