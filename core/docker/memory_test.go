package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
)

// desk answers as an engine does of whose containers nobody knows anything but lists
// and inspections, and counts what it is asked.
type desk struct {
	mu         sync.Mutex
	containers []container.InspectResponse
	images     []image.InspectResponse
	asked      map[string]int // "containers", "container", "images", "image", "networks"
	lists      func(*container.Summary)
	inspecting func(id string) // called between looking and answering
	events     chan events.Message
	cut        chan struct{}
}

// furnish opens a desk with n containers of i images, and a client of it.
func furnish(tb testing.TB, n, i int) (*desk, *Client) {
	tb.Helper()
	d := &desk{asked: map[string]int{}, events: make(chan events.Message), cut: make(chan struct{})}
	for at := range i {
		d.images = append(d.images, image.InspectResponse{
			ID: fmt.Sprintf("sha256:%064d", at), Os: "linux", Architecture: "amd64", RepoTags: []string{fmt.Sprintf("app%d:1", at)},
			RepoDigests: []string{fmt.Sprintf("app%d@sha256:%064d", at, at)},
		})
	}
	for at := range n {
		c := inspected(fmt.Sprintf("web%d", at))
		c.ID, c.Image, c.Config.Image = fmt.Sprintf("%064d", at), d.images[at%i].ID, d.images[at%i].RepoTags[0]
		c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SECRET=hunter2"}
		c.Config.Labels = map[string]string{
			"refit.enable": "true", "refit.schedule": fmt.Sprintf("%d %d * * *", at%60, at%24),
			composeProject: fmt.Sprintf("p%d", at/10), composeService: fmt.Sprintf("s%d", at%10),
		}
		if at%10 > 0 {
			c.Config.Labels[composeDependsOn] = fmt.Sprintf("s%d:service_started:false", at%10-1)
		}
		c.NetworkSettings = &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{
			"bridge": {NetworkID: "b0", EndpointID: fmt.Sprintf("%064d", at), IPAddress: "172.17.0.2"},
		}}
		d.containers = append(d.containers, c)
	}
	server := httptest.NewServer(d)
	tb.Cleanup(server.Close)
	client, err := New(Options{Host: strings.Replace(server.URL, "http", "tcp", 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return d, client
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
	kind, id, one := strings.Cut(strings.TrimSuffix(path, "/json"), "/")
	switch {
	case r.URL.Path == "/version":
		fmt.Fprint(w, `{"Version":"20.10","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64","Components":[{"Name":"Engine"}]}`)
		return
	case kind == "events":
		d.tell(w, r)
		return
	case one:
		kind = strings.TrimSuffix(kind, "s")
	}
	answer, found := d.answer(kind, id)
	w.Header().Set("Api-Version", "1.41") // by which an engine's answers are known
	w.Header().Set("Content-Type", "application/json")
	if !found {
		w.WriteHeader(http.StatusNotFound)
		answer = map[string]string{"message": "no such " + kind}
	}
	_ = json.NewEncoder(w).Encode(answer) // a client that has gone is no failure
}

func (d *desk) answer(kind, id string) (answer any, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[kind]++
	switch kind {
	case "containers":
		return d.list(), true
	case "container":
		i := slices.IndexFunc(d.containers, func(c container.InspectResponse) bool { return c.ID == id })
		if i < 0 {
			return nil, false
		}
		answer, _ := json.Marshal(d.containers[i])
		if d.inspecting != nil {
			d.inspecting(id)
		}
		return json.RawMessage(answer), true
	case "images":
		all := []image.Summary{}
		for _, i := range d.images {
			all = append(all, image.Summary{ID: i.ID, RepoTags: i.RepoTags, RepoDigests: i.RepoDigests, Size: i.Size})
		}
		return all, true
	case "image":
		i := slices.IndexFunc(d.images, func(i image.InspectResponse) bool { return i.ID == id })
		if i < 0 {
			return nil, false
		}
		return d.images[i], true
	}
	return []network.Inspect{{Name: "bridge", ID: "b0"}}, true
}

// list is what an engine's list says of the containers: by far not all.
func (d *desk) list() []container.Summary {
	all := []container.Summary{}
	for _, c := range d.containers {
		s := container.Summary{
			ID: c.ID, Names: []string{c.Name}, Image: c.Config.Image, ImageID: c.Image, State: c.State.Status,
			Labels: c.Config.Labels, NetworkSettings: &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{}},
		}
		s.HostConfig.NetworkMode = string(c.HostConfig.NetworkMode)
		for name, e := range c.NetworkSettings.Networks {
			s.NetworkSettings.Networks[name] = &network.EndpointSettings{NetworkID: e.NetworkID, EndpointID: e.EndpointID, IPAddress: e.IPAddress}
		}
		if d.lists != nil {
			d.lists(&s)
		}
		all = append(all, s)
	}
	return all
}

func (d *desk) tell(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	for {
		select {
		case e := <-d.events:
			_ = json.NewEncoder(w).Encode(e)
			_ = http.NewResponseController(w).Flush()
		case <-r.Context().Done():
			return
		case <-d.cut:
			return
		}
	}
}

// watch has the client watch until the test ends. It returns when the stream stands.
func (d *desk) watch(tb testing.TB, c *Client) (heard <-chan core.Event, ended <-chan error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, errs := make(chan core.Event), make(chan error, 1)
	var group sync.WaitGroup
	group.Go(func() { errs <- c.Watch(ctx, func(e core.Event) { events <- e }) })
	tb.Cleanup(group.Wait)
	tb.Cleanup(cancel)
	<-events
	return events, errs
}

// count lists, and returns how often was asked for what.
func (d *desk) count(tb testing.TB, c *Client) ([]core.Container, map[string]int) {
	tb.Helper()
	d.mu.Lock()
	clear(d.asked)
	d.mu.Unlock()
	all, err := c.Containers(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return all, maps.Clone(d.asked)
}

func TestASecondListingOfAThousandContainersAsksThreeQuestions(t *testing.T) {
	t.Parallel()
	d, c := furnish(t, 1000, 200)
	d.watch(t, c)
	first, asked := d.count(t, c)
	if diff := cmp.Diff(map[string]int{"containers": 1, "container": 1000, "images": 1, "image": 200, "networks": 1}, asked); diff != "" {
		t.Errorf("the first listing (-want +got):\n%s", diff)
	}
	second, asked := d.count(t, c)
	if diff := cmp.Diff(map[string]int{"containers": 1, "images": 1, "networks": 1}, asked); diff != "" {
		t.Errorf("the second (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(first, second); diff != "" || len(second) != 1000 {
		t.Errorf("what is remembered is not what was told (-told +remembered):\n%s", diff)
	}
	for id, n := range c.memory.containers.notes {
		if encoded, _ := json.Marshal(n.answer); strings.Contains(string(encoded), "hunter2") {
			t.Fatalf("of %s the environment is remembered", id)
		}
	}
}

func TestWithoutEventsNothingIsRemembered(t *testing.T) {
	t.Parallel()
	d, c := furnish(t, 3, 2)
	want := map[string]int{"containers": 1, "container": 3, "image": 2, "networks": 1}
	for range 2 {
		if _, asked := d.count(t, c); !maps.Equal(asked, want) {
			t.Errorf("asked for %v, want %v", asked, want)
		}
	}
	_, ended := d.watch(t, c)
	d.count(t, c)
	d.cut <- struct{}{}
	if err := <-ended; err == nil {
		t.Error("the stream was lost, and watching ended without an error")
	}
	if _, asked := d.count(t, c); !maps.Equal(asked, want) {
		t.Errorf("after the stream was lost, asked for %v, want %v", asked, want)
	}
	d.watch(t, c)
	if _, asked := d.count(t, c); asked["container"] != 3 {
		t.Errorf("when the stream stands again, asked for %v: what happened meanwhile was missed", asked)
	}
}

func TestWhatMayHaveChangedIsInspected(t *testing.T) {
	t.Parallel()
	web, other := fmt.Sprintf("%064d", 0), fmt.Sprintf("%064d", 1)
	for name, row := range map[string]struct {
		edit   func(d *desk)
		event  *events.Message // is told after the edit
		lists  func(*container.Summary)
		asked  map[string]int // of inspections
		always bool           // also when it is listed once more
	}{
		"nothing":            {},
		"its health":         {event: about(web, "health_status: healthy"), asked: map[string]int{"container": 1}},
		"its restart policy": {event: about(web, "update"), asked: map[string]int{"container": 1}},
		"an endpoint while it was stopped": {
			event: &events.Message{Type: "network", Action: "disconnect", Actor: events.Actor{ID: "b0", Attributes: map[string]string{"container": web}}},
			asked: map[string]int{"container": 1},
		},
		"a network": {event: &events.Message{Type: "network", Action: "disconnect", Actor: events.Actor{ID: "b0"}}},
		"its name":  {edit: func(d *desk) { d.containers[0].Name = "/renamed" }, asked: map[string]int{"container": 1}},
		"its state": {edit: func(d *desk) { d.containers[0].State.Status = "exited" }, asked: map[string]int{"container": 1}},
		"its networks": {
			edit: func(d *desk) {
				d.containers[0].NetworkSettings.Networks["back"] = &network.EndpointSettings{NetworkID: "b1"}
			},
			asked: map[string]int{"container": 1},
		},
		"its endpoint": {
			edit:  func(d *desk) { d.containers[0].NetworkSettings.Networks["bridge"].EndpointID = "anew" },
			asked: map[string]int{"container": 1},
		},
		"itself, and the name is the same": {edit: func(d *desk) { d.containers[0].ID = "anew" }, asked: map[string]int{"container": 1}},
		"it is gone":                       {edit: func(d *desk) { d.containers = d.containers[1:] }},
		"its image's tag": {
			edit: func(d *desk) { d.images[0].RepoTags = append(d.images[0].RepoTags, "app0:2") }, asked: map[string]int{"image": 1},
		},
		"its image's digests": {edit: func(d *desk) { d.images[0].RepoDigests = nil }, asked: map[string]int{"image": 1}},
		"its image is gone":   {edit: func(d *desk) { d.images = d.images[1:] }, asked: map[string]int{"image": 1}, always: true},
		"another image is gone": {
			event: &events.Message{Type: "image", Action: "delete", Actor: events.Actor{ID: "sha256:1"}}, asked: map[string]int{"image": 2},
		},
		"a link, which follows another one's name": {
			edit:  func(d *desk) { d.containers[1].HostConfig.Links = []string{"/web0:/web1/web"} },
			event: about(other, "start"), asked: map[string]int{"container": 1}, always: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, c := furnish(t, 4, 2)
			heard, _ := d.watch(t, c)
			d.count(t, c)
			if row.edit != nil {
				d.mu.Lock()
				row.edit(d)
				d.mu.Unlock()
			}
			if row.event != nil {
				d.events <- *row.event
				d.events <- *about("nobody", "kill") // when that is heard, so is the one before
				for e := range heard {
					if e.ID == "nobody" {
						break
					}
				}
			}
			got, asked := d.count(t, c)
			maps.DeleteFunc(asked, func(kind string, _ int) bool { return strings.HasSuffix(kind, "s") })
			if diff := cmp.Diff(row.asked, asked); diff != "" && len(row.asked)+len(asked) > 0 {
				t.Errorf("inspections (-want +got):\n%s", diff)
			}
			d.same(t, got)
			got, asked = d.count(t, c)
			if again := asked["container"]+asked["image"] > 0; again != row.always {
				t.Errorf("listed once more, it asks for %v", asked)
			}
			d.same(t, got)
		})
	}
}

func about(id string, action events.Action) *events.Message {
	return &events.Message{Type: "container", Action: action, Actor: events.Actor{ID: id}}
}

// same fails the test if a client that remembers nothing sees something else.
func (d *desk) same(t *testing.T, got []core.Container) {
	t.Helper()
	server := httptest.NewServer(d)
	defer server.Close()
	fresh, err := New(Options{Host: strings.Replace(server.URL, "http", "tcp", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	want, err := fresh.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-as it is +as it is listed):\n%s", diff)
	}
}

func TestWhatChangesWhileItIsInspectedIsInspectedAgain(t *testing.T) {
	t.Parallel()
	d, c := furnish(t, 4, 2)
	heard, _ := d.watch(t, c)
	web := d.containers[0].ID
	d.inspecting = func(id string) { // the answer is made, and not sent
		if id == web {
			d.events <- *about(web, "update")
			<-heard
		}
	}
	d.count(t, c)
	d.mu.Lock()
	d.inspecting = nil
	d.mu.Unlock()
	if _, asked := d.count(t, c); asked["container"] != 1 {
		t.Errorf("asked for %v, want one inspection of what had changed meanwhile", asked)
	}
}

func TestAListThatSaysTooLittleProvesNothing(t *testing.T) {
	t.Parallel()
	for name, lack := range map[string]func(*container.Summary){
		"no names":        func(s *container.Summary) { s.Names = nil },
		"no state":        func(s *container.Summary) { s.State = "" },
		"no image":        func(s *container.Summary) { s.ImageID = "" },
		"no network mode": func(s *container.Summary) { s.HostConfig.NetworkMode = "" },
		"no networks":     func(s *container.Summary) { s.NetworkSettings = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, c := furnish(t, 2, 1)
			d.lists = lack
			d.watch(t, c)
			d.count(t, c)
			if _, asked := d.count(t, c); asked["container"] != 2 {
				t.Errorf("asked for %v, want both containers", asked)
			}
		})
	}
}
