package registry_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

var amd64 = core.Platform{OS: "linux", Architecture: "amd64"}

// pushed puts an image, or an index of several, into the registry and names it.
func pushed(t *testing.T, reg *registrytest.Registry, images ...registrytest.Image) core.Image {
	t.Helper()
	digest, err := reg.PushImages("team/web", "1", images...)
	if err != nil {
		t.Fatal(err)
	}
	return core.Image{Reference: query(reg.Host + "/team/web:1").Reference, Digest: digest}
}

// says is an image that runs as that user.
func says(user string, platform v1.Platform) registrytest.Image {
	return registrytest.Image{Platform: platform, Config: v1.Config{User: user, Healthcheck: &v1.HealthConfig{Interval: time.Hour}}}
}

func TestConfigIsWhatTheImageOfThePlatformSays(t *testing.T) {
	t.Parallel()
	arm := func(variant string) v1.Platform {
		return v1.Platform{OS: "linux", Architecture: "arm", Variant: variant}
	}
	several := []registrytest.Image{
		says("six", arm("v6")), says("seven", arm("v7")), says("amd", v1.Platform{OS: "linux", Architecture: "amd64"}),
	}
	for name, test := range map[string]struct {
		images   []registrytest.Image
		platform core.Platform
		want     string
	}{
		"of a single image, whatever it is for": {several[:1], core.Platform{}, "six"},
		"of an index, the engine's own":         {several, core.Platform{}, "amd"},
		"of an index, the platform asked for":   {several, core.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, "seven"},
		"of an index, the first of unknown variant": {
			several, core.Platform{OS: "linux", Architecture: "arm"}, "six",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{Bearer: true, User: "u", Password: password})
			r := checker(t, loginFor(reg.Host, "u", password))
			r.Platform = amd64
			image := pushed(t, reg, test.images...)
			image.Platform = test.platform
			got, err := r.Config(t.Context(), image)
			if err != nil {
				t.Fatal(err)
			}
			var config map[string]any
			if err := json.Unmarshal(got.Config, &config); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"User": test.want, "Healthcheck": map[string]any{"Interval": 3.6e12}}
			if diff := cmp.Diff(want, config); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Platform != test.platform || len(got.RepoDigests) != 1 || got.RepoDigests[0].Digest != image.Digest {
				t.Errorf("it says of itself %+v", got)
			}
			if n := reg.Count(http.MethodGet, registrytest.Blobs); n != 1 {
				t.Errorf("%d blobs were fetched, want the configuration alone", n)
			}
		})
	}
}

func TestConfigIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	lie := func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte(`{"config":{"User":"root"}}`))
		return true
	}
	single := []registrytest.Image{says("web", v1.Platform{OS: "linux", Architecture: "arm64"})}
	for name, test := range map[string]struct {
		images  []registrytest.Image
		edit    func(*core.Image)
		trouble registrytest.Trouble
		want    core.Code
	}{
		"no image for the platform":     {append(single, single...), nil, nil, core.PlatformGone},
		"a digest that is not there":    {single, func(i *core.Image) { i.Digest = "sha256:" + zeros }, nil, core.NotFound},
		"an image without digest":       {single, func(i *core.Image) { i.Digest = "" }, nil, core.BadReference},
		"another manifest":              {single, nil, registrytest.On(http.MethodGet, registrytest.Manifests, lie), core.RegistryError},
		"another configuration":         {single, nil, registrytest.On(http.MethodGet, registrytest.Blobs, lie), core.RegistryError},
		"a registry that is overloaded": {single, nil, registrytest.On("", registrytest.Manifests, registrytest.Status(http.StatusTooManyRequests)), core.RateLimited},
		"one that wants a login":        {single, nil, registrytest.On("", registrytest.Manifests, registrytest.Status(http.StatusUnauthorized)), core.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{})
			image := pushed(t, reg, test.images...)
			if test.edit != nil {
				test.edit(&image)
			}
			reg.Misbehave(test.trouble)
			r := checker(t, "")
			r.Platform = amd64
			wantRefused(t, r, image, test.want)
		})
	}
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func wantRefused(t *testing.T, r *registry.Registry, image core.Image, want core.Code) {
	t.Helper()
	got, err := r.Config(t.Context(), image)
	var reason core.Reason
	if told, ok := err.(interface{ Reason() core.Reason }); ok {
		reason = told.Reason()
	}
	if reason.Code != want || got.Known() {
		t.Errorf("%v (%s), want %s; it says %s", err, reason.Code, want, got.Config)
	}
	discreet(t, core.Answer{Fault: reason})
}

func TestConfigOfARegistryThatHangsTakesNoLongerThanACheck(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	image := pushed(t, reg, says("web", v1.Platform{OS: "linux", Architecture: "amd64"}))
	reg.Misbehave(registrytest.On("", registrytest.Blobs, reg.Hang))
	r := checker(t, "")
	r.Timeout = 50 * time.Millisecond
	wantRefused(t, r, image, core.RegistryUnreachable)
}
