package main

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/schedule"
	"github.com/refit-dev/refit/notify"
)

// config is all that one command line says, after environment and files have
// filled in what it does not say. Of the
// environment only what docker's own library reads is missing here.
type config struct {
	command string   // "" is the sidecar
	names   []string // containers

	host                     string
	tlsVerify                bool
	caCert, tlsCert, tlsKey  string // paths; "" for where docker would look
	apiVersion               string // "" means negotiated
	dockerConfig             string // folder of Docker's config.json; "" for where docker would look
	insecureRegistries       []string
	registryRoots            *x509.CertPool // nil means the system's
	registryMirrors          bool
	registryTimeout          time.Duration
	registryParallel         int
	pullStall                time.Duration
	pullParallel             int
	settings                 core.Settings
	interval                 time.Duration
	jitter                   time.Duration
	catchUp                  bool
	runOnce, updateOnStart   bool
	parallel                 int
	data                     string // "" where nothing says where
	level                    slog.Level
	debug, jsonLog, exitCode bool
	diff                     bool
	force                    bool

	pluginDir, pluginChecksums string // paths; "" for none
	pluginEnv                  []string
	hookConfig                 map[string]map[string]string // the operator's: hook, key, value. Secrets
	hookTimeout, hookStall     time.Duration
	backupDir                  string

	notify notifySettings

	helper helperTask // zero for who is no helper

	event     core.NoticeKind // notify preview
	container string          // hooks test
	stage     core.Stage      // hooks test
	stop      bool            // hooks backup restore
	format    string

	// foreign are the flags of Watchtower's that were typed.
	foreign foreign
	// from tells of each option that is set where its text came from: "--interval" or
	// "WATCHTOWER_POLL_INTERVAL". implied is the word of Watchtower's that implies --all.
	from    map[string]string
	implied string

	// warnings are told to the log before anything is done.
	warnings []string
}

// newConfig holds the defaults. Those of the options table are texts for
// people; a test keeps the two together.
func newConfig() config {
	return config{
		host:             "unix:///var/run/docker.sock",
		registryTimeout:  10 * time.Second,
		registryParallel: 20,
		pullStall:        2 * time.Minute,
		pullParallel:     2,
		settings:         core.Settings{Defaults: core.DefaultPolicy(), CheckSchedule: schedule.Check},
		interval:         24 * time.Hour,
		catchUp:          true,
		parallel:         4,
		format:           "table",
		hookTimeout:      time.Hour,
		hookStall:        2 * time.Minute,
		stage:            core.PreUpdate,
		notify:           notifySettings{level: notify.Changes, giveUp: 48 * time.Hour},
		event:            core.NoticeRolledBack,
	}
}

// complete fills in what has no flag, or depends on more than one variable.
func (c *config) complete(getenv func(string) string) {
	c.dockerConfig = getenv("DOCKER_CONFIG")
	c.helper = helperTask(getenv(helperVariable))
	if c.dockerConfig == "" {
		c.dockerConfig = oldLogins(getenv("HOME"), "/")
	}
	switch state, home := getenv("XDG_STATE_HOME"), getenv("HOME"); {
	case c.data != "":
	case state != "":
		c.data = filepath.Join(state, "refit")
	case home != "":
		c.data = filepath.Join(home, ".local", "state", "refit")
	}
	if c.debug {
		c.level = slog.LevelDebug
	}
}

// oldLogins is the root folder where Watchtower's users have mounted config.json
// there: it looked nowhere else. "" for where docker would look, which comes first.
func oldLogins(home, root string) string {
	there := func(folder string) bool {
		info, err := os.Stat(filepath.Join(folder, "config.json"))
		return err == nil && info.Mode().IsRegular()
	}
	if !there(filepath.Join(home, ".docker")) && there(root) {
		return root
	}
	return ""
}
