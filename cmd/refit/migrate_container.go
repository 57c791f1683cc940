package main

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

// What becomes of the container itself: mounts, networks, users and names.

// surroundings tell what of the container is not taken along.
func (m *move) surroundings() {
	for _, mount := range m.tower.Mounts {
		if why := notTaken(mount); why != "" {
			m.differs = append(m.differs, "What is mounted at "+mount.Destination+" is left out: "+why+".")
		}
	}
	if user := m.asked.User; user != "" && !numbers.MatchString(user) {
		m.differs = append(m.differs, "The user "+user+" is left out: Refit's image knows users by their numbers only.")
		m.asked.User = ""
	}
	m.asked.Groups = slices.DeleteFunc(slices.Clone(m.asked.Groups), func(group string) bool {
		named := !numbers.MatchString(group)
		if named {
			m.differs = append(m.differs, "The group "+group+" is left out: Refit's image knows groups by their numbers only.")
		}
		return named
	})
	others := slices.Clone(m.asked.Others)
	for _, label := range m.ownLabels() {
		others = append(others, "the label "+label)
	}
	if len(others) > 0 {
		m.differs = append(m.differs, "Other settings of Watchtower's container are left out: "+strings.Join(others, ", ")+".")
	}
}

// numbers are a user, or a user and a group, that mean the same in every image.
var numbers = regexp.MustCompile(`^\d+(:\d+)?$`)

// ownLabels are those that somebody has given to the container, and that neither compose
// nor the image has.
func (m *move) ownLabels() []string {
	var names []string
	for name, value := range m.tower.Labels {
		inherited, from := m.tower.ImageLabels[name]
		if from && inherited == value || name == watchtower.Marker || strings.HasPrefix(name, "com.docker.compose.") {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// contextWords are those of docker run.
func (m *move) contextWords() []string {
	var words []string
	for _, one := range m.context() {
		for _, value := range one.values {
			words = append(words, "--"+one.flag+" "+shellWord(value))
		}
	}
	return words
}

// composeContext are the same settings of a service.
func (m *move) composeContext(p *paper) {
	for _, one := range m.context() {
		switch {
		case len(one.values) == 0:
		case one.single:
			p.line("    %s: %s", one.key, quote(one.values[0]))
		default:
			p.line("    %s: %s", one.key, quote(one.values))
		}
	}
}

// contextWord is a setting as docker run and as compose call it.
type contextWord struct {
	flag, key string
	values    []string
	single    bool
}

func (m *move) context() []contextWord {
	one := func(value string) []string {
		return slices.DeleteFunc([]string{value}, func(text string) bool { return text == "" })
	}
	a := m.asked
	return []contextWord{
		{"user", "user", one(a.User), true},
		{"group-add", "group_add", a.Groups, false},
		{"hostname", "hostname", one(a.Hostname), true},
		{"add-host", "extra_hosts", a.Hosts, false},
		{"dns", "dns", a.DNS, false},
		{"security-opt", "security_opt", a.Security, false},
	}
}

// volumes are those of Watchtower's container, and the one of Refit's own.
func (m *move) volumes() []string {
	var list []string
	for _, mount := range m.tower.Mounts {
		source := mount.Source
		if mount.Type == "volume" {
			source = mount.Name
		}
		if notTaken(mount) != "" {
			continue
		}
		text := source + ":" + mount.Destination
		if mount.ReadOnly {
			text += ":ro"
		}
		list = append(list, text)
	}
	return append(list, m.name+"-data:/data")
}

// namedVolumes are those of Watchtower's that have names. One may be mounted in several
// places.
func (m *move) namedVolumes() []string {
	var names []string
	for _, mount := range m.tower.Mounts {
		if mount.Type == "volume" && notTaken(mount) == "" && !slices.Contains(names, mount.Name) {
			names = append(names, mount.Name)
		}
	}
	return names
}

// notTaken says why a mount is left out, nothing for one that is taken along.
func notTaken(mount core.Mount) string {
	switch {
	case path.Clean(mount.Destination) == "/data":
		return "Refit keeps its memory there"
	case mount.Type != "volume" && mount.Type != "bind":
		return "it is a " + mount.Type
	}
	return ""
}

func (m *move) composeNetworks(p *paper) {
	own := len(m.asked.Networks) > 0
	shared := own && (m.asked.Networks[0] == "host" || strings.Contains(m.asked.Networks[0], ":"))
	if shared {
		p.line("    network_mode: %s", quote(m.asked.Networks[0]))
	}
	if own && !shared {
		p.line("    networks: %s", quote(m.asked.Networks))
	}
	p.line("volumes:\n  %s-data:\n    name: %s-data", m.name, m.name)
	for _, name := range m.namedVolumes() {
		p.line("  %s:\n    external: true", quote(name))
	}
	if own && !shared {
		p.line("networks:")
		for _, network := range m.asked.Networks {
			p.line("  %s:\n    external: true", quote(network))
		}
	}
}
