package docker

import (
	"path"
	"reflect"
	"strings"
)

// subtract takes the image's defaults out of a configuration, in place, so that
// another image's can take their place. bound tells which ports are published:
// those stay exposed.
//
// It is the reverse of merge, as far as there is one: where the user said the
// very same as the image, nobody can tell.
func subtract(config, image, bound object) {
	for _, key := range []string{"User", "StopSignal"} {
		if reflect.DeepEqual(config[key], image[key]) {
			delete(config, key)
		}
	}
	// The engine cleans the path when it takes it over.
	if dir := image.text("WorkingDir"); dir != "" && path.Clean(dir) == path.Clean(config.text("WorkingDir")) {
		delete(config, "WorkingDir")
	}
	subtractCommand(config, image)
	subtractEnv(config, image)
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

// subtractCommand follows the engine's rule: the image's Cmd is used only where
// the user gave neither, its Entrypoint only where the user gave none.
func subtractCommand(config, image object) {
	entrypoint := equal(config["Entrypoint"], image["Entrypoint"])
	cmd := equal(config["Cmd"], image["Cmd"]) || blank(config["Cmd"]) && blank(image["Cmd"])
	switch {
	case entrypoint && cmd:
		delete(config, "Entrypoint")
		delete(config, "Cmd")
	case entrypoint && !blank(config["Cmd"]):
		delete(config, "Entrypoint")
	case !entrypoint && config["Entrypoint"] == nil:
		// The user took the image's away, with --entrypoint "". This is how to say so.
		config["Entrypoint"] = []any{""}
	}
	// Otherwise both stay. The same Entrypoint without the image's Cmd was given
	// on purpose: that is what empties Cmd. And a Cmd under the user's own
	// Entrypoint is the user's, even if it reads like the image's.
}

// subtractEnv drops the variables that have the value that they have in the image.
func subtractEnv(config, image object) {
	inherited := map[string]bool{}
	for _, variable := range image.texts("Env") {
		inherited[variable] = true
	}
	var kept []any
	for _, variable := range config.texts("Env") {
		if !inherited[variable] {
			kept = append(kept, variable)
		}
	}
	config["Env"] = kept
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
		config["WorkingDir"] = path.Clean(dir)
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
	said := map[string]bool{}
	for _, variable := range config.texts("Env") {
		name, _, _ := strings.Cut(variable, "=")
		said[name] = true
	}
	merged := config.list("Env")
	for _, variable := range image.texts("Env") {
		if name, _, _ := strings.Cut(variable, "="); !said[name] {
			merged = append(merged, variable)
		}
	}
	config["Env"] = merged
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
