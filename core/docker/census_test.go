package docker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
)

const webImage = "sha256:4be0000000000000000000000000000000000000000000000000000000000000"

// described is what core hears of a container called web, beside the others.
func described(t *testing.T, edit func(*container.InspectResponse), i *image.InspectResponse, others ...container.InspectResponse) core.Container {
	t.Helper()
	web := inspected("web")
	if edit != nil {
		edit(&web)
	}
	s := census{
		engine: version{OS: "linux", Arch: "amd64"}, containers: append(others, slimContainer(web)),
		images: map[string]image.InspectResponse{}, networks: []string{"bridge", "b0", "front", "f0"}, macvlans: []string{"lan"},
	}
	if i != nil {
		s.images[webImage] = slimImage(*i)
	}
	all := s.describe()
	return all[len(all)-1]
}

func inspected(name string) container.InspectResponse {
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: strings.Repeat(name[:1], 64), Name: "/" + name, Image: webImage, State: &container.State{Status: "running"},
			HostConfig: &container.HostConfig{NetworkMode: "bridge"},
		},
		Config: &container.Config{Image: "nginx:1", Labels: map[string]string{}},
	}
}

func tagged(tags ...string) *image.InspectResponse {
	return &image.InspectResponse{ID: webImage, Os: "linux", Architecture: "amd64", RepoTags: tags}
}

func TestObstacles(t *testing.T) {
	t.Parallel()
	label := func(name, value string) func(*container.InspectResponse) {
		return func(c *container.InspectResponse) { c.Config.Labels[name] = value }
	}
	mode := func(edit func(*container.HostConfig)) func(*container.InspectResponse) {
		return func(c *container.InspectResponse) { edit(c.HostConfig) }
	}
	from := func(text string) func(*container.InspectResponse) {
		return func(c *container.InspectResponse) { c.Config.Image = text }
	}
	plain := tagged("nginx:1")
	for name, row := range map[string]struct {
		edit  func(*container.InspectResponse)
		image *image.InspectResponse
		want  string // the beginning of the reason, "" for no obstacle
	}{
		"an ordinary container has none":            {nil, plain, ""},
		"--rm":                                      {mode(func(h *container.HostConfig) { h.AutoRemove = true }), plain, "unsupported: it was started with --rm"},
		"a reference that does not parse":           {from("nginx:a b"), plain, "bad-reference: reference"},
		"an id, of an image with one tag":           {from("sha256:4be"), tagged("nginx:1", core.KeptRepository+":a-b"), ""},
		"an id, of an image with two tags":          {from("4be0000"), tagged("a:1", "b:1"), "bad-reference: it was created from the image id"},
		"an id, of an image without tag":            {from("4be000000000"), tagged(), "bad-reference: it was created from the image id"},
		"a name that looks like an id":              {from("4be0000"), tagged("4be0000:latest"), ""},
		"an image that is gone is no obstacle here": {nil, nil, ""},
		"a Swarm task":                              {label("com.docker.swarm.task.id", "x"), plain, "unsupported: it is a task of a Swarm service"},
		"Kubernetes":                                {label("io.kubernetes.pod.name", "x"), plain, "unsupported: it belongs to Kubernetes"},
		"a systemd unit":                            {label("PODMAN_SYSTEMD_UNIT", "x.service"), plain, "unsupported: it belongs to the systemd unit x.service"},
		"a one-off of compose":                      {label("com.docker.compose.oneoff", "True"), plain, "unsupported: it is a one-off"},
		"not a one-off of compose":                  {label("com.docker.compose.oneoff", "False"), plain, ""},
		"a builder":                                 {func(c *container.InspectResponse) { c.Name = "/buildx_buildkit_x0" }, plain, "unsupported: it is a builder"},
		"a dead container":                          {func(c *container.InspectResponse) { c.State.Status = "dead" }, plain, "unsupported: it is dead"},
		"the network of a container that is there":  {mode(func(h *container.HostConfig) { h.NetworkMode = "container:db" }), plain, ""},
		"the network of a container that is gone":   {mode(func(h *container.HostConfig) { h.NetworkMode = "container:gone" }), plain, "unsupported: it shares the network namespace"},
		"the processes of a container that is gone": {mode(func(h *container.HostConfig) { h.PidMode = "container:gone" }), plain, "unsupported: it shares the pid namespace"},
		"the volumes of a container that is gone":   {mode(func(h *container.HostConfig) { h.VolumesFrom = []string{"gone:ro"} }), plain, "unsupported: it uses the volumes of the container gone"},
		"a network that is gone":                    {mode(func(h *container.HostConfig) { h.NetworkMode = "back" }), plain, "unsupported: its network back is gone"},
		"a network by its name":                     {mode(func(h *container.HostConfig) { h.NetworkMode = "front" }), plain, ""},
		"a network by its id":                       {mode(func(h *container.HostConfig) { h.NetworkMode = "f0" }), plain, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := described(t, row.edit, row.image, inspected("db")).Obstacles
			switch {
			case row.want == "" && len(got) > 0:
				t.Errorf("obstacles: %v", got)
			case row.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].String(), row.want)):
				t.Errorf("obstacles: %v, want %s…", got, row.want)
			}
		})
	}
}

func TestAnImageThatIsGoneIsToldWithItsDigestIfTheEngineKnowsIt(t *testing.T) {
	t.Parallel()
	descriptor := func(c *container.InspectResponse) {
		said := `{"ImageManifestDescriptor":{"digest":"sha256:0001","platform":{"os":"linux","architecture":"arm","variant":"v7"}}}`
		if err := json.Unmarshal([]byte(said), c); err != nil {
			t.Error(err)
		}
	}
	web := core.Reference{Text: "nginx:1", Repository: "docker.io/library/nginx", Tag: "1"}
	for name, row := range map[string]struct {
		edit  func(*container.InspectResponse)
		image *image.InspectResponse
		gone  bool
		want  core.Image
	}{
		"it is there":             {descriptor, tagged("nginx:1"), false, core.Image{Reference: web, ID: webImage}},
		"an id that is no digest": {nil, nil, true, core.Image{Reference: web, ID: webImage}},
		"an id that is its digest": {
			descriptor, nil, true,
			core.Image{Reference: web, ID: webImage, Digest: webImage, Platform: core.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := described(t, row.edit, row.image)
			if got.ImageGone != row.gone {
				t.Errorf("image gone: %t", got.ImageGone)
			}
			if diff := cmp.Diff(row.want, got.Image); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAContainerWithoutATagOfItsOwnFollowsItsImagesOnlyOne(t *testing.T) {
	t.Parallel()
	got := described(t, func(c *container.InspectResponse) { c.Config.Image = webImage }, tagged("nginx:1"))
	want := core.Reference{Text: "nginx:1", Repository: "docker.io/library/nginx", Tag: "1"}
	if diff := cmp.Diff(want, got.Image.Reference); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDependenciesAndTethers(t *testing.T) {
	t.Parallel()
	compose := func(c container.InspectResponse, project, service string) container.InspectResponse {
		c.Config.Labels[composeProject], c.Config.Labels[composeService] = project, service
		return c
	}
	got := described(t, func(c *container.InspectResponse) {
		*c = compose(*c, "shop", "web")
		c.Config.Labels[composeDependsOn] = "queue:service_started:false,search:service_healthy:true,missing"
		c.HostConfig.Links = []string{"/db:/web/alias"}
		c.HostConfig.VolumesFrom = []string{"files:ro", strings.Repeat("l", 12), strings.Repeat("y", 64) + ":ro"}
		c.HostConfig.IpcMode = container.IpcMode("container:" + strings.Repeat("x", 64))
		c.NetworkSettings = &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{
			"front": {Links: []string{"mail:m", "web:self"}}, "bridge": nil,
		}}
	}, tagged("nginx:1"), inspected("db"), inspected("files"), inspected("xorg"), inspected("mail"),
		inspected("lender"), inspected("yard"),
		compose(inspected("queue"), "shop", "queue"), compose(inspected("other"), "other", "queue"),
		compose(inspected("search"), "shop", "search"))
	if diff := cmp.Diff([]string{"db", "files", "lender", "mail", "queue", "search", "xorg", "yard"}, got.DependsOn); diff != "" {
		t.Errorf("depends on (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"db", "lender", "xorg", "yard"}, got.Tethers); diff != "" {
		t.Errorf("hangs on (-want +got):\n%s", diff)
	}
}

func TestMountsAreInTheOrderOfTheirPlaces(t *testing.T) {
	t.Parallel()
	got := described(t, func(c *container.InspectResponse) {
		c.Mounts = []container.MountPoint{
			{Type: "tmpfs", Destination: "/tmp", RW: true},
			{Type: "bind", Source: "/etc/web", Destination: "/etc/web"},
			{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data", RW: true},
		}
	}, tagged("nginx:1")).Mounts
	want := []core.Mount{
		{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data"},
		{Type: "bind", Source: "/etc/web", Destination: "/etc/web", ReadOnly: true},
		{Type: "tmpfs", Destination: "/tmp"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func TestOnlyAnotherPlatformIsNamed(t *testing.T) {
	t.Parallel()
	v := version{OS: "linux", Arch: "arm64"}
	for name, row := range map[string]struct {
		os, arch, variant string
		want              string
	}{
		"the engine's own":            {"linux", "arm64", "v8", ""},
		"another architecture":        {"linux", "arm", "v7", "linux/arm/v7"},
		"another, without a variant":  {"linux", "amd64", "", "linux/amd64"},
		"an image that does not tell": {"", "", "", ""},
	} {
		p, got := v.differs(row.os, row.arch, row.variant), ""
		if p != (core.Platform{}) {
			got = platformText(p)
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

func TestAMarkThatTheImageBroughtIsNone(t *testing.T) {
	t.Parallel()
	mark := core.Mark{Attempt: "a", Owner: "b", Predecessor: "c"}
	edit := func(c *container.InspectResponse) { c.Config.Labels[core.MarkLabel] = mark.String() }
	i := tagged("nginx:1")
	if got := described(t, edit, i); got.Mark == nil || got.Mark.String() != mark.String() {
		t.Errorf("its mark is %+v, want %+v", got.Mark, mark)
	}
	// As JSON, because the type of this field belongs to yet another module.
	if err := json.Unmarshal([]byte(`{"Config":{"Labels":{"`+core.MarkLabel+`":`+asJSON(t, mark.String())+`}}}`), i); err != nil {
		t.Fatal(err)
	}
	if got := described(t, edit, i); got.Mark != nil {
		t.Errorf("its mark is %+v, want none: it is the image's", got.Mark)
	}
}
