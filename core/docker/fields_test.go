package docker_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// operational are the members of an endpoint that an engine fills in. It takes no
// notice of them in a request.
const operational = "the engine fills it in"

// unexercised are the fields of a create call that the generator does not set, and why.
var unexercised = map[string]string{
	".Image": "the round trip is about another one",
	".NetworkingConfig.EndpointsConfig.*.NetworkID":           operational,
	".NetworkingConfig.EndpointsConfig.*.EndpointID":          operational,
	".NetworkingConfig.EndpointsConfig.*.Gateway":             operational,
	".NetworkingConfig.EndpointsConfig.*.IPAddress":           operational,
	".NetworkingConfig.EndpointsConfig.*.IPPrefixLen":         operational,
	".NetworkingConfig.EndpointsConfig.*.IPv6Gateway":         operational,
	".NetworkingConfig.EndpointsConfig.*.GlobalIPv6Address":   operational,
	".NetworkingConfig.EndpointsConfig.*.GlobalIPv6PrefixLen": operational,
	".NetworkingConfig.EndpointsConfig.*.DNSNames":            operational,
}

// leftBehind are the fields that are set and deliberately not carried over.
var leftBehind = map[string]string{
	".ArgsEscaped":                "an image's, of Windows",
	".OnBuild":                    "an image's; no container heeds it",
	".HostConfig.ContainerIDFile": "the docker command writes that file; the id in it would be the predecessor's",
}

// Every field of a create call that the client library knows is set by the generator,
// so that the round trip says whether it is carried over; or a table says why not.
// When the library learns a new one, this fails.
func TestEveryFieldOfACreateCallMakesTheRoundTrip(t *testing.T) {
	t.Parallel()
	all, set := createFields(), map[string]bool{}
	for _, api := range []string{"1.41", "1.51"} {
		w := imagined(api)
		for seed := range uint64(1500) {
			fieldsIn(w.request(seed, w.known()), set)
		}
	}
	for _, field := range slices.Concat(slices.Collect(maps.Keys(unexercised)), slices.Collect(maps.Keys(leftBehind))) {
		if !all[field] {
			t.Errorf("the table speaks of %s, which is no field", field)
		}
	}
	covered := 0
	for _, field := range slices.Sorted(maps.Keys(all)) {
		_, excused := unexercised[field]
		switch {
		case set[field] && excused:
			t.Errorf("%s is set, and the table says that it is not", field)
		case !set[field] && !excused:
			t.Errorf("%s is never set, and the table does not say why", field)
		case set[field] && leftBehind[field] == "":
			covered++
		}
	}
	t.Logf("fields covered %d of %d; %d are the engine's to fill in or the image's name, %d are deliberately left behind",
		covered, len(all), len(unexercised), len(leftBehind))
}

// createFields are the fields of a create call that the client library knows.
var createFields = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	fieldsOf("", reflect.TypeFor[container.Config](), all)
	fieldsOf(".HostConfig", reflect.TypeFor[container.HostConfig](), all)
	fieldsOf(".NetworkingConfig", reflect.TypeFor[network.NetworkingConfig](), all)
	return all
})

// fieldsIn notes which of the fields a request sets.
func fieldsIn(q request, set map[string]bool) {
	pathsOf("", q.body, createFields(), set)
	pathsOf(".NetworkingConfig.EndpointsConfig", q.later, createFields(), set)
}

// fieldsOf lists the JSON members of a type that hold values. Keys that the user
// chooses are "*", and the items of a list stand in its place.
func fieldsOf(at string, of reflect.Type, all map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		fieldsOf(at, of.Elem(), all)
	case reflect.Map:
		fieldsOf(at+".*", of.Elem(), all)
	case reflect.Struct:
		if of.NumField() == 0 { // an item of a set, or options to come
			all[at] = true
		}
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			switch {
			case field.Anonymous && name == "":
				fieldsOf(at, field.Type, all)
				continue
			case name == "":
				name = field.Name
			}
			fieldsOf(at+"."+name, field.Type, all)
		}
	default:
		all[at] = true
	}
}

// pathsOf notes which of the fields have a value.
func pathsOf(at string, value any, fields, set map[string]bool) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			pathsOf(at, item, fields, set)
		}
	case tree:
		for key, member := range value {
			pathsOf(at+"."+key, member, fields, set)
			pathsOf(at+".*", member, fields, set)
		}
	}
	if fields[at] {
		set[at] = true
	}
}

// imagined is a world that is on no engine.
func imagined(api string) *world {
	w := &world{prefix: "p", api: api, folder: "/f", disk: "/dev/x", donors: []string{"d1", "d2"}}
	for i := range 2 {
		w.donorIDs = append(w.donorIDs, strings.Repeat(fmt.Sprint(i), 64))
		w.networks = append(w.networks, lan{
			name: fmt.Sprint("n", i), id: strings.Repeat(fmt.Sprint(i+2), 64), v4: "10.0.0.", v6: "fd00::", macAddress: true,
		})
		w.images = append(w.images, picture{reference: fmt.Sprint("i", i), config: w.generator(uint64(i)).picture()})
	}
	return w
}
