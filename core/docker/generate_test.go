package docker_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/versions"
)

// tree is a JSON object.
type tree = map[string]any

// world is what the containers of a round trip may name: it exists on the engine.
type world struct {
	prefix   string // of everything that is made under a name
	api      string // the version of the API that is spoken
	images   []picture
	networks []lan
	donors   []string // names of containers that give their volumes and namespaces
	donorIDs []string
	folder   string // on the engine's host
	disk     string // a device with blocks, if the host has one
}

// picture is an image with the Config that it was made with.
type picture struct {
	reference string
	config    tree
}

// lan is a network with addresses of the test's own choice.
type lan struct {
	name, id   string
	v4, v6     string // the beginning of an address in it, "" where none may be chosen
	driver     string
	macAddress bool // a MAC address may be chosen
}

// request is what a container is made from: the body of a create call, without its
// image, and the networks that are connected after it.
type request struct {
	body  tree
	later tree // network → endpoint
	used  []string
}

// clone copies the request, so that a copy may be edited.
func (q request) clone() request {
	return request{body: copied(q.body).(tree), later: copied(q.later).(tree), used: q.used}
}

func copied(value any) any {
	switch value := value.(type) {
	case tree:
		all := tree{}
		for key, member := range value {
			all[key] = copied(member)
		}
		return all
	case []any:
		all := []any{}
		for _, member := range value {
			all = append(all, copied(member))
		}
		return all
	}
	return value
}

// option is one thing that a create call can say.
type option struct {
	name  string
	since string // the first API version that knows it, "" for all
	until string // the last one
	idle  bool   // on an ordinary machine the container does not start, or not without harm
	set   func(g *generator)
}

// generator makes one request.
type generator struct {
	*rand.Rand
	w            *world
	config, host tree
	endpoints    tree
	places       []string // in the container, each used once
	runs         bool     // the container is to be started
	seed         uint64
}

// options are all that the generator knows.
func options() []option {
	return slices.Concat(configOptions, hostOptions, resourceOptions, mountOptions, networkOptions)
}

// known are the options that the API at hand has.
func (w *world) known() []option {
	return slices.DeleteFunc(options(), func(o option) bool {
		return o.since != "" && versions.LessThan(w.api, o.since) || o.until != "" && versions.GreaterThan(w.api, o.until)
	})
}

// request makes the request of a seed, from a random choice of the options.
func (w *world) request(seed uint64, from []option) request {
	return w.generator(seed).choose(from, 0.1, 0.4)
}

// running makes the request of a seed for a container that is likely to run.
func (w *world) running(seed uint64, from []option) request {
	g := w.generator(seed)
	g.runs = true
	q := g.choose(slices.DeleteFunc(slices.Clone(from), func(o option) bool { return o.idle }), 0.05, 0.2)
	q.body["Entrypoint"], q.body["Cmd"] = []any{"/fixture", "web"}, []any{}
	return q
}

// choose takes a share of the options between the two.
func (g *generator) choose(from []option, least, most float64) request {
	share := least + (most-least)*g.Float64()
	var used []string
	for _, o := range from {
		if g.Float64() < share {
			o.set(g)
			used = append(used, o.name)
		}
	}
	return g.done(used)
}

// alone makes a request with one option only.
func (w *world) alone(o option) request {
	g := w.generator(1)
	o.set(g)
	return g.done([]string{o.name})
}

func (w *world) generator(seed uint64) *generator {
	g := &generator{
		Rand: rand.New(rand.NewPCG(seed, 0x5e17)), w: w, config: tree{}, host: tree{}, endpoints: tree{}, seed: seed,
		places: []string{"/data", "/data/sub", "/logs", "/m1", "/m2", "/m3", "/m4", "/m5", "/m6", "/m7", "/m8", "/m9", "/m/10", "/m/11", "/m/12"},
	}
	g.Shuffle(len(g.places), func(a, b int) { g.places[a], g.places[b] = g.places[b], g.places[a] })
	return g
}

// done puts the parts together and takes out what excludes one another.
func (g *generator) done(used []string) request {
	g.settle()
	q := request{body: g.config, later: tree{}, used: used}
	q.body["HostConfig"] = g.host
	mode, _ := g.host["NetworkMode"].(string)
	own, in := g.w.network(mode)
	for name, endpoint := range maps.Clone(g.endpoints) {
		first := in && name == own.name || !in && name == "bridge"
		if !first && (versions.LessThan(g.w.api, "1.44") || g.seed%2 == 0) {
			q.later[name] = endpoint
			delete(g.endpoints, name)
		}
	}
	if len(g.endpoints) > 0 || g.IntN(2) == 0 {
		q.body["NetworkingConfig"] = tree{"EndpointsConfig": g.endpoints}
	}
	return q
}

// settle takes out what no engine accepts together.
func (g *generator) settle() {
	mode, _ := g.host["NetworkMode"].(string)
	ipc, _ := g.host["IpcMode"].(string)
	shared := strings.HasPrefix(mode, "container:")
	alone := mode == "host" || mode == "none" || shared
	g.drop(alone, []string{"MacAddress"}, []string{"Links"})
	g.drop(mode == "host" || shared, nil, nil, "net.")
	// Both names become the other container's when it starts.
	g.drop(shared, []string{"ExposedPorts", "Hostname", "Domainname"}, []string{"Dns", "ExtraHosts", "PortBindings", "PublishAllPorts"})
	g.drop(g.host["UTSMode"] == "host", []string{"Hostname"}, nil)
	g.drop(ipc == "host" || strings.HasPrefix(ipc, "container:"), nil, nil, "kernel.", "fs.")
	g.drop(g.host["AutoRemove"] == true, nil, []string{"RestartPolicy"})
	g.drop(g.host["NanoCpus"] != nil, nil, []string{"CpuPeriod", "CpuQuota"})
	g.drop(g.host["Memory"] == nil, nil, []string{"MemorySwap"})
	if alone {
		g.endpoints = tree{}
	}
	memory, limited := g.host["Memory"].(int)
	if least, said := g.host["MemoryReservation"].(int); said && limited {
		g.host["MemoryReservation"] = min(least, memory)
	}
}

// drop takes out members of both parts, and kernel settings by their beginnings.
func (g *generator) drop(where bool, config, host []string, sysctls ...string) {
	if !where {
		return
	}
	for _, key := range config {
		delete(g.config, key)
	}
	for _, key := range host {
		delete(g.host, key)
	}
	said, _ := g.host["Sysctls"].(tree)
	maps.DeleteFunc(said, func(name string, _ any) bool {
		return slices.ContainsFunc(sysctls, func(b string) bool { return strings.HasPrefix(name, b) })
	})
}

// network finds the network that a mode names.
func (w *world) network(mode string) (lan, bool) {
	for _, n := range w.networks {
		if mode == n.name || mode != "" && strings.HasPrefix(n.id, mode) {
			return n, true
		}
	}
	return lan{}, false
}

// one picks one of the values.
func (g *generator) one(values ...any) any { return values[g.IntN(len(values))] }

// some picks a few of the values, in random order, at least one.
func (g *generator) some(values ...any) []any {
	values = slices.Clone(values) // they may be everybody's
	g.Shuffle(len(values), func(a, b int) { values[a], values[b] = values[b], values[a] })
	return values[:1+g.IntN(len(values))]
}

// pairs makes an object of some of the names, each with one of the values.
func (g *generator) pairs(names []any, values ...any) tree {
	all := tree{}
	for _, name := range g.some(names...) {
		all[name.(string)] = g.one(values...)
	}
	return all
}

// place is a path in the container that nothing else has.
func (g *generator) place() string {
	if len(g.places) == 0 {
		return fmt.Sprintf("/more/%d", g.IntN(1<<30))
	}
	place := g.places[0]
	g.places = g.places[1:]
	return place
}

// name is the name of something that is made by the request.
func (g *generator) name(part string) string {
	return fmt.Sprintf("%s-%s-%d-%d", g.w.prefix, part, g.seed, g.IntN(1000))
}

// add appends to a list in the host's part.
func (g *generator) add(key string, values ...any) {
	list, _ := g.host[key].([]any)
	g.host[key] = append(list, values...)
}

// config sets a member of the container's own part to one of the values.
func config(key string, values ...any) func(g *generator) {
	return func(g *generator) { g.config[key] = copied(g.one(values...)) }
}

// host sets a member of the host's part to one of the values.
func host(key string, values ...any) func(g *generator) {
	return func(g *generator) { g.host[key] = copied(g.one(values...)) }
}

// The words of which containers and images are made. There are few, so that both
// often say the same.
var (
	envNames   = []any{"A", "B", "C", "D", "PATH"}
	labelNames = []any{"a", "b", "com.example.c", "d", "com.docker.compose.image"}
	ports      = []any{"80/tcp", "81/tcp", "53/udp", "443/tcp", "9000/sctp"}
)

func (g *generator) env(least int) []any {
	env := []any{}
	for range least + g.IntN(4) {
		variable := g.one(envNames...).(string)
		switch g.IntN(8) {
		case 0:
			env = append(env, variable) // takes the image's away
		case 1:
			env = append(env, variable+"=")
		default:
			env = append(env, fmt.Sprintf("%s=%d", variable, g.IntN(3)))
		}
	}
	return env
}

func (g *generator) keys(from []any) tree {
	all := tree{}
	for _, key := range g.some(slices.Clone(from)...) {
		all[key.(string)] = tree{}
	}
	return all
}

func (g *generator) healthcheck(api string) any {
	check := tree{}
	if g.IntN(3) > 0 {
		check["Test"] = g.one([]any{"NONE"}, []any{}, []any{"CMD", "/fixture", "probe"}, []any{"CMD-SHELL", "true"})
	}
	for _, key := range []string{"Interval", "Timeout", "StartPeriod"} {
		if g.IntN(3) == 0 {
			check[key] = g.one(0, 1_000_000, 5_000_000_000, 3_600_000_000_000)
		}
	}
	if g.IntN(3) == 0 {
		check["Retries"] = g.one(0, 1, 5)
	}
	if g.IntN(3) == 0 && !versions.LessThan(api, "1.44") {
		check["StartInterval"] = g.one(0, 2_000_000, 5_000_000_000)
	}
	return check
}

// picture makes the Config of an image.
func (g *generator) picture() tree {
	c := tree{}
	for _, part := range []struct {
		key   string
		value func() any
	}{
		{"Env", func() any { return g.env(0) }},
		{"Labels", func() any { return g.pairs(labelNames[:4], "", "1", "2") }},
		{"ExposedPorts", func() any { return g.keys(ports) }},
		{"Volumes", func() any { return g.keys([]any{"/data", "/logs", "/m1", "/fresh"}) }},
		{"Healthcheck", func() any { return g.healthcheck(g.w.api) }},
		{"User", func() any { return g.one("", "0", "1000", "1000:1000") }},
		{"WorkingDir", func() any { return g.one("", "/", "/app", "/app/", "/data") }},
		{"Entrypoint", func() any { return g.one(nil, []any{}, []any{"/fixture"}, []any{"/e", "x"}) }},
		{"Cmd", func() any { return g.one(nil, []any{}, []any{"web"}, []any{"c", ""}) }},
		{"StopSignal", func() any { return g.one("", "SIGTERM", "SIGQUIT") }},
		{"Shell", func() any { return []any{"/bin/sh", "-c"} }},
		{"OnBuild", func() any { return []any{"RUN true"} }},
		{"ArgsEscaped", func() any { return g.one(true, false) }},
	} {
		if value := part.value(); g.IntN(3) > 0 {
			c[part.key] = value
		}
	}
	return c
}
