package docker

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Need says who cannot do without an endpoint.
type Need int

// Without those that looking needs nothing works, without those that updating needs
// nothing is updated. The others belong to a single feature each.
const (
	ToLook Need = iota
	ToUpdate
	ForFeature
)

// Endpoint is a part of the engine's API.
type Endpoint struct {
	Method string
	// Path is without the version: "/containers/{id}/json". What is in braces stands
	// for an id or a name; the names of images have slashes in them.
	Path string
	Need Need
	For  string // what it is needed for: "the hook backup"

	// What is added to ask for it harmlessly: see access.go.
	query string
	body  object
	// unasked is not asked for: the engine would work for seconds, or Ping has asked.
	unasked bool
}

// Endpoints are all that Refit asks of an engine, its bundled hooks included. Nothing
// in it may be changed.
func Endpoints() []Endpoint { return endpoints }

var endpoints = []Endpoint{
	{Method: "GET", Path: "/version", For: "knowing the version of the API", unasked: true},
	{Method: "GET", Path: "/info", For: "knowing the engine", unasked: true},
	{Method: "GET", Path: "/containers/json", For: "finding containers", query: "limit=1"},
	{Method: "GET", Path: "/containers/{id}/json", For: "reading their labels and settings"},
	{Method: "GET", Path: "/images/json", For: "finding what interrupted updates have left behind", query: "filters=%7B%22reference%22%3A%5B%22refit.invalid%2Fnone%22%5D%7D"},
	{Method: "GET", Path: "/images/{name}/json", For: "knowing which image a container has"},
	{Method: "GET", Path: "/networks", For: "knowing which containers belong together", query: "filters=%7B%22name%22%3A%5B%22" + nobody + "%22%5D%7D"},

	{Method: "POST", Path: "/images/create", Need: ToUpdate, For: "pulling images", query: "fromImage=REFIT"},
	{Method: "POST", Path: "/images/{name}/tag", Need: ToUpdate, For: "keeping the old image and moving the tag", query: "repo=refit.invalid%2Fnone&tag=none"},
	{Method: "DELETE", Path: "/images/{name}", Need: ToUpdate, For: "removing tags of its own, and old images"},
	{Method: "POST", Path: "/containers/create", Need: ToUpdate, For: "making the new container", body: object{"Image": noImage}},
	{Method: "GET", Path: "/networks/{id}", Need: ToUpdate, For: "giving the new container its networks"},
	{Method: "POST", Path: "/containers/{id}/update", Need: ToUpdate, For: "taking the restart policy away during an update", body: object{}},
	{Method: "POST", Path: "/containers/{id}/stop", Need: ToUpdate, For: "stopping the old container"},
	{Method: "POST", Path: "/containers/{id}/rename", Need: ToUpdate, For: "parking the old container", query: "name=" + nobody},
	{Method: "POST", Path: "/containers/{id}/start", Need: ToUpdate, For: "starting the new container, or the old one again"},
	{Method: "DELETE", Path: "/containers/{id}", Need: ToUpdate, For: "removing the container that is not needed any more"},

	{Method: "GET", Path: "/events", Need: ForFeature, For: "noticing at once what others do, and telling a stop by a person from a failure", query: "since=1&until=2"},
	{Method: "GET", Path: "/containers/{id}/logs", Need: ForFeature, For: "showing the last lines of a container that failed", query: "stdout=1&tail=1"},
	{Method: "POST", Path: "/containers/{id}/pause", Need: ForFeature, For: "updating paused containers"},
	{Method: "POST", Path: "/containers/{id}/kill", Need: ForFeature, For: "`refit.stop-signal` on engines before 23"},
	{Method: "POST", Path: "/containers/{id}/wait", Need: ForFeature, For: "`refit.stop-signal` on engines before 23, and restoring by the hook backup"},
	{Method: "POST", Path: "/networks/{id}/connect", Need: ForFeature, For: "containers in several networks on engines before 25", body: object{"Container": nobody}},
	{Method: "POST", Path: "/networks/{id}/disconnect", Need: ForFeature, For: "containers that have left the network they were made in", body: object{"Container": nobody}},
	{Method: "GET", Path: "/volumes", Need: ForFeature, For: "containers with anonymous volumes on engines from 25 on", query: "filters=%7B%22name%22%3A%5B%22" + nobody + "%22%5D%7D"},
	{Method: "GET", Path: "/containers/{id}/changes", Need: ForFeature, For: "containers that Docker Compose made"},
	{Method: "HEAD", Path: "/containers/{id}/archive", Need: ForFeature, For: "configs and secrets inside of compose files, and the hook backup", query: "path=%2F"},
	{Method: "GET", Path: "/containers/{id}/archive", Need: ForFeature, For: "configs and secrets inside of compose files, and the hook backup", query: "path=%2F"},
	{Method: "PUT", Path: "/containers/{id}/archive", Need: ForFeature, For: "configs and secrets inside of compose files", query: "path=%2F"},
	{Method: "HEAD", Path: "/_ping", Need: ForFeature, For: "the hooks backup and command"},
	{Method: "POST", Path: "/containers/{id}/attach", Need: ForFeature, For: "restoring by the hook backup", query: "stream=1"},
	{Method: "GET", Path: "/system/df", Need: ForFeature, For: "guessing the size of a first backup", unasked: true},
	{Method: "POST", Path: "/containers/{id}/exec", Need: ForFeature, For: "the hook command", body: object{"Cmd": []string{nobody}}},
	{Method: "POST", Path: "/exec/{id}/start", Need: ForFeature, For: "the hook command", body: object{"Detach": true}},
	{Method: "GET", Path: "/exec/{id}/json", Need: ForFeature, For: "the hook command"},
}

// nobody is an id that no container, network or exec can have: an engine makes none
// whose first twelve digits are a decimal number.
const nobody = "0000000000000000000000000000000000000000000000000000000000000000"

// String is the endpoint as people write it: "POST /containers/{id}/start".
func (e Endpoint) String() string { return e.Method + " " + e.Path }

// Changes tells whether a request to it may change something on the engine.
func (e Endpoint) Changes() bool { return e.Method != http.MethodGet && e.Method != http.MethodHead }

// Serves tells whether a request, whose path may begin with a version, is one to
// this endpoint.
func (e Endpoint) Serves(method, path string) bool {
	path = versionInPath.ReplaceAllString(path, "")
	front, rest, placed := strings.Cut(e.Path, "{")
	if method != e.Method || !placed {
		return method == e.Method && path == e.Path
	}
	name, back, _ := strings.Cut(rest, "}")
	middle, begins := strings.CutPrefix(path, front)
	middle, ends := strings.CutSuffix(middle, back)
	// Of "/containers/json" the name would be "json": a path without places goes first.
	plain := func(e Endpoint) bool { return e.Method == method && e.Path == path }
	return begins && ends && middle != "" && (name == "name" || !strings.Contains(middle, "/")) && !slices.ContainsFunc(endpoints, plain)
}

var versionInPath = regexp.MustCompile(`^/v[0-9]+\.[0-9]+`)

// endpointOf is what a request is for, as people write it, and for what reason. One
// that is not in the table, and should be, has no reason.
func endpointOf(method, path string) (what string, reason string) {
	for _, e := range endpoints {
		if e.Serves(method, path) {
			return e.String(), e.For
		}
	}
	return method + " " + versionInPath.ReplaceAllString(path, ""), ""
}

// nowhere is the path of a request to the endpoint that concerns nothing there is.
func (e Endpoint) nowhere() (path string, query url.Values) {
	path = strings.NewReplacer("{id}", nobody, "{name}", "sha256:"+nobody).Replace(e.Path)
	query, _ = url.ParseQuery(e.query) // its own words
	return path, query
}
