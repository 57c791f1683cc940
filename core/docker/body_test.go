package docker

import (
	"encoding/json"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
)

const (
	predecessorID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	networkID     = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
)

// read makes an object of JSON.
func read(t testing.TB, text string) object {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var o object
	if err := decoder.Decode(&o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// known makes facts of a container with that Config, HostConfig and rest, and of
// an image with that Config.
func known(t testing.TB, config, host, rest, image string) facts {
	t.Helper()
	if rest == "" {
		rest = `"Mounts": []`
	}
	f := facts{Container: read(t, `{"Id":"`+predecessorID+`","Config":`+config+`,"HostConfig":`+host+`,`+rest+`}`)}
	f.Image = object{"Config": map[string]any(read(t, image))}
	f.Networks = map[string]link{"bridge": {ID: "b", Driver: "bridge"}, "front": {ID: networkID, Driver: "bridge"}, "lan": {ID: "l", Driver: "macvlan"}}
	return f
}

// asJSON is what goes over the wire.
func asJSON(t testing.TB, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestTheImagesDefaultsAreSubtracted(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ config, image, want string }{
		"a variable as in the image goes, one with another value stays": {
			`{"Env":["B=mine","C=","A=1"]}`, `{"Env":["A=1","B=theirs"]}`, `{"Env":["B=mine","C="]}`,
		},
		"entrypoint and command as in the image go": {
			`{"Entrypoint":["/e"],"Cmd":["c"]}`, `{"Entrypoint":["/e"],"Cmd":["c"]}`, `{}`,
		},
		"a command of the user's own keeps the image's entrypoint open": {
			`{"Entrypoint":["/e"],"Cmd":["mine"]}`, `{"Entrypoint":["/e"],"Cmd":["c"]}`, `{"Cmd":["mine"]}`,
		},
		"the image's entrypoint without its command was given on purpose": {
			`{"Entrypoint":["/e"],"Cmd":null}`, `{"Entrypoint":["/e"],"Cmd":["c"]}`, `{"Entrypoint":["/e"],"Cmd":null}`,
		},
		"no command, in an image that has none, says nothing": { // newer engines do not tell none from an empty one
			`{"Entrypoint":["/e"],"Cmd":[]}`, `{"Entrypoint":["/e"],"Cmd":null}`, `{}`,
		},
		"a command under an entrypoint of the user's own is the user's": {
			`{"Entrypoint":["/mine"],"Cmd":["c"]}`, `{"Entrypoint":["/e"],"Cmd":["c"]}`, `{"Entrypoint":["/mine"],"Cmd":["c"]}`,
		},
		"an entrypoint that the user took away stays away": {
			`{"Entrypoint":null,"Cmd":["c"]}`, `{"Entrypoint":["/e"],"Cmd":["d"]}`, `{"Entrypoint":[""],"Cmd":["c"]}`,
		},
		"an empty entrypoint is not none": {
			`{"Entrypoint":[],"Cmd":["c"]}`, `{"Entrypoint":["/e"],"Cmd":["d"]}`, `{"Entrypoint":[],"Cmd":["c"]}`,
		},
		"user and stop signal as in the image go": {
			`{"User":"u","StopSignal":"SIGQUIT"}`, `{"User":"u","StopSignal":"SIGQUIT"}`, `{}`,
		},
		"a shell stays: no container inherits its image's": {
			`{"Shell":["/s"]}`, `{"Shell":["/s"]}`, `{"Shell":["/s"]}`,
		},
		"user and stop signal of the user's own stay": {
			`{"User":"me","StopSignal":"SIGINT"}`, `{"User":"u"}`, `{"User":"me","StopSignal":"SIGINT"}`,
		},
		"a working directory is compared as the engine cleans it": {
			`{"WorkingDir":"/app"}`, `{"WorkingDir":"/app/"}`, `{}`,
		},
		"a label as in the image goes, one with another value stays": {
			`{"Labels":{"a":"1","b":"mine","c":"3"}}`, `{"Labels":{"a":"1","b":"theirs"}}`, `{"Labels":{"b":"mine","c":"3"}}`,
		},
		"the image's ports go unless they are bound": {
			`{"ExposedPorts":{"80/tcp":{},"81/tcp":{},"82/tcp":{}}}`, `{"ExposedPorts":{"80/tcp":{},"81/tcp":{}}}`,
			`{"ExposedPorts":{"81/tcp":{},"82/tcp":{}}}`,
		},
		"the image's volumes go": {
			`{"Volumes":{"/data":{},"/mine":{}}}`, `{"Volumes":{"/data":{}}}`, `{"Volumes":{"/mine":{}}}`,
		},
		"a healthcheck as in the image goes": {
			`{"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000,"Retries":3}}`,
			`{"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000,"Retries":3}}`, `{"Healthcheck":null}`,
		},
		"of a healthcheck, what the user changed stays": {
			`{"Healthcheck":{"Test":["CMD","x"],"Interval":9000000000,"Retries":3}}`,
			`{"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000,"Retries":3}}`, `{"Healthcheck":{"Interval":9000000000}}`,
		},
		"of a healthcheck, also the interval at the start": {
			`{"Healthcheck":{"Test":["CMD","x"],"StartInterval":2000000000,"StartPeriod":1000000000}}`,
			`{"Healthcheck":{"Test":["CMD","x"],"StartInterval":5000000000,"StartPeriod":1000000000}}`,
			`{"Healthcheck":{"StartInterval":2000000000}}`,
		},
		"a healthcheck that the user switched off stays off": {
			`{"Healthcheck":{"Test":["NONE"],"Interval":5000000000}}`, `{"Healthcheck":{"Test":["CMD","x"],"Interval":5000000000}}`,
			`{"Healthcheck":{"Test":["NONE"]}}`,
		},
		"what nobody has heard of stays": {
			`{"Future":{"a":[1.50,null]},"StopTimeout":0,"Tty":true}`, `{"Future":"theirs"}`,
			`{"Future":{"a":[1.50,null]},"StopTimeout":0,"Tty":true}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, image := read(t, row.config), read(t, row.image)
			of := facts{Image: object{"Config": map[string]any(image)}, EnvInOrder: true}
			of.subtract(got, object{"81/tcp": nil})
			want := read(t, row.want)
			for _, o := range []object{got, want} { // null and missing are the same to the engine
				for _, key := range []string{"Env", "Healthcheck"} {
					if blank(o[key]) {
						delete(o, key)
					}
				}
			}
			if diff := cmp.Diff(asJSON(t, want), asJSON(t, got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Put back under what is left, the same defaults give the same container.
			merge(got, image)
			again := read(t, row.config)
			for _, o := range []object{got, again} {
				if dir := o.text("WorkingDir"); dir != "" {
					o["WorkingDir"] = path.Clean(dir) // some engines do so with an image's, some do not
				}
			}
			got["Env"], again["Env"] = byName(got.texts("Env")), byName(again.texts("Env"))
			c := comparison{}
			c.objects("", "", again, got)
			for _, line := range c.lines {
				t.Errorf("merged again: %s", line)
			}
		})
	}
}

func TestTheBodyOfACreateCall(t *testing.T) {
	t.Parallel()
	const self = `"NetworkSettings":{"Networks":{"front":{"Aliases":["site","0123456789ab","` + predecessorID + `"],
		"IPAMConfig":{"IPv4Address":"10.0.0.7","IPv6Address":""},"IPAddress":"10.0.0.7","MacAddress":"02:42:0a:00:00:07",
		"NetworkID":"x","DNSNames":["web"],"GwPriority":5,"Links":["db:d"]},"bridge":{"Aliases":["not-here"],"IPAMConfig":{}}}}`
	for name, row := range map[string]struct {
		f    facts
		api  string
		want map[string]string // path → JSON, "" for nothing
	}{
		"a field that nobody has heard of goes over as it came": {
			known(t, `{"Env":[],"Future":{"b":[]}}`,
				`{"FutureLimit":{"a":[1.50,12345678901234567890]},"NetworkMode":"front","Mounts":[{"Type":"new","FutureOptions":{"x":null}}]}`,
				`"NetworkSettings":{"Networks":{"front":{"Future":0,"IPAMConfig":{"IPv8Address":"1"}}}}`, `{}`), "1.51",
			map[string]string{
				"Future": `{"b":[]}`, "HostConfig.FutureLimit": `{"a":[1.50,12345678901234567890]}`,
				"HostConfig.Mounts":                `[{"FutureOptions":{"x":null},"Type":"new"}]`,
				"NetworkingConfig.EndpointsConfig": `{"front":{"Future":0,"IPAMConfig":{"IPv8Address":"1"}}}`,
			},
		},
		"the host's name goes if it is the container's own id": {
			known(t, `{"Hostname":"0123456789ab","Domainname":"d"}`, `{}`, "", `{}`), "1.51",
			map[string]string{"Hostname": "", "Domainname": `"d"`},
		},
		"in another container's network there is no name and no network": {
			known(t, `{"Hostname":"h","Domainname":"d","MacAddress":"m"}`, `{"NetworkMode":"container:x"}`, self, `{}`), "1.51",
			map[string]string{"Hostname": "", "Domainname": "", "MacAddress": "", "NetworkingConfig.EndpointsConfig": `{}`},
		},
		"the links are said as create wants them": {
			known(t, `{}`, `{"Links":["/db:/web/alias","/a:/web/b"]}`, "", `{}`), "1.51",
			map[string]string{"HostConfig.Links": `["a:b","db:alias"]`},
		},
		"anonymous volumes are bound by their names": {
			known(t, `{"Volumes":{"/data":{},"/user":{},"/over":{}}}`,
				`{"Binds":["named:/named","/over"],"Mounts":[{"Type":"volume","Target":"/mount"},{"Type":"volume","Target":"/far","Future":1}],"ContainerIDFile":"f"}`,
				`"Mounts":[{"Type":"volume","Name":"v1","Destination":"/data","RW":true},
					{"Type":"volume","Name":"v2","Destination":"/user","RW":false,"Mode":"z"},
					{"Type":"volume","Name":"named","Destination":"/named","RW":true},
					{"Type":"volume","Name":"v3","Destination":"/over","RW":true},
					{"Type":"volume","Name":"v4","Destination":"/mount","RW":true},
					{"Type":"bind","Source":"/s","Destination":"/s"}]`, `{"Volumes":{"/data":{}}}`), "1.51",
			map[string]string{
				"Volumes": `{"/over":{},"/user":{}}`, "HostConfig.ContainerIDFile": "",
				"HostConfig.Binds":  `["named:/named","v3:/over","v1:/data","v2:/user:z,ro"]`,
				"HostConfig.Mounts": `[{"Source":"v4","Target":"/mount","Type":"volume"},{"Future":1,"Target":"/far","Type":"volume"}]`,
			},
		},
		"from API 1.44 on all networks are named, with what the user said of them": {
			known(t, `{"MacAddress":"aa:bb"}`, `{"NetworkMode":"`+networkID[:12]+`"}`, self, `{}`), "1.44",
			map[string]string{
				"MacAddress": "",
				"NetworkingConfig.EndpointsConfig": `{"bridge":{},"front":{"Aliases":["site"],"GwPriority":5,` +
					`"IPAMConfig":{"IPv4Address":"10.0.0.7"},"Links":["db:d"],"MacAddress":"aa:bb"}}`,
			},
		},
		"before, only the one of the mode, and the address for the container": {
			known(t, `{"MacAddress":"aa:bb"}`, `{"NetworkMode":"front"}`, self, `{}`), "1.43",
			map[string]string{
				"MacAddress": `"aa:bb"`,
				"NetworkingConfig.EndpointsConfig": `{"front":{"Aliases":["site"],"GwPriority":5,` +
					`"IPAMConfig":{"IPv4Address":"10.0.0.7"},"Links":["db:d"]}}`,
			},
		},
		"on a macvlan the address is kept whoever chose it": {
			known(t, `{}`, `{"NetworkMode":"lan"}`, `"NetworkSettings":{"Networks":{"lan":{"MacAddress":"aa:cc"}}}`, `{}`), "1.51",
			map[string]string{"NetworkingConfig.EndpointsConfig": `{"lan":{"MacAddress":"aa:cc"}}`},
		},
		"the labels carry the mark, and compose's image is the new one": {
			known(t, `{"Labels":{"com.docker.compose.image":"old","refit.replacement":"old","own":"1"}}`, `{}`, "", `{}`), "1.51",
			map[string]string{
				"Labels": asJSON(t, map[string]string{
					"com.docker.compose.image": "sha256:new", "own": "1", "refit.replacement": core.Mark{Attempt: "a"}.String(),
				}),
				"Image": `"nginx:1"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := asJSON(t, row.f)
			body := row.f.body(core.Draft{Reference: "nginx:1", Mark: core.Mark{Attempt: "a"}}, "sha256:new", row.api)
			for name, want := range row.want {
				at, keys := body, strings.Split(name, ".")
				for _, key := range keys[:len(keys)-1] {
					at = at.object(key)
				}
				got := ""
				if value, there := at[keys[len(keys)-1]]; there {
					got = asJSON(t, value)
				}
				if got != want {
					t.Errorf("%s is %s, want %s", name, got, want)
				}
			}
			if after := asJSON(t, row.f); after != before {
				t.Errorf("the facts were changed:\n%s", cmp.Diff(before, after))
			}
		})
	}
}

func TestWhichVariablesAreTheImages(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		inOrder          bool
		env, image, want string
	}{
		"those at the end, as in the image":                 {true, "B=mine C= A=1", "A=1 B=theirs", "B=mine C="},
		"none before one of the user's own":                 {true, "A=1 B=mine D=4", "A=1 D=4", "A=1 B=mine"},
		"all, where the user said nothing":                  {true, "A=1 A=1 B=2", "A=1 A=1 B=2", ""},
		"none that is there twice, where the user said any": {true, "A=1 A=1 B=2", "A=1 B=2", "A=1 A=1"},
		"those as in the image, where its order is not theirs": {
			true, "A=1 B=mine C=3", "C=3 A=1 D=4", "B=mine",
		},
		"those as in the image, on an engine without an order": {false, "A=1 B=mine C=", "C=3 A=1", "B=mine C="},
	} {
		got := facts{EnvInOrder: row.inOrder}.ownEnv(strings.Fields(row.env), strings.Fields(row.image))
		if strings.Join(got, " ") != row.want {
			t.Errorf("%s: %q are the user's, want %q", name, got, row.want)
		}
	}
}

func TestVolumesOfOtherContainersAreNotBound(t *testing.T) {
	t.Parallel()
	f := known(t, `{}`, `{"VolumesFrom":["other"]}`, `"Mounts":[
		{"Type":"volume","Name":"theirs","Destination":"/theirs","RW":true},
		{"Type":"volume","Name":"own","Destination":"/own","RW":true}]`, `{}`)
	f.Inherited = map[string]string{"/theirs": "theirs", "/own": "of another one by now"}
	want := map[string]string{"/own": "own:/own"}
	if diff := cmp.Diff(want, f.stated().volumes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDifferencesNameTheFieldAndNoSecret(t *testing.T) {
	t.Parallel()
	was := known(t, `{"Env":["TOKEN=abc","GONE=1"],"Cmd":["--password=abc"],"Labels":{"Name":"abc","a":""},"User":"me"}`,
		`{"Memory":1048576,"Privileged":false,"LogConfig":{"Type":"x","Config":{"token":"abc"}},"Tmpfs":{"/t":""},"MaskedPaths":[],
			"Future":{"Size":1},"RestartPolicy":{"Name":"no"},"NetworkMode":"default"}`, "", `{}`)
	is := known(t, `{"Env":["TOKEN=def","NEW=abc"],"Cmd":["--password=def"],"Labels":{"Name":"def"},"User":"you"}`,
		`{"Memory":0,"Privileged":true,"LogConfig":{"Type":"x","Config":{"token":"def"}},"MaskedPaths":null,
			"Future":{"Size":2},"RestartPolicy":{"Name":""},"NetworkMode":"bridge","Binds":[]}`, "", `{}`)
	want := []string{
		"Config.Cmd differs", "Config.Env[GONE] is missing", "Config.Env[NEW] is new", "Config.Env[TOKEN] differs",
		"Config.Labels[Name] differs", "Config.Labels[a] is missing", `Config.User: "you", was "me"`,
		"HostConfig.Future.Size: 2, was 1", "HostConfig.LogConfig.Config.token differs", "HostConfig.MaskedPaths differs",
		"HostConfig.Memory: 0, was 1048576", "HostConfig.Privileged: true, was false", "HostConfig.Tmpfs[/t] is missing",
	}
	got := compare(was, is, nil, nil)
	for i, line := range got {
		if strings.Contains(line, "abc") || strings.Contains(line, "def") {
			t.Errorf("a value is shown: %s", line)
		}
		got[i] = line
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatTheImagesExplainIsNoDifference(t *testing.T) {
	t.Parallel()
	was := known(t, `{"Env":["A=old","USER=same"],"Entrypoint":["/e"],"Cmd":["old"],"WorkingDir":"/old","Labels":{"v":"1"},"ExposedPorts":{"80/tcp":{}}}`,
		`{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]}}`,
		`"Mounts":[{"Type":"volume","Name":"v1","Destination":"/data","RW":true}]`,
		`{"Env":["A=old"],"Entrypoint":["/e"],"Cmd":["old"],"WorkingDir":"/old","Labels":{"v":"1"},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}}}`)
	image := `{"Env":["A=new","USER=same","B=2"],"Entrypoint":["/f"],"Cmd":["new"],"WorkingDir":"/new/","Labels":{"v":"2"},"User":"u","Volumes":{"/more":{}}}`
	is := known(t, `{"Env":["USER=same","A=new","B=2"],"Entrypoint":["/f"],"Cmd":["new"],"WorkingDir":"/new","Labels":{"v":"2"},"User":"u",
			"ExposedPorts":{"80/tcp":{}},"Volumes":{"/more":{}}}`,
		`{"PortBindings":{"80/tcp":[{"HostPort":"8080"}]},"Binds":["v1:/data"]}`,
		`"Mounts":[{"Type":"volume","Name":"v1","Destination":"/data","RW":true},{"Type":"volume","Name":"v2","Destination":"/more","RW":true}]`, image)
	if got := compare(was, is, nil, nil); len(got) > 0 {
		t.Errorf("differences: %q", got)
	}
	is.Container.objects("Mounts")[0]["Name"] = "another"
	want := []string{`Mounts[/data].Name: "another", was "v1"`}
	if diff := cmp.Diff(want, compare(was, is, nil, nil)); diff != "" {
		t.Errorf("another volume in its place (-want +got):\n%s", diff)
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"Id":"0123456789ab","Config":{"Env":["A=1"],"Labels":{"a":"b"},"Volumes":{"/d":{}}},"HostConfig":{"Binds":["a:/b:ro"],
		"Links":["/a:/b/c"]},"Mounts":[{"Type":"volume","Name":"n","Destination":"/d"}],
		"NetworkSettings":{"Networks":{"front":{"Aliases":["x"]}}}}`), []byte(`{"Config":{"Env":["A=1"],"Healthcheck":{"Test":["NONE"]}}}`))
	f.Add([]byte(`{"Config":{"Labels":{"a":{}},"Healthcheck":[]},"HostConfig":{"Binds":[1],"Mounts":[null,{}]}}`), []byte(`{"Config":{"Labels":{"a":{}}}}`))
	f.Fuzz(func(t *testing.T, container, image []byte) {
		var was facts
		if json.Unmarshal(container, &was.Container) != nil || json.Unmarshal(image, &was.Image) != nil {
			t.Skip()
		}
		before := asJSON(t, was)
		for _, api := range []string{"1.41", "1.51"} {
			asJSON(t, was.body(core.Draft{Reference: "a"}, "b", api))
		}
		compare(was, was, nil, nil)
		if after := asJSON(t, was); after != before {
			t.Errorf("the facts were changed: %s", cmp.Diff(before, after))
		}
	})
}
