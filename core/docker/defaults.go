package docker

import (
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
)

// subtract takes the image's defaults out of a configuration, in place, so that
// another image's can take their place. bound tells which ports are published:
// those stay exposed.
//
// It is the reverse of merge, as far as there is one: where the user said the
// very same as the image, nobody can tell.
func (f facts) subtract(config, bound object) {
	image := f.defaults()
	for _, key := range []string{"User", "StopSignal"} {
		if reflect.DeepEqual(config[key], image[key]) {
			delete(config, key)
		}
	}
	if dir := image.text("WorkingDir"); dir != "" && path.Clean(dir) == path.Clean(config.text("WorkingDir")) {
		delete(config, "WorkingDir")
	}
	subtractCommand(config, image)
	config["Env"] = list(f.ownEnv(config.texts("Env"), image.texts("Env")))
	for name, value := range image.object("Labels") {
		if labels := config.object("Labels"); reflect.DeepEqual(labels[name], value) {
			delete(labels, name)
		}
	}
	for port := range image.object("ExposedPorts") {
		if _, published := bound[port]; !published {
			delete(config.object("ExposedPorts"), port)
		}
	}
	for at := range image.object("Volumes") {
		delete(config.object("Volumes"), at)
	}
	subtractHealthcheck(config, image)
}

// subtractCommand finds the least that the engine makes this command of: it uses the
// image's Cmd only where the user gave neither, its Entrypoint only where the user
// gave none. So the same Entrypoint without the image's Cmd was given on purpose, for
// that is what empties Cmd; and a Cmd under the user's own Entrypoint is the user's,
// even if it reads like the image's.
func subtractCommand(config, image object) {
	took := []any{} // the image's Entrypoint away; the engine turns [""] into none
	if config["Entrypoint"] == nil {
		took = []any{""}
	}
	for _, said := range []object{
		{},
		{"Cmd": config["Cmd"]},
		{"Entrypoint": took},
		{"Entrypoint": took, "Cmd": config["Cmd"]},
	} {
		merged := maps.Clone(said)
		mergeCommand(merged, image)
		if alike(merged["Entrypoint"], config["Entrypoint"]) && alike(merged["Cmd"], config["Cmd"]) {
			delete(config, "Entrypoint")
			delete(config, "Cmd")
			maps.Copy(config, said)
			return
		}
	}
}

// alike compares two commands that the engine has made. There is no difference any
// more between none and an empty one, and newer engines do not tell which of the two
// an image has.
func alike(a, b any) bool { return equal(a, b) || blank(a) && blank(b) }

// ownEnv returns the variables that are not the image's: those that differ from it.
//
// Where the engine appends the image's to the user's, the user's are the shortest
// beginning from which it makes the whole. One that has the image's value, but stands
// before one of the user's own, was said by the user and stays.
func (f facts) ownEnv(env, theirs []string) []string {
	for n := 0; f.EnvInOrder && n <= len(env); n++ {
		if slices.Equal(merged(env[:n], theirs), env) {
			return env[:n]
		}
	}
	return slices.DeleteFunc(env, func(variable string) bool { return slices.Contains(theirs, variable) })
}

func subtractHealthcheck(config, image object) {
	check, theirs := config.object("Healthcheck"), image.object("Healthcheck")
	for key, value := range theirs {
		if reflect.DeepEqual(check[key], value) {
			delete(check, key)
		}
	}
	for _, value := range check {
		if !idle(value) {
			return
		}
	}
	config["Healthcheck"] = nil
}

// merge puts an image's defaults under a configuration, in place, as the engine
// does at create.
func merge(config, image object) {
	for _, key := range []string{"User", "StopSignal"} {
		if config.text(key) == "" && image.text(key) != "" {
			config[key] = image[key]
		}
	}
	if dir := image.text("WorkingDir"); config.text("WorkingDir") == "" && dir != "" {
		config["WorkingDir"] = path.Clean(dir) // as most engines do
	}
	mergeCommand(config, image)
	mergeEnv(config, image)
	for _, key := range []string{"Labels", "ExposedPorts", "Volumes"} {
		for name, value := range image.object(key) {
			if config.object(key) == nil {
				config[key] = map[string]any{}
			}
			if _, said := config.object(key)[name]; !said {
				config.object(key)[name] = value
			}
		}
	}
	mergeHealthcheck(config, image)
}

func mergeCommand(config, image object) {
	if blank(config["Entrypoint"]) {
		if blank(config["Cmd"]) {
			config["Cmd"] = image["Cmd"]
		}
		if config["Entrypoint"] == nil {
			config["Entrypoint"] = image["Entrypoint"]
		}
	}
	if equal(config["Entrypoint"], []any{""}) {
		delete(config, "Entrypoint")
	}
}

func mergeEnv(config, image object) {
	config["Env"] = list(merged(config.texts("Env"), image.texts("Env")))
}

// merged are the user's variables and those of the image that the user did not name.
// An image that names one twice keeps both where the user said nothing at all.
func merged(env, theirs []string) []string {
	if len(env) == 0 {
		return theirs
	}
	all, said := slices.Clone(env), map[string]bool{}
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		said[name] = true
	}
	for _, variable := range theirs {
		if name, _, _ := strings.Cut(variable, "="); !said[name] {
			all, said[name] = append(all, variable), true
		}
	}
	return all
}

func mergeHealthcheck(config, image object) {
	theirs := image.object("Healthcheck")
	if theirs == nil {
		return
	}
	if config.object("Healthcheck") == nil {
		config["Healthcheck"] = map[string]any{}
	}
	check := config.object("Healthcheck")
	for key, value := range theirs {
		if idle(check[key]) {
			check[key] = value
		}
	}
}
