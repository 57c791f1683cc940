package docker

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
)

func TestWhoseNameTheHostHas(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ config, host, want string }{
		"the user's own":                   {`{"Hostname":"h","Domainname":"d"}`, `{}`, `{"Domainname":"d","Hostname":"h"}`},
		"the beginning of the id":          {`{"Hostname":"0123456789ab","Domainname":"d"}`, `{}`, `{"Domainname":"d"}`},
		"like an id, but another's":        {`{"Hostname":"0123456789ac"}`, `{}`, `{"Hostname":"0123456789ac"}`},
		"the host's, in its namespace":     {`{"Hostname":"0123456789ab","Domainname":"d"}`, `{"UTSMode":"host"}`, `{"Domainname":"d"}`},
		"the host's, in its network":       {`{"Hostname":"big-iron"}`, `{"NetworkMode":"host"}`, `{}`},
		"the user's, in the host's":        {`{"Hostname":"h"}`, `{"NetworkMode":"host"}`, `{"Hostname":"h"}`},
		"another container's":              {`{"Hostname":"h","Domainname":"d"}`, `{"NetworkMode":"container:x"}`, `{}`},
		"like the host's, but in a bridge": {`{"Hostname":"big-iron"}`, `{"NetworkMode":"bridge"}`, `{"Hostname":"big-iron"}`},
	} {
		f := known(t, row.config, row.host, "", `{}`)
		f.HostName = "big-iron"
		if got := asJSON(t, f.stated().config); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
}

func TestWhatIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := known(t, `{"OnBuild":["RUN x"],"ArgsEscaped":true,"ExposedPorts":{"":{},"/tcp":{},"80/tcp":{},"90-99/udp":{}},"Image":"i"}`,
		`{"ContainerIDFile":"/f","PortBindings":{"/tcp":[{"HostPort":"1"}],"80/tcp":null}}`, "", `{}`)
	s := f.stated()
	for part, want := range map[string]string{
		asJSON(t, s.config): `{"ExposedPorts":{"80/tcp":{},"90-99/udp":{}}}`, asJSON(t, s.host): `{"PortBindings":{"80/tcp":null}}`,
	} {
		if part != want {
			t.Errorf("%s, want %s", part, want)
		}
	}
}

func TestWhoseMACAddressItIs(t *testing.T) {
	t.Parallel()
	const (
		running = `"State":{"StartedAt":"2026-05-01T10:00:00Z"},`
		never   = `"State":{"StartedAt":"0001-01-01T00:00:00Z"},`
	)
	for name, row := range map[string]struct {
		state, engine, network, mac, want string
	}{
		"the engine's, random":                            {running, "1.51", "front", "3a:01:02:03:04:05", ""},
		"the user's: no engine makes such a one":          {running, "1.51", "front", "00:11:22:33:44:55", "00:11:22:33:44:55"},
		"the user's: it has never run":                    {never, "1.51", "front", "3a:01:02:03:04:05", "3a:01:02:03:04:05"},
		"the engine's, from its IP address":               {running, "1.47", "front", "02:42:0a:00:00:07", ""},
		"the user's: that engine makes them from those":   {running, "1.47", "front", "3a:01:02:03:04:05", "3a:01:02:03:04:05"},
		"that older engines let nobody choose":            {running, "1.41", "front", "00:11:22:33:44:55", ""},
		"on a macvlan, whoever chose it":                  {running, "1.51", "lan", "3a:01:02:03:04:05", "3a:01:02:03:04:05"},
		"on a macvlan of an older engine, not the mode's": {running, "1.41", "lan", "02:42:0a:00:00:07", ""},
		"none": {running, "1.51", "front", "", ""},
	} {
		f := known(t, `{}`, `{"NetworkMode":"bridge"}`,
			row.state+`"NetworkSettings":{"Networks":{"`+row.network+`":{"MacAddress":"`+row.mac+`"}}}`, `{}`)
		f.EngineAPI = row.engine
		if got := f.endpoints()[row.network].text("MacAddress"); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// A MAC address that was asked for has to be there, and one that the engine has
// chosen for the successor is no difference.
func TestOnlyAMACAddressThatWasAskedForIsCompared(t *testing.T) {
	t.Parallel()
	made := func(mac string, started bool) facts {
		state := `"State":{"StartedAt":"0001-01-01T00:00:00Z"},`
		if started {
			state = `"State":{"StartedAt":"2026-05-01T10:00:00Z"},`
		}
		f := known(t, `{}`, `{"NetworkMode":"front"}`, state+`"NetworkSettings":{"Networks":{"front":{"MacAddress":"`+mac+`"}}}`, `{}`)
		f.EngineAPI = "1.51"
		return f
	}
	chosen, generated := "00:11:22:33:44:55", "3a:01:02:03:04:05"
	for name, row := range map[string]struct {
		was, is facts
		want    []string
	}{
		"it is there":               {made(chosen, true), made(chosen, false), nil},
		"it is lost":                {made(chosen, true), made("", false), []string{`Networks[front].MacAddress: nothing, was "` + chosen + `"`}},
		"the engine's, another one": {made(generated, true), made("3a:09:09:09:09:09", true), nil},
		"the engine's, not yet":     {made(generated, true), made("", false), nil},
	} {
		if diff := cmp.Diff(row.want, compare(row.was, row.is, nil, nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Compose has to find the id of the new image, or it makes the container once more.
func TestComposesWordForTheImageIsTheNewOnes(t *testing.T) {
	t.Parallel()
	was := known(t, `{"Labels":{"com.docker.compose.image":"sha256:old","com.docker.compose.config-hash":"h"}}`, `{}`, "", `{}`)
	for label, want := range map[string][]string{
		"sha256:new": nil, "sha256:old": nil, "sha256:other": {"Config.Labels[com.docker.compose.image] differs"},
	} {
		is := known(t, `{"Labels":{"com.docker.compose.image":"`+label+`","com.docker.compose.config-hash":"h"}}`, `{}`, "", `{}`)
		is.Container["Image"] = "sha256:new"
		if diff := cmp.Diff(want, compare(was, is, nil, nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", label, diff)
		}
	}
	body := was.body(core.Draft{}, "sha256:new", "1.51")
	if got := body.object("Labels").text("com.docker.compose.config-hash"); got != "h" {
		t.Errorf("the hash of the settings is %q, want what it was", got)
	}
}
