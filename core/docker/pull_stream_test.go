package docker

import (
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

func TestWhatAPullsStreamSaysOfHowMuchHasCome(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stream   string
		done, of core.Size
	}{
		"nothing but layers that are there": {`{"status":"Already exists","progressDetail":{},"id":"a"}`, 0, 0},
		"two layers, one of them half":      {downloading("a", 100, 100) + downloading("b", 30, 60), 130, 160},
		"a layer that is gone on with after a cut": {
			downloading("a", 60, 100) + `{"status":"Retrying in 5 seconds","progressDetail":{},"id":"a"}` + downloading("a", 10, 40) + downloading("a", 40, 40),
			100, 100,
		},
		"a layer whose last word was dropped": {downloading("a", 60, 100) + `{"status":"Extracting","progressDetail":{"current":1,"total":100},"id":"a"}`, 100, 100},
		"one that is being unpacked for 3 s":  {downloading("a", 100, 100) + `{"status":"Extracting","progressDetail":{"current":3,"total":9000,"units":"s"},"id":"a"}`, 100, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var done, of core.Size
			if err := follow(strings.NewReader(row.stream), func(d, o core.Size) { done, of = d, o }); err != nil {
				t.Fatal(err)
			}
			if done != row.done || of != row.of {
				t.Errorf("%d of %d, want %d of %d", done, of, row.done, row.of)
			}
		})
	}
}

func downloading(layer string, current, total core.Size) string {
	return `{"status":"Downloading","progressDetail":{"current":` + number(current) + `,"total":` + number(total) + `},"id":"` + layer + `"}`
}

func number(n core.Size) string { return strings.TrimSuffix(n.String(), " B") }

func TestAPullsErrorShowsNoSignedURL(t *testing.T) {
	t.Parallel()
	err := follow(strings.NewReader(`{"errorDetail":{"message":"Get \"https://store.example/blob?X-Signature=secret&x=1\": EOF"},"error":"…"}`), nil)
	if want := `Get "https://store.example/blob?…": EOF`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
