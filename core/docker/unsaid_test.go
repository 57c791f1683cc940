package docker_test

import (
	"path"
	"reflect"
	"slices"
	"strings"
)

// unsaid takes out of a request what nobody can see that it was said: it is what the
// image says already. The copy follows the new image there, and so must the oracle.
//
// That nobody can see it is no claim: the round trip makes a container of what is
// left, from the first image, and the engine has to show the same.
func unsaid(q request, image tree) request {
	q = q.clone()
	for _, key := range []string{"User", "StopSignal"} {
		if q.body[key] == image[key] {
			delete(q.body, key)
		}
	}
	dir, _ := image["WorkingDir"].(string)
	if own, _ := q.body["WorkingDir"].(string); dir != "" && path.Clean(dir) == path.Clean(own) {
		delete(q.body, "WorkingDir")
	}
	unsaidKeys(q.body, image)
	unsaidHealthcheck(q.body, image)
	unsaidEnv(q.body, image)
	unsaidCommand(q.body, image)
	return q
}

func unsaidKeys(body, image tree) {
	host, _ := body["HostConfig"].(tree)
	bound, _ := host["PortBindings"].(tree)
	for _, key := range []string{"Labels", "Volumes", "ExposedPorts"} {
		theirs, _ := image[key].(tree)
		own, _ := body[key].(tree)
		for name, value := range theirs {
			said, there := own[name]
			switch {
			case key == "ExposedPorts" && bound[name] != nil:
				// A port that is published is exposed: the docker command says so too.
				if own == nil {
					own = tree{}
				}
				own[name] = tree{}
			case there && reflect.DeepEqual(said, value):
				delete(own, name)
			}
		}
		if len(own) > 0 {
			body[key] = own
		} else {
			delete(body, key)
		}
	}
}

func unsaidHealthcheck(body, image tree) {
	own, _ := body["Healthcheck"].(tree)
	theirs, _ := image["Healthcheck"].(tree)
	said := false
	for key, value := range own {
		if isZero(value) || reflect.DeepEqual(value, theirs[key]) {
			delete(own, key)
			continue
		}
		said = true
	}
	if !said {
		delete(body, "Healthcheck")
	}
}

func isZero(value any) bool {
	list, isList := value.([]any)
	return value == 0 || isList && len(list) == 0
}

// unsaidEnv finds the shortest beginning of the environment from which the engine
// makes the whole: it appends the image's variables, in their order, that have no
// value yet.
func unsaidEnv(body, image tree) {
	own, _ := body["Env"].([]any)
	theirs, _ := image["Env"].([]any)
	all := mergedEnv(own, theirs)
	for n := range len(all) + 1 {
		if slices.Equal(mergedEnv(all[:n], theirs), all) {
			body["Env"] = slices.Clone(all[:n])
			return
		}
	}
}

func mergedEnv(own, theirs []any) []any {
	if len(own) == 0 {
		return slices.Clone(theirs)
	}
	all := slices.Clone(own)
	for _, variable := range theirs {
		name, _, _ := strings.Cut(variable.(string), "=")
		said := slices.ContainsFunc(all, func(v any) bool {
			its, _, _ := strings.Cut(v.(string), "=")
			return its == name
		})
		if !said {
			all = append(all, variable)
		}
	}
	return all
}

// unsaidCommand finds the least from which the engine makes the same command. An
// empty list and none are the same there: both run nothing.
func unsaidCommand(body, image tree) {
	type said struct{ entrypoint, cmd any }
	merged := func(s said) said {
		if none(s.entrypoint) {
			if none(s.cmd) {
				s.cmd = image["Cmd"]
			}
			if s.entrypoint == nil {
				s.entrypoint = image["Entrypoint"]
			}
		}
		if reflect.DeepEqual(s.entrypoint, []any{""}) {
			s.entrypoint = nil
		}
		return s
	}
	same := func(a, b any) bool { return reflect.DeepEqual(a, b) || none(a) && none(b) }
	was := said{body["Entrypoint"], body["Cmd"]}
	whole := merged(was)
	for _, s := range []said{
		{nil, nil},
		{nil, whole.cmd},
		{[]any{}, nil},
		{[]any{}, whole.cmd},
		{[]any{""}, whole.cmd},
		{whole.entrypoint, whole.cmd},
		was,
	} {
		if made := merged(s); same(made.entrypoint, whole.entrypoint) && same(made.cmd, whole.cmd) {
			body["Entrypoint"], body["Cmd"] = s.entrypoint, s.cmd
			return
		}
	}
}

func none(value any) bool {
	list, _ := value.([]any)
	return len(list) == 0
}
