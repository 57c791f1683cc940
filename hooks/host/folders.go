package host

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A plugin's socket is in a folder of its own among the temporary files. Where Refit
// is killed it stays, so the next Refit removes it. That it is ours says a note in it,
// with the mark of the plugin.

const (
	// folders is the pattern of the names that go-plugin gives.
	folders = "plugin-dir*"
	note    = "refit-hook"
	// settled is the age of a folder by which the plugin has long made its socket.
	settled = time.Minute
)

// noteFolder writes down whose the folder is.
func (p *program) noteFolder(folder string) error {
	return os.WriteFile(filepath.Join(folder, note), []byte(p.mark), 0o600)
}

// sweepFolders removes what the plugins of a killed Refit have left among the
// temporary files.
func sweepFolders(temp string) {
	all, _ := filepath.Glob(filepath.Join(temp, folders)) // what cannot be read stays
	for _, folder := range all {
		if deserted(folder) {
			_ = os.RemoveAll(folder)
		}
	}
}

// deserted tells whether a folder is a plugin's that runs no more.
func deserted(folder string) bool {
	const most = 4 << 10
	mark := read(filepath.Join(folder, note), most)
	whose, ours := marked(mark)
	if !ours {
		return false
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err == nil && strings.HasPrefix(whose, namespace+"/") {
		return abandoned(mark)
	}
	// In a container that was started anew the mark says nothing: the process
	// namespace is another. The sockets do.
	info, err := os.Stat(folder)
	if err != nil || time.Since(info.ModTime()) < settled {
		return false
	}
	files, err := os.ReadDir(folder)
	for _, f := range files {
		if f.Type()&os.ModeSocket == 0 {
			continue
		}
		conn, err := net.Dial("unix", filepath.Join(folder, f.Name()))
		if err == nil {
			_ = conn.Close()
			return false
		}
	}
	return err == nil
}
