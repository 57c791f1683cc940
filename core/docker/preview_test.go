package docker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// asLines writes changes as "SETTING NAME: from → to".
func asLines(changes []core.Change) []string {
	text := func(value *string) string {
		if value == nil {
			return "nothing"
		}
		return fmt.Sprintf("%q", *value)
	}
	var lines []string
	for _, c := range changes {
		lines = append(lines, strings.TrimSuffix(c.Setting+" "+c.Name, " ")+": "+text(c.From)+" → "+text(c.To))
	}
	return lines
}

func TestAPreviewShowsWhatComesFromTheImagesOnly(t *testing.T) {
	t.Parallel()
	const image = `{"Env":["PATH=/bin","V=1"],"Entrypoint":["/run"],"Cmd":["a & b"],"User":"old","WorkingDir":"/old","StopSignal":"SIGINT",
		"Labels":{"v":"1","gone":""},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/old":{}},
		"Healthcheck":{"Test":["CMD","probe"],"Interval":30000000000}}`
	const volumes = `"Mounts":[{"Type":"volume","Name":"v1","Destination":"/old","RW":true},{"Type":"bind","Source":"/x","Destination":"/bound","RW":true}]`
	const next = `{"Env":["PATH=/usr/bin","W=2"],"Entrypoint":["/run","--new"],"Cmd":["c"],"User":"","WorkingDir":"/new/","StopSignal":"SIGQUIT",
		"Labels":{"v":"2","new":""},"ExposedPorts":{"80/tcp":{},"90/tcp":{}},"Volumes":{"/bound":{},"/more":{}},
		"Healthcheck":{"Test":["CMD-SHELL","probe"],"Interval":30000000000,"Retries":5}}`
	for name, test := range map[string]struct {
		config, host string
		next         string
		want         []string
	}{
		"everything that the image says": {
			`{"Env":["MINE=secret","PATH=/bin","V=1"],` + image[len(`{"Env":["PATH=/bin","V=1"],`):], `{"Binds":["/x:/bound"]}`, next,
			[]string{
				`USER: "old" → nothing`, `WORKDIR: "/old" → "/new"`, `ENTRYPOINT: "[\"/run\"]" → "[\"/run\",\"--new\"]"`,
				`CMD: "[\"a & b\"]" → "[\"c\"]"`,
				`ENV PATH: "/bin" → "/usr/bin"`, `ENV V: "1" → nothing`, `ENV W: nothing → "2"`,
				`EXPOSE: nothing → "90/tcp"`, `VOLUME: nothing → "/more"`,
				`LABEL gone: "" → nothing`, `LABEL new: nothing → ""`, `LABEL v: "1" → "2"`,
				`HEALTHCHECK cmd: "[\"CMD\",\"probe\"]" → "[\"CMD-SHELL\",\"probe\"]"`, `HEALTHCHECK retries: nothing → "5"`,
				`STOPSIGNAL: "SIGINT" → "SIGQUIT"`,
			},
		},
		"nothing that the user has said": {
			`{"Env":["PATH=/secret","V=secret","W=secret"],"Entrypoint":["/secret"],"Cmd":["--secret"],"User":"secret","WorkingDir":"/secret","StopSignal":"SIGUSR1",
				"Labels":{"v":"secret","gone":"secret","new":"secret"},"ExposedPorts":{"80/tcp":{},"90/tcp":{}},"Volumes":{"/more":{}},
				"Healthcheck":{"Test":["CMD","secret"],"Interval":1,"Retries":1}}`, `{"PortBindings":{"80/tcp":[{"HostPort":"1"}]}}`, next,
			nil,
		},
		"a part of a healthcheck beside the user's part": {
			`{"Healthcheck":{"Test":["CMD","secret"],"Interval":30000000000}}`, `{}`, `{"Healthcheck":{"Test":["CMD","new"],"Interval":60000000000}}`,
			[]string{`HEALTHCHECK interval: "30s" → "1m0s"`},
		},
		"no healthcheck where the user wants none": {
			`{"Healthcheck":{"Test":["NONE"]}}`, `{}`, `{"Healthcheck":{"Test":["CMD","new"]}}`, nil,
		},
		"a new entrypoint, and the user's command stays": {
			`{"Entrypoint":["/run"],"Cmd":["--secret"]}`, `{}`, `{"Entrypoint":["/go"],"Cmd":["c"]}`,
			[]string{`ENTRYPOINT: "[\"/run\"]" → "[\"/go\"]"`},
		},
		"an image that says the same": {image, `{}`, image, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := known(t, test.config, test.host, volumes, image)
			before := asJSON(t, f)
			got := asLines(preview(f, read(t, test.next)))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, line := range got {
				if strings.Contains(line, "secret") {
					t.Errorf("a user's value is shown: %s", line)
				}
			}
			if after := asJSON(t, f); after != before {
				t.Errorf("the facts were changed: %s", cmp.Diff(before, after))
			}
		})
	}
}

// FuzzPreview looks for values of users in what is shown. Images are strangers'.
func FuzzPreview(f *testing.F) {
	f.Add([]byte(`{"Env":["PATH=/bin"],"Entrypoint":["/run"],"Healthcheck":{"Test":["CMD","probe"]}}`),
		[]byte(`{"Env":["PATH=/usr/bin"],"Cmd":["c"],"Labels":{"v":"2"},"Volumes":{"/a":{}},"ExposedPorts":{"80/tcp":{}}}`))
	f.Add([]byte(`{"Entrypoint":[""],"Labels":[],"Volumes":{"/":1}}`), []byte(`{"Entrypoint":"","Env":[1,"="],"Healthcheck":[]}`))
	f.Fuzz(func(t *testing.T, image, next []byte) {
		was, err := answerOf(core.Defaults{Config: image})
		if err != nil || was == nil {
			t.Skip()
		}
		is, err := answerOf(core.Defaults{Config: next})
		if err != nil || is == nil || strings.Contains(string(image)+string(next), "s3cret") {
			t.Skip()
		}
		container := known(t, `{"Env":["PATH=s3cret","MINE=s3cret"],"Cmd":["s3cret"],"Labels":{"v":"s3cret"},"User":"s3cret",
			"Healthcheck":{"Test":["CMD","s3cret"]}}`, `{"Binds":["/s3cret:/s3cret"]}`, "", `{}`)
		container.Image = was
		for _, line := range asLines(preview(container, is.object("Config"))) {
			if strings.Contains(line, "s3cret") {
				t.Error(line)
			}
		}
	})
}
