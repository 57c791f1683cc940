package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/docker/dockertest"
	"github.com/refit-dev/refit/plugins/backup"
)

// dataTrial is a trial of a database whose next version rewrites its data, with the
// hooks backup and story around its update.
type dataTrial struct {
	*trial
	volume  string // the data's folder on this machine
	before  string // what is in it: see treeOf
	backups string
	temp    string // for temporary files; nothing else is in it
	journal string // the hook story's
}

// beginData makes one that is tidied up with its test.
func beginData(t *testing.T, b *bench, good bool) *dataTrial {
	t.Helper()
	if os.Geteuid() != 0 {
		dockertest.Missing(t, "to look into a volume needs root")
	}
	x := &dataTrial{backups: t.TempDir(), journal: filepath.Join(t.TempDir(), "journal")}
	t.Cleanup(func() { // after the engine has removed the containers
		if x.trial != nil {
			x.forget()
		}
	})
	x.trial = b.trial(t, dockertest.New(t), "db", good)
	t.Cleanup(x.forgetHelpers)
	x.build = `ENTRYPOINT ["/fixture", "db", "-size", "2"]`
	x.labels = map[string]string{"refit.hooks": "backup,story", "refit.hook.backup.restore": "true"}
	x.settle("")
	x.prepare()
	x.volume = volumeOf(t, x.engine, x.name, "/data")
	x.await("its store", func() bool { // of which this is the last to be written
		text, err := os.ReadFile(filepath.Join(x.volume, "FORMAT"))
		return err == nil && string(text) == "1\n"
	})
	x.before = x.tree()
	return x
}

// settle gives refit its hooks, and the stage in which one of them does not end.
func (x *dataTrial) settle(hang string) {
	x.Helper()
	folder, err := plugins()
	if err != nil {
		x.Fatal(err)
	}
	if x.temp == "" {
		// Not TempDir(): a socket's path has at most 107 bytes.
		if x.temp, err = os.MkdirTemp("", "refit-t-"); err != nil {
			x.Fatal(err)
		}
		x.Cleanup(func() { _ = os.RemoveAll(x.temp) }) // it should be empty, which is tested
	}
	x.env = []string{
		"TMPDIR=" + x.temp, "REFIT_BACKUP_DIR=" + x.backups, "REFIT_PLUGIN_DIR=" + folder,
		"REFIT_HOOK_CONFIG=story.journal=" + x.journal + "\nstory.hang=" + hang,
	}
}

func (x *dataTrial) tree() string {
	x.Helper()
	tree, err := treeOf(x.volume)
	if err != nil {
		x.Fatal(err)
	}
	return tree
}

// await waits until something is true, which takes no good refit long.
func (x *dataTrial) await(what string, ok func() bool) {
	x.Helper()
	if !eventual(ok) {
		x.Fatalf("waited %s for %s", patience, what)
	}
}

// eventual tells whether something comes true in time.
func eventual(ok func() bool) bool {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(glance) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// told are the stages that the hook story was called at, in their order.
func (x *dataTrial) told() []string {
	x.Helper()
	text, err := os.ReadFile(x.journal)
	if err != nil && !os.IsNotExist(err) {
		x.Fatal(err)
	}
	var stages []string
	for line := range strings.Lines(string(text)) {
		stages = append(stages, strings.Fields(line)[1])
	}
	return stages
}

// orphans are the processes of refit's plugins: they have its home.
func (x *dataTrial) orphans() []string {
	var found []string
	folders, _ := filepath.Glob("/proc/[0-9]*") // the pattern is a good one
	for _, folder := range folders {
		environment, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err == nil && bytes.Contains(environment, []byte("HOME="+x.data+"\x00")) {
			found = append(found, filepath.Base(folder))
		}
	}
	return found
}

// dead waits for the end of all plugins. It is what the kernel sees to, and has no
// need of another refit.
func (x *dataTrial) dead() {
	x.Helper()
	x.await("the end of the plugins", func() bool { return len(x.orphans()) == 0 })
}

// helpers are the containers and images that a restore has made.
func (x *dataTrial) helpers() (paths []string) {
	x.Helper()
	filter := "filters=" + url.QueryEscape(fmt.Sprintf(`{"label":["refit.hook.container=%s"]}`, x.name))
	for _, kind := range []string{"containers", "images"} {
		var all []struct{ ID string }
		x.must("GET", "/"+kind+"/json?all=1&"+filter, nil, &all)
		for _, one := range all {
			paths = append(paths, "/"+kind+"/"+one.ID)
		}
	}
	return paths
}

// forgetHelpers removes what a failed trial has left.
func (x *dataTrial) forgetHelpers() {
	for _, path := range x.helpers() {
		_ = x.call("DELETE", path+"?force=1", nil, nil) // most go with another
	}
}

// unfinished says which backups are not what they are taken for.
func (x *dataTrial) unfinished() []string {
	x.Helper()
	all, err := backup.List(x.backups, x.name)
	if err != nil {
		x.Fatal(err)
	}
	var wrong []string
	for _, b := range all {
		if err := b.Check(x.Context(), nil); b.Fault == "" && err != nil {
			wrong = append(wrong, "a backup is listed as a whole one: "+err.Error())
		}
	}
	return wrong
}

// dataViolations says what else than a container's own promises is broken: those
// about its data, and about what hooks leave.
func (x *dataTrial) dataViolations() []string {
	x.Helper()
	wrong := x.unfinished()
	for _, helper := range x.helpers() {
		wrong = append(wrong, "the restore's "+helper+" is left over")
	}
	if orphans := x.orphans(); len(orphans) > 0 {
		wrong = append(wrong, fmt.Sprintf("the plugins %v still run", orphans))
	}
	for _, pattern := range []string{filepath.Join(x.temp, "*"), filepath.Join(x.data, "tmp", "*"), filepath.Join(x.backups, x.name, ".partial-*")} {
		left, _ := filepath.Glob(pattern) // the pattern is a good one
		for _, file := range left {
			wrong = append(wrong, file+" is left over")
		}
	}
	stages := x.told()
	end := func(stage string) bool { return stage == "on-rollback" || stage == "finished" }
	first := slices.IndexFunc(stages, end)
	if len(stages) > 0 && (first < 0 || slices.ContainsFunc(stages[first:], func(s string) bool { return s != stages[first] })) {
		wrong = append(wrong, fmt.Sprintf("the hook was told %v, which is not one end", stages))
	}
	return append(wrong, x.spoilt()...)
}

// spoilt says how the data of a container that runs the old image is not what it was.
func (x *dataTrial) spoilt() []string {
	x.Helper()
	if x.engine.Inspect(x.name).Image != x.old {
		return nil
	}
	if diff := cmp.Diff(strings.Split(x.before, "\n"), strings.Split(x.tree(), "\n")); diff != "" {
		return []string{"its data changed (-before +now):\n" + diff}
	}
	return nil
}
