package docker

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettingsPointToSuccessors(t *testing.T) {
	t.Parallel()
	old, successor, other := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	want := aims{old: successor, "db": successor}
	lenders := map[string]string{old: old, "aaaa": old, "cccc": other}
	for name, row := range map[string]struct{ host, want string }{
		"a namespace, by id": {
			`{"NetworkMode":"container:` + old + `","IpcMode":"container:` + old + `","PidMode":"container:` + old + `"}`,
			`{"NetworkMode":"container:` + successor + `","IpcMode":"container:` + successor + `","PidMode":"container:` + successor + `"}`,
		},
		"a namespace, by name": {`{"NetworkMode":"container:db"}`, `{"NetworkMode":"container:` + successor + `"}`},
		"a namespace of another container": {
			`{"NetworkMode":"container:` + other + `","IpcMode":"shareable","PidMode":"host"}`,
			`{"NetworkMode":"container:` + other + `","IpcMode":"shareable","PidMode":"host"}`,
		},
		"links": {`{"Links":["db:alias","/db:other","mail:m"]}`, `{"Links":["` + successor + `:alias","` + successor + `:other","mail:m"]}`},
		"volumes, by id": {
			`{"VolumesFrom":["` + old + `:ro","aaaa","cccc:z"]}`, `{"VolumesFrom":["` + successor + `:ro","` + successor + `","cccc:z"]}`,
		},
		"volumes, by name": {`{"VolumesFrom":["db:ro"]}`, `{"VolumesFrom":["db:ro"]}`},
		"what is no text":  {`{"VolumesFrom":[1,"aaaa"],"Links":[null]}`, `{"VolumesFrom":[1,"` + successor + `"],"Links":[null]}`},
	} {
		got := read(t, row.host)
		want.apply(got, lenders)
		if diff := cmp.Diff(asJSON(t, read(t, row.want)), asJSON(t, got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
