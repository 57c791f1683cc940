package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// passed are the variables that every plugin gets where they are set.
var passed = []string{
	"PATH", "HOME", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION",
}

// environment is what a plugin gets of Refit's own. Temp is its TMPDIR.
func (h *Host) environment(temp string) []string {
	env := []string{"TMPDIR=" + temp}
	for _, name := range slices.Concat(passed, h.Env) {
		if value := h.getenv(name); value != "" && name != "TMPDIR" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// temp returns a folder for temporary files that is there and may be written:
// TMPDIR, or /tmp, or else TempDir.
func (h *Host) temp() (string, error) {
	system := h.getenv("TMPDIR")
	if system == "" {
		system = "/tmp"
	}
	err := writable(system)
	if err == nil {
		return system, nil
	}
	if h.TempDir == "" {
		return "", fmt.Errorf("there is no folder for temporary files, mount one at /tmp or set TMPDIR: %w", err)
	}
	if made := os.MkdirAll(h.TempDir, 0o700); made != nil {
		return "", fmt.Errorf("there is no folder for temporary files: %w", errors.Join(err, made))
	}
	if err := writable(h.TempDir); err != nil {
		return "", fmt.Errorf("there is no folder for temporary files: %w", err)
	}
	return h.TempDir, nil
}

// maxTemp is how long the path of a folder for temporary files may be, so that the
// path of a socket in it is not longer than the kernel takes.
const maxTemp = 64

// writable tells whether files, and sockets, can be made in a folder.
func writable(path string) error {
	if len(path) > maxTemp {
		return fmt.Errorf("%s is too long a path: a socket in it could not be opened", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is no folder", path)
	}
	const write, search = 2, 1
	if err := syscall.Access(path, write|search); err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	return nil
}
