package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/refit-dev/refit/core"
)

// anonymous is the name of a volume that nobody has named.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// fleeting tells why the state in a folder would go with the container that has the
// mounts, "" if it would stay.
func fleeting(mounts []core.Mount, folder string) string {
	at := mountOf(mounts, folder)
	where := ""
	switch {
	case at.Destination == "":
		where = "is in no volume"
	case at.Type == "tmpfs":
		where = "is in memory"
	case at.Type == "volume" && (at.Name == "" || anonymous.MatchString(at.Name)):
		where = "is in an anonymous volume"
	default:
		return ""
	}
	return fmt.Sprintf("the state in %s %s and goes with this container: the history, what failed before, messages that nobody has received; use -v refit:%s",
		folder, where, folder)
}

// mountOf is what a folder lies in, zero where that is no mount.
func mountOf(mounts []core.Mount, folder string) (at core.Mount) {
	for _, m := range mounts {
		inside := m.Destination == "/" || folder == m.Destination || strings.HasPrefix(folder, m.Destination+"/")
		if inside && len(m.Destination) > len(at.Destination) {
			at = m
		}
	}
	return at
}

// fleetingState is fleeting for our own container, "" for any other.
func (s *session) fleetingState(c core.Container) string {
	folder, err := filepath.Abs(s.data)
	if err != nil || c.ID == "" || c.ID != s.settings.Self {
		return ""
	}
	return fleeting(c.Mounts, folder)
}

// mindState warns once of a state that would go with our own container.
func (s *session) mindState(all []core.Container) {
	for _, c := range all {
		if why := s.fleetingState(c); why != "" {
			s.log.Warn("mind the state", slog.String("what", why), slog.String("container", c.Name))
		}
	}
}

// stateHint says what to do about a folder that cannot be written to.
func stateHint(err error, folder string) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("Refit runs as user %d, to whom it has to belong: chown -R %d %s (in a container do so to what is mounted there; a fresh volume takes any user)",
			os.Geteuid(), os.Geteuid(), folder)
	}
	return "name a folder that Refit may write with --data or REFIT_DATA; in a container mount a volume there: -v refit:/data"
}
