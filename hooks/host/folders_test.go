package host

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFoldersOfDeadPluginsAreRemoved(t *testing.T) {
	t.Parallel()
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := owner(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf("%s=%s/%d/1/X", markKey, namespace, os.Getpid()) // of a process that began at another time
	elsewhere := markKey + "=pid:[1]/1/1/X"
	tests := map[string]struct {
		note   string // "" is none
		old    bool
		listen bool
		stays  bool
	}{
		"one whose Refit is dead goes":                             {note: dead},
		"one whose Refit lives stays":                              {note: markKey + "=" + ours + "X", old: true, stays: true},
		"another program's stays":                                  {old: true, stays: true},
		"an old one of another container, without a plugin, goes":  {note: elsewhere, old: true},
		"an old one of another container, with a plugin, stays":    {note: elsewhere, old: true, listen: true, stays: true},
		"a new one of another container, without a plugin, stays":  {note: elsewhere, stays: true},
		"one with a note that says nothing is another program's":   {note: "hello", old: true, stays: true},
		"one with a note of an unknown form stays, as long as new": {note: markKey + "=x", stays: true},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			temp, folder := folderWithSocket(t, c.listen)
			if c.note != "" {
				if err := os.WriteFile(filepath.Join(folder, note), []byte(c.note), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.old {
				before := time.Now().Add(-time.Hour)
				if err := os.Chtimes(folder, before, before); err != nil {
					t.Fatal(err)
				}
			}
			sweepFolders(temp)
			if _, err := os.Stat(folder); (err == nil) != c.stays {
				t.Errorf("the folder: %v", err)
			}
		})
	}
}

// folderWithSocket makes a folder as go-plugin does, with a socket in it.
func folderWithSocket(t *testing.T, listens bool) (temp, folder string) {
	t.Helper()
	temp, err := os.MkdirTemp("", "refit-f-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) }) // what stays is in the folder for temporary files
	folder = filepath.Join(temp, "plugin-dir1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: filepath.Join(folder, "plugin1")})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	t.Cleanup(func() { closeAll(listener) })
	if !listens {
		closeAll(listener)
	}
	return temp, folder
}
