package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/watchtower"
)

// survey looks at the other containers with the settings that Refit would have.
func (m *move) survey(others []core.Container) {
	m.keepNames(others)
	c := newConfig()
	env := variables{}
	for _, e := range m.env {
		env[e.name] = e.value
	}
	c.command = "migrate" // makes no channels
	if err := settle(&c, flagsOf(""), env); err != nil {
		m.differs = append(m.differs, "What is printed above is refused: "+err.Error()+".")
	}
	s := c.settings
	m.look(s, others)
	for _, w := range watchtower.Labels() {
		m.label(s, w, others)
	}
	m.strangeLabels(others)
}

// keepNames writes patterns out, for Refit takes whole names of containers that are
// there. Where none is left it must not look after all of them instead. What fits no
// container may be anything, a secret too, and is not shown.
func (m *move) keepNames(others []core.Container) {
	var kept []string
	named := false
	for i, name := range m.names {
		fit, flag := fitting(name, others), m.behind[i]
		switch {
		case len(fit) == 0 && flag != "":
			m.differs = append(m.differs, "An argument behind "+notAURL(flag)+", which is not shown, fits no container and is taken for that flag's value.")
			continue
		case len(fit) == 0:
			m.differs = append(m.differs, "An argument, which is not shown, fits no container that is there now and is left out, for Refit refuses a name that does not exist.")
		case len(fit) > 1 || fit[0] != name:
			m.differs = append(m.differs, notAURL(name)+" is a pattern, which Refit does not read: it stands for "+listed(fit)+" now, and not for containers to come.")
		}
		if flag != "" {
			m.differs = append(m.differs, listed(fit)+" stands behind "+notAURL(flag)+": it is taken for a container, and may be that flag's value.")
		}
		named = true
		kept = append(kept, fit...)
	}
	if named && len(kept) == 0 {
		m.env = slices.DeleteFunc(m.env, func(a assigned) bool { return a.name == "REFIT_ALL" || a.name == "REFIT_LABEL_ENABLE" })
		m.env = append(m.env, assigned{"REFIT_ALL", "false"})
		m.differs = append(m.differs, "MIND: only named containers were looked after, and none of them is there. REFIT_ALL=false keeps Refit from taking all of them.")
	}
	m.names = kept
}

// fitting are the containers that Watchtower would have taken an argument for.
func fitting(name string, others []core.Container) []string {
	pattern, err := regexp.Compile("^(?:" + name + ")$")
	var fit []string
	for _, c := range others {
		if c.Name == name || err == nil && pattern.MatchString(c.Name) {
			fit = append(fit, c.Name)
		}
	}
	return fit
}

// look tells which containers Refit would look after, and why not the others.
func (m *move) look(s core.Settings, others []core.Container) {
	var ours []string
	var alone [][2]string
	for _, step := range core.MakePlan(core.World{Containers: others, Settings: s, Only: m.names}, nil).Steps {
		name := step.Container.Name
		switch step.Reason.Code {
		case core.NotNamed, core.NotEnabled, core.OtherScope, core.NotRunning:
			alone = append(alone, [2]string{name, step.Reason.Text})
		case core.BadLabel, core.Unsupported:
			ours = append(ours, name)
			m.differs = append(m.differs, name+" would be held: "+step.Reason.Text+".")
		default:
			ours = append(ours, name)
		}
	}
	m.census = append(m.census, fmt.Sprintf("%d of %d containers would be looked after: %s", len(ours), len(others), cmp.Or(listed(ours), "none")))
	slices.SortStableFunc(alone, func(a, b [2]string) int { return cmp.Compare(a[1], b[1]) })
	for len(alone) > 0 {
		why := alone[0][1]
		var names []string
		for len(alone) > 0 && alone[0][1] == why {
			names = append(names, alone[0][0])
			alone = alone[1:]
		}
		m.census = append(m.census, "left alone, because "+why+": "+listed(names))
	}
}

// label tells what becomes of one label of Watchtower's on all containers.
func (m *move) label(s core.Settings, w watchtower.Word, others []core.Container) {
	counts, image, ours := bearers(s, w, others)
	idle := w.Fate != watchtower.Mapped
	if len(counts) > 0 && idle {
		m.labels = append(m.labels, fmt.Sprintf("%s has no effect. %s On: %s", w.Label, plainText(w.Note), listed(counts)))
	}
	if len(counts) > 0 && !idle {
		text := fmt.Sprintf("%s goes on counting, as %s, on: %s. %s", w.Label, w.Ours, listed(counts), plainText(w.Note))
		m.labels = append(m.labels, strings.TrimSpace(text))
	}
	if len(ours) > 0 {
		m.labels = append(m.labels, fmt.Sprintf("%s gives way to %s on: %s", w.Label, w.Ours, listed(ours)))
	}
	if len(image) > 0 && !idle {
		m.labels = append(m.labels, fmt.Sprintf("MIND: %s comes from the image of %s, and counted for Watchtower. "+
			"It does not count here: label the container, or trust all images with --trust-image-labels.", w.Label, listed(image)))
	}
}

// bearers are the containers that have a label of Watchtower's: those on which it
// counts, those that have it from their image, and those that have ours as well.
func bearers(s core.Settings, w watchtower.Word, others []core.Container) (counts, image, ours []string) {
	for _, c := range others {
		value, there := c.Labels[w.Label]
		inherited, from := c.ImageLabels[w.Label]
		_, own := c.Labels[w.Ours]
		switch {
		case !there:
		case from && inherited == value && !s.TrustImageLabels:
			image = append(image, c.Name)
		case own:
			ours = append(ours, c.Name)
		default:
			counts = append(counts, c.Name)
		}
	}
	return counts, image, ours
}

// strangeLabels tells of those that neither Watchtower nor Refit knows.
func (m *move) strangeLabels(others []core.Container) {
	on := map[string][]string{}
	for _, c := range others {
		for name := range c.Labels {
			if _, known := watchtower.ByLabel(name); !known && strings.HasPrefix(name, watchtower.LabelPrefix) {
				on[name] = append(on[name], c.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(on)) {
		m.labels = append(m.labels, fmt.Sprintf("%s is no label of Watchtower 1.7.1. On: %s", name, listed(on[name])))
	}
}

// listed are a few names of many.
func listed(names []string) string {
	const most = 8
	slices.Sort(names)
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
