package docker_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
)

// What follows judges the copies. It uses nothing of package docker.
//
// The measure is the oracle: a container that the engine makes of the very request
// that the original was made from, with the other image. What the engine shows of
// the copy has to be what it shows of the oracle, word for word, but for what is
// written here.

// judge tells in what a copy is not what it should be: the oracle's twin, with the
// predecessor's anonymous volumes. imageID is the other image's.
func judge(predecessor, oracle, replica view, imageID string) []string {
	oracle.raw, replica.raw = copied(oracle.raw).(tree), copied(replica.raw).(tree)
	var wrong []string
	for at, name := range oracle.volumes {
		has, kept := replica.volumes[at], predecessor.volumes[at]
		if kept != "" && has != kept {
			wrong = append(wrong, fmt.Sprintf("the volume at %s is %q, not the predecessor's %q", at, has, kept))
		}
		if kept == "" && (has == "" || has == name) {
			wrong = append(wrong, fmt.Sprintf("the volume at %s is %q, not a new one", at, has))
		}
	}
	for at, name := range predecessor.volumes {
		if oracle.volumes[at] == "" && replica.volumes[at] == name {
			// The new image does not ask for it any more: the data stays all the same.
			mounts, _ := replica.raw["Mounts"].([]any)
			replica.raw["Mounts"] = slices.DeleteFunc(mounts, func(m any) bool { return m.(tree)["Destination"] == at })
		}
	}
	excuse(predecessor, oracle, replica, imageID)
	return append(wrong, difference("", oracle.raw, replica.raw)...)
}

// excuse takes out what has to differ: that the predecessor's anonymous volumes have
// names now, the label of Refit, and the one by which compose knows the image.
func excuse(predecessor, oracle, replica view, imageID string) {
	own := map[string]bool{}
	for at, name := range predecessor.volumes {
		own[name] = oracle.volumes[at] != name // else it is another container's
	}
	host, _ := replica.raw["HostConfig"].(tree)
	theirs, _ := oracle.raw["HostConfig"].(tree)
	binds, _ := host["Binds"].([]any)
	said, _ := theirs["Binds"].([]any)
	binds = slices.DeleteFunc(binds, func(bind any) bool {
		name, _, named := strings.Cut(bind.(string), ":")
		return own[name] || !named
	})
	said = slices.DeleteFunc(said, func(bind any) bool { return !strings.Contains(bind.(string), ":") })
	host["Binds"], theirs["Binds"] = binds, said
	for _, m := range objects(host["Mounts"]) {
		if name, _ := m["Source"].(string); own[name] {
			delete(m, "Source")
		}
	}
	labels, _ := replica.raw["Config"].(tree)["Labels"].(tree)
	delete(labels, core.MarkLabel)
	wanted, _ := oracle.raw["Config"].(tree)["Labels"].(tree)
	if wanted["com.docker.compose.image"] != nil && labels["com.docker.compose.image"] == imageID {
		delete(labels, "com.docker.compose.image")
		delete(wanted, "com.docker.compose.image")
	}
}

// difference compares two values. Nothing, an empty list and an empty object are
// the same, but where a list says what to hide.
func difference(at string, want, got any) []string {
	if reflect.DeepEqual(want, got) || empty(want) && empty(got) && !strict[at] {
		return nil
	}
	if a, b, both := pair[tree](want, got); both {
		return differentMembers(at, a, b)
	}
	a, b, both := pair[[]any](want, got)
	if !both || len(a) != len(b) || strict[at] {
		return []string{fmt.Sprintf("%s: %#v, want %#v", at, got, want)}
	}
	var lines []string
	for i := range a {
		lines = append(lines, difference(fmt.Sprintf("%s[%d]", at, i), a[i], b[i])...)
	}
	return lines
}

// pair tells whether both are of a kind; nothing is of any kind.
func pair[T any](want, got any) (a, b T, both bool) {
	a, isA := want.(T)
	b, isB := got.(T)
	return a, b, isA && (isB || got == nil) || isB && want == nil
}

func differentMembers(at string, a, b tree) []string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(union(a, b))) {
		_, wanted := a[key]
		if _, there := b[key]; there != wanted && sets[at] {
			lines = append(lines, fmt.Sprintf("%s: has %s: %v, want %v", at, key, there, wanted))
			continue
		}
		lines = append(lines, difference(at+"."+key, a[key], b[key])...)
	}
	return lines
}

// strict are the lists of which an empty one says something else than none.
var strict = map[string]bool{".HostConfig.MaskedPaths": true, ".HostConfig.ReadonlyPaths": true}

// sets are the objects of which the keys say something, whatever their values.
var sets = map[string]bool{
	".Config.Volumes": true, ".Config.ExposedPorts": true, ".Networks": true, ".HostConfig.PortBindings": true, ".Ports": true,
}

func union(a, b tree) tree {
	all := maps.Clone(b)
	if all == nil {
		all = tree{}
	}
	maps.Copy(all, a)
	return all
}

func empty(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(list) == 0
}
