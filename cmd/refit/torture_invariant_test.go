package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// verdict is what became of a trial's container.
type verdict struct {
	lost  bool // nothing runs under the name
	wrong []string
}

// violations says how what there is on the engine breaks promises P1 to P4.
// With the ledger lost the reference may still point to the old image: nobody
// knows any more that it was to be moved.
func (x *trial) violations(ledgerLost bool) verdict {
	x.Helper()
	var v verdict
	var all []struct{ Names []string }
	filter := url.QueryEscape(fmt.Sprintf(`{"name":[%q]}`, x.name))
	x.must("GET", "/containers/json?all=1&filters="+filter, nil, &all)
	for _, c := range all {
		if !slices.Equal(c.Names, []string{"/" + x.name}) {
			v.wrong = append(v.wrong, fmt.Sprintf("%v is left over", c.Names))
		}
	}
	var now inspected
	if err := x.call("GET", "/containers/"+x.name+"/json", nil, &now); err != nil {
		return verdict{lost: true, wrong: append(v.wrong, "the container is lost: "+err.Error())}
	}
	if !now.State.Running || now.State.Restarting {
		v.lost = true
		v.wrong = append(v.wrong, "the container is "+now.State.Status)
	}
	v.wrong = append(v.wrong, x.changes(now)...)
	for tag, id := range x.kept() {
		v.wrong = append(v.wrong, fmt.Sprintf("the tag %s is left over, on %s", tag, core.Short(id)))
	}
	var tagged struct{ ID string }
	if err := x.call("GET", "/images/"+x.reference+"/json", nil, &tagged); err != nil {
		v.wrong = append(v.wrong, "the reference names nothing: "+err.Error())
	} else if tagged.ID != now.Image && (!ledgerLost || tagged.ID != x.old) {
		v.wrong = append(v.wrong, fmt.Sprintf("the reference points to %s, the container runs %s", x.image(tagged.ID), x.image(now.Image)))
	}
	if x.guest != nil {
		v.add(x.guest.violations(ledgerLost), "the one that shares its network: ")
	}
	return v
}

// changes says what of the container is not as it was.
func (x *trial) changes(now inspected) []string {
	x.Helper()
	var wrong []string
	if now.Image != x.old && (!x.good || now.Image != x.new) {
		wrong = append(wrong, "it runs "+x.image(now.Image))
	}
	if now.Image == x.old && now.ID != x.before.ID && !x.followed() {
		wrong = append(wrong, "it runs the old image in another container")
	}
	if x.host != nil {
		wrong = append(wrong, x.apart(&now)...)
	}
	if diff := cmp.Diff(settings(x.before), settings(now)); diff != "" {
		wrong = append(wrong, "its settings changed (-before +now):\n"+diff)
	}
	if got := x.engine.ReadFile(now.ID, "/data/proof"); got != x.name {
		wrong = append(wrong, fmt.Sprintf("its data is %q", got))
	}
	return wrong
}

func (x *trial) image(id string) string {
	switch id {
	case x.old:
		return "the old image"
	case x.new:
		return "the new image"
	default:
		return "the image " + core.Short(id)
	}
}

// settings are those of a container that an update must not change.
func settings(c inspected) map[string]any {
	config := map[string]any{}
	for name, value := range c.Config {
		switch name {
		case "Hostname", "Image": // they say which container it is
		case "Volumes": // a volume that has its place by name needs no mention: see the mounts
		case "Env":
			config[name] = without(value, "VERSION=", "FORMAT=", "CRASH=") // the images'
		case "Labels":
			labels := map[string]any{}
			for label, text := range value.(map[string]any) {
				if label != core.MarkLabel {
					labels[label] = text
				}
			}
			config[name] = labels
		default:
			config[name] = value
		}
	}
	host := maps.Clone(c.HostConfig)
	delete(host, "Binds")
	maps.DeleteFunc(host, func(_ string, value any) bool { // an engine that starts makes one of the other
		list, ok := value.([]any)
		return value == nil || ok && len(list) == 0
	})
	mounts := map[string]any{}
	for _, m := range c.Mounts {
		mounts[fmt.Sprint(m["Destination"])] = []any{m["Type"], m["Name"], m["Source"], m["Driver"], m["RW"]}
	}
	return map[string]any{"Config": config, "HostConfig": host, "Mounts": mounts}
}

// without leaves out the lines that begin with any of those, and sorts the rest.
func without(list any, prefixes ...string) []string {
	var rest []string
	lines, _ := list.([]any)
	for _, line := range lines {
		text := fmt.Sprint(line)
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(text, p) }) {
			rest = append(rest, text)
		}
	}
	slices.Sort(rest)
	return rest
}
