package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
)

// config is all that one command line says, after environment and files have
// filled in what it does not say. Nothing else reads the environment.
type config struct {
	command string   // "" is the sidecar
	names   []string // containers

	host                     string
	tlsVerify                bool
	caCert, tlsCert, tlsKey  string // paths, "" for none
	apiVersion               string // "" means negotiated
	dockerConfig             string // directory of Docker's config.json
	insecureRegistries       []string
	registryTimeout          time.Duration
	registryParallel         int
	pullStall                time.Duration
	settings                 core.Settings
	interval                 time.Duration
	jitter                   time.Duration
	catchUp                  bool
	runOnce, updateOnStart   bool
	parallel                 int
	data                     string
	level                    slog.Level
	debug, jsonLog, exitCode bool
	format                   string

	// warnings are told when the sidecar starts.
	warnings []string
	// all is implied by Watchtower's variables, see moveIn.
	impliedAll bool
}

// newConfig holds the defaults. Those of the options table are texts for
// people; a test keeps the two together.
func newConfig() config {
	return config{
		host:             "unix:///var/run/docker.sock",
		registryTimeout:  10 * time.Second,
		registryParallel: 20,
		pullStall:        2 * time.Minute,
		settings:         core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: schedule.Check},
		interval:         24 * time.Hour,
		catchUp:          true,
		parallel:         4,
		format:           "table",
	}
}

// complete fills in what depends on more than one variable.
func (c *config) complete(getenv func(string) string) error {
	home := getenv("HOME")
	c.dockerConfig = cmp.Or(getenv("DOCKER_CONFIG"), filepath.Join(home, ".docker"))
	c.apiVersion = getenv("DOCKER_API_VERSION")
	if c.data == "" {
		state := cmp.Or(getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state"))
		c.data = filepath.Join(state, "refit")
	}
	if c.debug {
		c.level = slog.LevelDebug
	}
	return c.completeTLS(getenv)
}

// completeTLS finds the three files where Docker's own command line would, and
// sees that they are there: the client's own error would name neither flag nor
// variable.
func (c *config) completeTLS(getenv func(string) string) error {
	if !c.tlsVerify {
		return nil
	}
	folder := cmp.Or(getenv("DOCKER_CERT_PATH"), c.dockerConfig)
	for _, f := range []struct {
		path       *string
		flag, file string
	}{
		{&c.caCert, "tlscacert", "ca.pem"},
		{&c.tlsCert, "tlscert", "cert.pem"},
		{&c.tlsKey, "tlskey", "key.pem"},
	} {
		if *f.path == "" {
			*f.path = filepath.Join(folder, f.file)
		}
		file, err := os.Open(*f.path)
		if err != nil {
			return refusal{
				problem: fmt.Sprintf("read --%s: %v", f.flag, err),
				hint:    "give --tlscacert, --tlscert and --tlskey, or a folder with ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH",
			}
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("close %s: %w", *f.path, err)
		}
	}
	return nil
}
