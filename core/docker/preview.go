package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// Preview returns which of the container's settings another image would change, by
// the same rules by which a successor is made. What the container itself says is
// overridden by no image and shows nowhere.
func (c *Client) Preview(ctx context.Context, id string, known, next core.Defaults) ([]core.Change, error) {
	f, image, err := c.previewed(ctx, id, known, next)
	if err != nil {
		return nil, fmt.Errorf("compare the images of %s: %w", core.Short(id), err)
	}
	return preview(f, image.object("Config")), nil
}

func (c *Client) previewed(ctx context.Context, id string, known, next core.Defaults) (f facts, image object, err error) {
	spare, err := answerOf(known)
	if err != nil {
		return facts{}, nil, err
	}
	if image, err = answerOf(next); err != nil {
		return facts{}, nil, err
	}
	f, err = c.facts(ctx, id, spare)
	return f, image, err
}

// preview is the pure part of Preview. That an image no longer asks for a volume
// changes nothing, because the volume stays where it is; nor does it that one asks
// for a volume where there is something already.
func preview(f facts, image object) []core.Change {
	is, would := f.stated(), f.stated()
	f.subtract(would.config, would.host.object("PortBindings"))
	merge(would.config, image)
	var p previewed
	for _, one := range []struct{ setting, key string }{
		{"USER", "User"}, {"WORKDIR", "WorkingDir"}, {"ENTRYPOINT", "Entrypoint"}, {"CMD", "Cmd"},
	} {
		p.add(one.setting, "", word(is.config[one.key]), word(would.config[one.key]))
	}
	p.each("ENV", values(is.config.texts("Env")), values(would.config.texts("Env")))
	p.keys("EXPOSE", is.config.object("ExposedPorts"), would.config.object("ExposedPorts"))
	for at := range would.config.object("Volumes") {
		if _, mounted := is.mounts[path.Clean(at)]; mounted || is.config.object("Volumes")[at] != nil {
			delete(would.config.object("Volumes"), at)
		}
	}
	p.keys("VOLUME", nil, would.config.object("Volumes"))
	p.each("LABEL", words(is.config.object("Labels")), words(would.config.object("Labels")))
	p.each("HEALTHCHECK", checkWords(is.config.object("Healthcheck")), checkWords(would.config.object("Healthcheck")))
	p.add("STOPSIGNAL", "", word(is.config["StopSignal"]), word(would.config["StopSignal"]))
	return p.changes
}

// previewed collects changes.
type previewed struct{ changes []core.Change }

// add notes a change where the two differ; "" is nothing.
func (p *previewed) add(setting, name, from, to string) {
	if from == to {
		return
	}
	change := core.Change{Setting: setting, Name: name}
	if from != "" {
		change.From = &from
	}
	if to != "" {
		change.To = &to
	}
	p.changes = append(p.changes, change)
}

// each notes what differs between two sets of values, by their names. A value that
// is empty is one.
func (p *previewed) each(setting string, from, to map[string]string) {
	names := slices.Concat(slices.Collect(maps.Keys(from)), slices.Collect(maps.Keys(to)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, had := from[name]
		is, has := to[name]
		if had == has && was == is {
			continue
		}
		change := core.Change{Setting: setting, Name: name}
		if had {
			change.From = &was
		}
		if has {
			change.To = &is
		}
		p.changes = append(p.changes, change)
	}
}

// keys notes which of two sets has what.
func (p *previewed) keys(setting string, from, to object) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if _, stays := to[key]; !stays {
			p.add(setting, "", key, "")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(to)) {
		if _, was := from[key]; !was {
			p.add(setting, "", "", key)
		}
	}
}

// word is a value as a Dockerfile has it: a text as it is, a list as JSON.
func word(value any) string {
	if text, ok := value.(string); ok || value == nil {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil {
		return "?" // what came from JSON goes back to it
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// words are the values of an object.
func words(o object) map[string]string {
	all := map[string]string{}
	for name, value := range o {
		all[name] = word(value)
	}
	return all
}

// values are the variables of an environment by their names.
func values(env []string) map[string]string {
	all := map[string]string{}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		all[name] = value
	}
	return all
}

// checkWords are the parts of a healthcheck as docker run calls them. What is not
// said is left out.
func checkWords(check object) map[string]string {
	all := map[string]string{}
	for key, name := range map[string]string{
		"Test": "cmd", "Interval": "interval", "Timeout": "timeout", "StartPeriod": "start-period",
		"StartInterval": "start-interval", "Retries": "retries",
	} {
		value := check[key]
		if idle(value) {
			continue
		}
		all[name] = word(value)
		if number, ok := value.(json.Number); ok && key != "Retries" {
			if nanoseconds, err := number.Int64(); err == nil {
				all[name] = time.Duration(nanoseconds).String()
			}
		}
	}
	return all
}
