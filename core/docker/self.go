package docker

import (
	"os"
	"regexp"
	"strings"
)

// Self returns the full id of the container that this process runs in, "" where
// it runs in none that it can see.
func Self() string {
	cgroup, _ := os.ReadFile("/proc/self/cgroup") // an empty file names nothing
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	return selfFrom(string(cgroup), string(mounts))
}

var (
	inCgroup = regexp.MustCompile(`[/-]([0-9a-f]{64})\b`)
	inMount  = regexp.MustCompile(`/containers/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf)$`)
)

// selfFrom reads the two files that can tell. The control group comes first: a
// container that shares another one's network has that one's files mounted. With a
// control group namespace of its own it names nothing, and the mounts tell.
func selfFrom(cgroup, mounts string) string {
	for line := range strings.Lines(cgroup) {
		// A container inside of a container names both, the outer one first.
		if found := inCgroup.FindAllStringSubmatch(strings.TrimSpace(line), -1); len(found) > 0 {
			return found[len(found)-1][1]
		}
	}
	id, _ := ofEngine(mounts)
	return id
}

// ofEngine finds a file that the engine has mounted into a container from its own
// folder of that container, whose id that is.
func ofEngine(mounts string) (id, file string) {
	for line := range strings.Lines(mounts) {
		// The fourth field is what is mounted. The host sees the folders of all
		// containers too, but in the fifth, which is where it is mounted.
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasPrefix(fields[4], "/etc/") {
			continue
		}
		if found := inMount.FindStringSubmatch(fields[3]); found != nil {
			return found[1], fields[4]
		}
	}
	return "", ""
}
