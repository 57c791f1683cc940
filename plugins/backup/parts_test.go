package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/hooks"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := map[string]string{"dir": "/backup"}
	tests := map[string]struct {
		operator, labels map[string]string
		want             settings
		wrong            string // part of the error
	}{
		"nothing set":                 {operator: dir, want: settings{dir: "/backup", keep: 3}},
		"no folder":                   {wrong: "--backup-dir /backup"},
		"a folder from a label":       {labels: dir, wrong: "no folder"},
		"all set":                     {operator: dir, labels: map[string]string{"keep": "7", "restore": "true", "when": "cold", "paths": "/a, /b/,/a"}, want: settings{dir: "/backup", keep: 7, restore: true, paths: []string{"/a", "/b"}}},
		"the operator is stronger":    {operator: map[string]string{"dir": "/b", "keep": "9"}, labels: map[string]string{"keep": "7"}, want: settings{dir: "/b", keep: 9}},
		"hot":                         {operator: dir, labels: map[string]string{"when": "hot"}, want: settings{dir: "/backup", keep: 3, hot: true}},
		"a hot one is not restored":   {operator: dir, labels: map[string]string{"when": "hot", "restore": "true"}, wrong: "restore=true needs when=cold"},
		"keep none":                   {operator: dir, labels: map[string]string{"keep": "0"}, wrong: `keep="0": want a number from 1 to 1000`},
		"keep too many":               {operator: dir, labels: map[string]string{"keep": "1001"}, wrong: "keep"},
		"keep what is no number":      {operator: dir, labels: map[string]string{"keep": "all"}, wrong: "keep"},
		"restore as another word":     {operator: dir, labels: map[string]string{"restore": "yes"}, wrong: `restore="yes": want false or true`},
		"when as another word":        {operator: dir, labels: map[string]string{"when": "warm"}, wrong: `when="warm": want cold or hot`},
		"a path that is not absolute": {operator: dir, labels: map[string]string{"paths": "/a,b"}, wrong: `"b" is no path in the container`},
		"an empty path":               {operator: dir, labels: map[string]string{"paths": "/a,"}, wrong: "paths"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parse(&hooks.Update{Operator: tt.operator, Labels: tt.labels})
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("the error is %v, want one with %s", err, tt.wrong)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(settings{})); err != nil || diff != "" {
				t.Errorf("%v, (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	at := func(kind, place string) mount { return mount{Mount: hooks.Mount{Type: kind, Destination: place}} }
	all := []mount{at("volume", "/z"), at("bind", "/conf"), at("volume", "/data"), at("tmpfs", "/tmp")}
	tests := map[string]struct {
		paths []string
		want  string
		wrong string
	}{
		"all volumes, and no binds":   {want: "/data /z"},
		"what is asked for":           {paths: []string{"/z", "/conf"}, want: "/conf /z"},
		"a path that is no mount":     {paths: []string{"/dat"}, wrong: "paths: /dat is no mount of the container: it has /conf, /data, /z"},
		"a path inside of a mount":    {paths: []string{"/data/x"}, wrong: "no mount"},
		"memory that is not archived": {paths: []string{"/tmp"}, wrong: "type tmpfs"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chosen, err := settings{paths: tt.paths}.choose(all)
			var places []string
			for _, m := range chosen {
				places = append(places, m.Destination)
			}
			if got := strings.Join(places, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("the error is %v, want one with %q", err, tt.wrong)
			}
		})
	}
}

// good is a manifest that can be used.
const good = `{"version":1,"container":"db","id":"1","attempt":"0123456789abcdef","image":{},
"began":"2026-05-03T04:05:06Z","ended":"2026-05-03T04:05:07Z","later":"fields of later versions are fine",
"archives":[{"destination":"/data","type":"volume","volume":"v","inner":["a/b"],"file":"000-data.tar.zst","bytes":1,"packed":2,"entries":3,
"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}`

func TestManifestsThatLeadAstrayAreRefused(t *testing.T) {
	t.Parallel()
	if _, err := readManifest(strings.NewReader(good)); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	tests := map[string][2]string{
		"a later version":                   {`"version":1`, `"version":2`},
		"no version":                        {`"version":1,`, ``},
		"a container's name that leads out": {`"db"`, `".."`},
		"a container's name with a slash":   {`"db"`, `"db/x"`},
		"a file elsewhere":                  {"000-data.tar.zst", "../000-data.tar.zst"},
		"a hidden file":                     {"000-data.tar.zst", ".tar.zst"},
		"a place that is relative":          {`"/data"`, `"data"`},
		"a place that is not clean":         {`"/data"`, `"/data/.."`},
		"the root":                          {`"/data"`, `"/"`},
		"an inner place that leads out":     {"a/b", "../b"},
		"an inner place that is all":        {"a/b", "."},
		"another kind of mount":             {`"type":"volume"`, `"type":"tmpfs"`},
		"a negative number":                 {`"packed":2`, `"packed":-2`},
		"a sum that is none":                {"e3b0", "xxxx"},
		"a sum that is too short":           {"e3b0", ""},
		"no JSON":                           {"{", "["},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(good, tt[0], tt[1], 1)
			if m, err := readManifest(strings.NewReader(bad)); bad == good || err == nil {
				t.Errorf("it was taken: %+v", m)
			}
		})
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(good)
	f.Add(`{"version":1,"container":"a"}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := readManifest(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, a := range m.Archives {
			if strings.Contains(a.File, "/") || !strings.HasPrefix(a.Destination, "/") || strings.Contains(a.Destination+"/", "/../") {
				t.Errorf("it was taken: %+v", a)
			}
		}
	})
}

// archiveOf makes an archive; "x/" is a folder, "x=y" a file, "x>y" a hard link.
func archiveOf(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(1, 0)}
		name, content, isFile := strings.Cut(name, "=")
		link, to, isLink := strings.Cut(name, ">")
		switch {
		case isFile:
			h.Name, h.Size = name, int64(len(content))
		case isLink:
			h.Name, h.Typeflag, h.Linkname = link, tar.TypeLink, to
		default:
			h.Typeflag = tar.TypeDir
		}
		must(t, w.WriteHeader(h))
		_, err := io.WriteString(w, content)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

// paths reads an archive to its end.
func paths(e *entries) (string, error) {
	var all []string
	for {
		next, err := e.next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return strings.Join(all, " "), nil
		}
		if err != nil {
			return "", err
		}
		all = append(all, next.path)
	}
}

func TestArchivesAreReadStrictly(t *testing.T) {
	t.Parallel()
	whole := archiveOf(t, "./", "./a=content", "./b/", "./b/c=", "./b/d>./a", "./e=")
	tests := map[string]struct {
		archive []byte
		inner   []string
		want    string // the paths
		wrong   string
	}{
		"all of it":                {archive: whole, want: ". a b b/c b/d e"},
		"a folder's own name":      {archive: archiveOf(t, "data/", "data/"), wrong: "begins with"},
		"what is mounted inside":   {archive: whole, inner: []string{"b"}, want: ". a e"},
		"one file":                 {archive: archiveOf(t, "conf=x"), want: "."},
		"without its end":          {archive: whole[:len(whole)-1024], wrong: "ends too early"},
		"cut in a file":            {archive: whole[:1100], wrong: "ends too early"},
		"empty":                    {archive: make([]byte, 1024), wrong: "it is empty"},
		"nothing":                  {archive: nil, wrong: "ends too early"},
		"a path that leads out":    {archive: archiveOf(t, "./", "./../x="), wrong: "names"},
		"a link that leads out":    {archive: archiveOf(t, "./", "./x>../y"), wrong: "names"},
		"a file before its folder": {archive: archiveOf(t, "./", "./a/b="), wrong: "not in its folder"},
		"a file after its folder":  {archive: archiveOf(t, "./", "./a/", "./b/", "./a/c="), wrong: "not in its folder"},
		"a second root":            {archive: archiveOf(t, "./", "./"), wrong: "not in its folder"},
		"something below a file":   {archive: archiveOf(t, "./", "./a=", "./a/b="), wrong: "not in its folder"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := paths(read(bytes.NewReader(tt.archive), tt.inner))
			if got != tt.want || (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("got %s (%v), want %s (%s)", got, err, tt.want, tt.wrong)
			}
		})
	}
}

func TestCompareNamesTheFirstDifference(t *testing.T) {
	t.Parallel()
	all := []string{"./", "./a b=2", "./b/", "./b/x=3", "./b c=", "./d=4"}
	edit := func(i int, s ...string) []string {
		return append(append(append([]string{}, all[:i]...), s...), all[i+1:]...)
	}
	tests := map[string]struct {
		got  []string
		want string
	}{
		"the same":            {all, ""},
		"a missing file":      {edit(3), `"b/x" is missing`},
		"the last is missing": {edit(5), `"d" is missing`},
		"one too many":        {edit(4, "./b c=", "./c="), `"c" is there and should not be`},
		"one more at the end": {edit(5, "./d=4", "./e="), `"e" is there and should not be`},
		"other content":       {edit(3, "./b/x=5"), `"b/x": its content differs`},
		"more content":        {edit(3, "./b/x=33"), `"b/x": it has 2 bytes, not 1`},
		"another kind":        {edit(5, "./d/"), `"d": its type is '5', not '0'`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := compare(read(bytes.NewReader(archiveOf(t, all...)), nil), read(bytes.NewReader(archiveOf(t, tt.got...)), nil))
			if (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTheStoreCannotBeLeft(t *testing.T) {
	t.Parallel()
	s, err := openStore(t.TempDir())
	must(t, err)
	defer s.close()
	for _, name := range []string{"", ".", "..", "../x", "/etc", "a/b", "a\x00", "-x", strings.Repeat("x", 300)} {
		if _, err := s.draft(name, "0123456789abcdef"); err == nil {
			t.Errorf("it takes %q as a container's name", name)
		}
		if _, err := s.backups(name); err == nil {
			t.Errorf("it looks into %q", name)
		}
	}
	if _, err := s.draft("web", "../x"); err == nil {
		t.Error("it takes any attempt")
	}
	if _, err := openStore("relative"); err == nil {
		t.Error("it takes a relative folder")
	}
}

func TestSizesAreForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_960: "1.0 MB", 3_400_000_000: "3.4 GB", 1 << 62: "4.6 EB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
