package main

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

func TestWhatBecomesOfTheStateWithItsContainer(t *testing.T) {
	t.Parallel()
	nameless := strings.Repeat("0123456789abcdef", 4)
	volume := func(name, at string) core.Mount { return core.Mount{Type: "volume", Name: name, Destination: at} }
	for name, row := range map[string]struct {
		mounts []core.Mount
		folder string
		want   string // in the warning; "" for none
	}{
		"a volume with a name keeps it":                  {[]core.Mount{volume("refit-data", "/data")}, "/data", ""},
		"a folder of the host keeps it":                  {[]core.Mount{{Type: "bind", Source: "/srv", Destination: "/data"}}, "/data", ""},
		"a volume above it keeps it":                     {[]core.Mount{volume("refit-data", "/var")}, "/var/lib/refit", ""},
		"an anonymous volume goes":                       {[]core.Mount{volume(nameless, "/data")}, "/data", "an anonymous volume"},
		"a volume that the engine does not name goes":    {[]core.Mount{volume("", "/data")}, "/data", "an anonymous volume"},
		"an anonymous volume below one with a name goes": {[]core.Mount{volume("a", "/data"), volume(nameless, "/data/x")}, "/data/x", "an anonymous volume"},
		"memory goes":                  {[]core.Mount{{Type: "tmpfs", Destination: "/data"}}, "/data", "in memory"},
		"the container's own files go": {nil, "/data", "in no volume"},
		"a volume at a place that only begins alike is none": {[]core.Mount{volume("a", "/dat")}, "/data", "in no volume"},
	} {
		got := fleeting(row.mounts, row.folder)
		if (got == "") != (row.want == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
		if got != "" && !strings.HasSuffix(got, "use -v refit:"+row.folder) {
			t.Errorf("%s: %q does not say what to type", name, got)
		}
	}
}

func TestTheHintForAFolderThatMayNotBeWrittenNamesTheUser(t *testing.T) {
	t.Parallel()
	if got := stateHint(&os.PathError{Op: "open", Path: "/data", Err: fs.ErrPermission}, "/data"); !strings.Contains(got, "chown -R ") {
		t.Errorf("stateHint: %s", got)
	}
	if got := stateHint(fs.ErrInvalid, "/data"); !strings.Contains(got, "-v refit:/data") {
		t.Errorf("stateHint: %s", got)
	}
}
