package host_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/hooks"
	"github.com/refit-dev/refit/hooks/host"
)

// folder makes a plugin folder with those plugins.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		install(t, dir, name)
	}
	return dir
}

// writeProgram writes an executable file. No process may be started meanwhile, which
// for a moment would have the file open for writing: it could not be run then.
func writeProgram(path string, text []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, text, 0o755)
}

// faultOf is why a hook cannot be used, without the name of the test's folder.
func faultOf(t *testing.T, h *host.Host, name string) core.Reason {
	t.Helper()
	r := h.Describe(t.Context(), []string{name})[name].Fault
	if h.Dir != "" {
		r.Text = strings.ReplaceAll(r.Text, h.Dir, "DIR")
		r.Text = strings.ReplaceAll(r.Text, filepath.Dir(h.Dir), "UP")
	}
	return r
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor", "polite")
	got := h.Describe(t.Context(), []string{"polite", "actor", "polite"})
	want := map[string]core.HookAnswer{
		"polite": {
			Stages: []core.Stage{core.PreUpdate, core.PostUpdate}, LabelKeys: []string{"keep"}, Keys: []string{"file", "keep", "url.*"},
		},
		"actor": {Stages: core.Stages(), LabelKeys: []string{"do"}, Keys: []string{"do", "path"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	h := newHost(t, "polite", "dies")
	h.Dir = folder(t, "actor", "no good")
	if err := os.WriteFile(filepath.Join(h.Dir, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := h.List(t.Context())
	path := h.Bundled["polite"][0]
	want := []host.Plugin{
		{
			Name: "actor", Path: filepath.Join(h.Dir, "refit-hook-actor"), Summary: "an actor", Stages: core.Stages(),
			Keys: []hooks.Key{{Name: "do", Label: true}, {Name: "path", Help: "h"}},
		},
		{Name: "dies", Path: path, Bundled: true, Fault: core.Reason{Code: core.HookUnusable}},
		{
			Name: "polite", Path: path, Bundled: true, Summary: "Does what it is told.", Version: "1.2.3",
			Stages: []core.Stage{core.PreUpdate, core.PostUpdate},
			Keys:   []hooks.Key{{Name: "file", Help: "a path"}, {Name: "keep", Help: "a number", Label: true}, {Name: "url.*", Help: "a URL"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(core.Reason{}, "Text")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHookThatIsNotThere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ name, want string }{
		"one that is near":          {"polit", "hook polit is not installed: did you mean polite?"},
		"none is near":              {"backup", "hook backup is not installed: there is actor, polite"},
		"a name that none can have": {"../actor", "hook ../actor is not installed: no hook can have that name"},
	}
	h := newHost(t, "polite")
	h.Dir = folder(t, "actor")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := core.Reason{Code: core.HookMissing, Text: tt.want}
			if got := faultOf(t, h, tt.name); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	t.Run("there is none at all", func(t *testing.T) {
		want := core.Reason{Code: core.HookMissing, Text: "hook x is not installed, and neither is any other"}
		if got := faultOf(t, &host.Host{}, "x"); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("the folder is not there", func(t *testing.T) {
		want := core.Reason{Code: core.HookMissing, Text: "hook x is not installed, and the plugin folder cannot be read: open DIR: no such file or directory"}
		if got := faultOf(t, &host.Host{Dir: filepath.Join(t.TempDir(), "none")}, "x"); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestFileWinsOverBundled(t *testing.T) {
	t.Parallel()
	h := newHost(t, "polite")
	h.Bundled["actor"] = h.Bundled["polite"]
	h.Dir = folder(t, "actor")
	if got := h.Describe(t.Context(), []string{"actor"})["actor"]; len(got.Stages) != 5 {
		t.Errorf("got %+v, want the actor in the folder", got)
	}
}

func TestScriptIsAPlugin(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.Dir = t.TempDir()
	script := "#!/bin/sh\nexec '" + self(t) + "' play actor \"$0\"\n"
	if err := writeProgram(filepath.Join(h.Dir, "refit-hook-actor"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	if got := faultOf(t, h, "actor"); got.Code != "" {
		t.Error(got)
	}
}

func TestOperatorsSettingsAreChecked(t *testing.T) {
	t.Parallel()
	refused := "hook polite cannot be used: --hook-config polite."
	for key, want := range map[string]string{
		"keep":  "",
		"kep":   refused + "kep is not a setting of that hook: did you mean keep?",
		"url.a": "",
		"url.":  refused + "url. is not a setting of that hook: did you mean url.*?",
		"urla":  refused + "urla is not a setting of that hook",
	} {
		h := newHost(t, "polite")
		h.Config = map[string]map[string]string{"polite": {"file": "/x", key: "3"}}
		if got := faultOf(t, h, "polite"); got.Text != want {
			t.Errorf("%s: got %q, want %q", key, got.Text, want)
		}
	}
}

func TestPluginIsNotAskedTwice(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.Dir = folder(t)
	starts := filepath.Join(t.TempDir(), "starts")
	write := func(more string) {
		t.Helper()
		path := filepath.Join(h.Dir, "refit-hook-actor")
		script := "#!/bin/sh\necho >> '" + starts + "'\nexec '" + self(t) + "' play actor\n" + more
		if err := writeProgram(path, []byte(script)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want int) {
		t.Helper()
		if got := faultOf(t, h, "actor"); got.Code != "" {
			t.Fatal(got)
		}
		if got, _ := os.ReadFile(starts); len(got) != want {
			t.Errorf("it was started %d times, want %d", len(got), want)
		}
	}
	write("")
	check(1)
	h.Rest()
	check(1)
	write("# changed\n")
	check(2)
}

func TestPlaceOfAPlugin(t *testing.T) {
	t.Parallel()
	chmod := func(mode os.FileMode, parts ...string) func(t *testing.T, dir string) error {
		return func(_ *testing.T, dir string) error {
			return os.Chmod(filepath.Join(append([]string{dir}, parts...)...), mode)
		}
	}
	chown := func(uid, gid int, parts ...string) func(t *testing.T, dir string) error {
		return func(t *testing.T, dir string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root may give files away")
			}
			return os.Chown(filepath.Join(append([]string{dir}, parts...)...), uid, gid)
		}
	}
	both := func(a, b func(*testing.T, string) error) func(*testing.T, string) error {
		return func(t *testing.T, dir string) error {
			if err := a(t, dir); err != nil {
				return err
			}
			return b(t, dir)
		}
	}
	const file = "refit-hook-actor"
	tests := map[string]struct {
		change func(t *testing.T, dir string) error
		want   string // "" if it may be used
	}{
		"as it should be":               {func(*testing.T, string) error { return nil }, ""},
		"the file is everybody's":       {chmod(0o757, file), "DIR/refit-hook-actor may be written by everybody"},
		"the folder is everybody's":     {chmod(0o777), "DIR may be written by everybody"},
		"a folder like /tmp":            {chmod(0o777 | os.ModeSticky), "DIR may be written by everybody"},
		"the parent is everybody's":     {chmod(0o777, ".."), "UP may be written by everybody"},
		"a parent like /tmp":            {chmod(0o777|os.ModeSticky, ".."), ""},
		"a group's":                     {both(chown(-1, 12345, file), chmod(0o775, file)), "DIR/refit-hook-actor may be written by a group"},
		"our own group's":               {chmod(0o775, file), ""},
		"a stranger's file":             {chown(12345, -1, file), "DIR/refit-hook-actor belongs to user 12345, who is neither root nor Refit's own (0)"},
		"a stranger's folder":           {chown(12345, -1), "DIR belongs to user 12345, who is neither root nor Refit's own (0)"},
		"a stranger's parent":           {chown(12345, -1, ".."), "UP belongs to user 12345, who is neither root nor Refit's own (0)"},
		"not executable":                {chmod(0o644, file), "DIR/refit-hook-actor is not executable"},
		"a folder":                      {replace(func(path string) error { return os.Mkdir(path, 0o755) }), "DIR/refit-hook-actor is no file"},
		"a link that leads nowhere":     {replace(func(path string) error { return os.Symlink("nothing", path) }), "lstat DIR/nothing: no such file or directory"},
		"a link to itself":              {replace(func(path string) error { return os.Symlink(file, path) }), "DIR/refit-hook-actor leads through too many symbolic links"},
		"a link to a stranger's folder": {linked(chmod(0o777, "..", "elsewhere")), "UP/elsewhere may be written by everybody"},
		"a link to a good folder":       {linked(chmod(0o755, "..", "elsewhere")), ""},
		"no program":                    {replace(func(path string) error { return writeProgram(path, []byte{1, 2}) }), "it cannot be started: it is no program for this machine"},
		"a script without its shell":    {replace(func(path string) error { return writeProgram(path, []byte("#!/nowhere\n")) }), "it cannot be started: the program that is to run it is not there"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.Dir = filepath.Join(t.TempDir(), "plugins")
			if err := os.Mkdir(h.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			// A copy: a link would change the test binary itself.
			script := "#!/bin/sh\nexec '" + self(t) + "' play actor\n"
			if err := writeProgram(filepath.Join(h.Dir, file), []byte(script)); err != nil {
				t.Fatal(err)
			}
			if err := tt.change(t, h.Dir); err != nil {
				t.Fatal(err)
			}
			want := core.Reason{}
			if tt.want != "" {
				want = core.Reason{Code: core.HookUnusable, Text: "hook actor cannot be used: " + tt.want}
			}
			if got := faultOf(t, h, "actor"); got != want {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// replace puts something else in the place of the plugin's file.
func replace(by func(path string) error) func(*testing.T, string) error {
	return func(_ *testing.T, dir string) error {
		path := filepath.Join(dir, "refit-hook-actor")
		if err := os.Remove(path); err != nil {
			return err
		}
		return by(path)
	}
}

// linked moves the plugin into a folder beside its own, and leaves a link.
func linked(then func(*testing.T, string) error) func(*testing.T, string) error {
	return func(t *testing.T, dir string) error {
		path := filepath.Join(dir, "refit-hook-actor")
		if err := os.Mkdir(filepath.Join(dir, "..", "elsewhere"), 0o755); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(dir, "..", "elsewhere", "real")); err != nil {
			return err
		}
		if err := os.Symlink("../elsewhere/real", path); err != nil {
			return err
		}
		return then(t, dir)
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
	// In the files SUM is the plugin's checksum, and DIR its folder.
	tests := map[string]struct{ text, want string }{
		"its name":                {"SUM  refit-hook-actor\n", ""},
		"its name, binary":        {"SUM *refit-hook-actor\n", ""},
		"its path":                {"SUM  DIR/refit-hook-actor", ""},
		"its path from the file":  {"SUM  ./plugins/refit-hook-actor\r\n", ""},
		"the path of another":     {"SUM  ./other/refit-hook-actor\n", "DIR/refit-hook-actor is not listed in the checksums"},
		"among others":            {"# ours\n\n" + zeros + "  refit-hook-other\nSUM  refit-hook-actor\n", ""},
		"not listed":              {zeros + "  refit-hook-other\n", "DIR/refit-hook-actor is not listed in the checksums"},
		"an empty file":           {"", "DIR/refit-hook-actor is not listed in the checksums"},
		"changed":                 {zeros + "  refit-hook-actor\n", "DIR/refit-hook-actor is not the file that the checksums list: it has changed"},
		"listed twice, otherwise": {"SUM  refit-hook-actor\n" + zeros + "  DIR/refit-hook-actor\n", "DIR/refit-hook-actor is not the file that the checksums list: it has changed"},
		"no checksums":            {"SUM  refit-hook-actor\nhello\n", "read the checksums: UP/sums: line 2: it is not one of sha256sum's"},
		"no hexadecimal":          {strings.Repeat("x", 64) + "  refit-hook-actor\n", "read the checksums: UP/sums: line 1: it does not begin with a SHA-256 checksum"},
		"a name with backslashes": {`\SUM  refit-hook-actor` + "\n" + `\` + zeros + `  a\\b\n` + "\n", ""},
		"too much":                {strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", 2000), "read the checksums: UP/sums: it has more than 1048576 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "polite")
			h.Dir = filepath.Join(t.TempDir(), "plugins")
			if err := os.Mkdir(h.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			script := []byte("#!/bin/sh\nexec '" + self(t) + "' play actor\n")
			if err := writeProgram(filepath.Join(h.Dir, "refit-hook-actor"), script); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(script)
			text := strings.NewReplacer("SUM", hex.EncodeToString(sum[:]), "DIR", h.Dir).Replace(tt.text)
			h.Checksums = filepath.Join(h.Dir, "..", "sums")
			if err := os.WriteFile(h.Checksums, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			want := core.Reason{}
			if tt.want != "" {
				want = core.Reason{Code: core.HookUnusable, Text: "hook actor cannot be used: " + tt.want}
			}
			if got := faultOf(t, h, "actor"); got != want {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestChecksumsAreReadAtEachStart(t *testing.T) {
	t.Parallel()
	h := newHost(t, "polite")
	h.Dir = folder(t, "actor")
	text, err := os.ReadFile(filepath.Join(h.Dir, "refit-hook-actor"))
	if err != nil {
		t.Fatal(err)
	}
	h.Checksums = filepath.Join(t.TempDir(), "sums")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(h.Checksums, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf("%x  refit-hook-actor\n", sha256.Sum256(text)), 0o644)
	for range 2 { // A second start is no different.
		call(t, h, order(core.PreUpdate, "pid"))
		h.Rest()
	}
	write("", 0o644)
	if _, err := h.Call(t.Context(), order(core.PreUpdate, "pid")); err == nil || !strings.Contains(err.Error(), "not listed") {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(h.Checksums, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := faultOf(t, h, "actor"); !strings.Contains(got.Text, "may be written by everybody") {
		t.Errorf("got %v", got)
	}
	if err := os.Remove(h.Checksums); err != nil {
		t.Fatal(err)
	}
	if got := faultOf(t, h, "actor"); !strings.Contains(got.Text, "read the checksums") {
		t.Errorf("got %v", got)
	}
	// Refit itself is not listed.
	if got := faultOf(t, h, "polite"); got.Code != "" {
		t.Error(got)
	}
}
