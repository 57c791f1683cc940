package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunIsReported(t *testing.T) {
	t.Parallel()
	rows := map[string]struct {
		events []string
		passed bool
		want   string // without the line of figures' time
	}{
		"a package that passes shows its closing line": {
			[]string{
				`{"Action":"start","Package":"p"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Output":"PASS\n"}`,
				`{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			true, "ok  \tp\t0.1s\n1 tests passed, 0 failed, 0 skipped",
		},
		"a failure shows what the test said": {
			[]string{
				`{"Action":"start","Package":"p"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: wrong\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestA"}`,
				`{"Action":"fail","Package":"p"}`,
			},
			false, "    a_test.go:1: wrong\n0 tests passed, 1 failed, 0 skipped",
		},
		"a skip is named with its reason": {
			[]string{
				`{"Action":"start","Package":"p"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: no engine answers\n"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			true, "skipped: TestA: a_test.go:1: no engine answers\n0 tests passed, 0 failed, 1 skipped",
		},
		"what does not compile is shown and fails": {
			[]string{
				`{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined\n"}`,
				`{"ImportPath":"p","Action":"build-fail"}`,
			},
			false, "p.go:1: undefined\n0 tests passed, 0 failed, 0 skipped",
		},
		"a package that never ends fails": {
			[]string{
				`{"Action":"start","Package":"p"}`,
				`{"Action":"start","Package":"q"}`,
				`{"Action":"output","Package":"q","Test":"TestA","Output":"hm\n"}`,
				`{"Action":"pass","Package":"p"}`,
			},
			false, "unfinished: q TestA\nhm\n0 tests passed, 0 failed, 0 skipped",
		},
		"nothing at all fails":                {nil, false, "0 tests passed, 0 failed, 0 skipped"},
		"the go command's own words are kept": {[]string{"go: no such module"}, false, "go: no such module\n0 tests passed, 0 failed, 0 skipped"},
	}
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			passed, err := tests(strings.NewReader(strings.Join(tt.events, "\n")), &out)
			if err != nil {
				t.Fatal(err)
			}
			if passed != tt.passed {
				t.Errorf("passed is %v, want %v", passed, tt.passed)
			}
			got, _, _ := strings.Cut(out.String(), " in ")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}
