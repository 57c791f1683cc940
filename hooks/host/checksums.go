package host

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxChecksums is the most that a file of checksums may hold: 1 MiB.
const maxChecksums = 1 << 20

// checksums are the lines of a file in the format of sha256sum. A name in it is an
// absolute path, a path from the folder of that file, or a file's bare name, which
// then is meant wherever it lies.
type checksums struct {
	folder string // of the file
	lines  []checksum
}

type checksum struct{ sum, name string }

// readChecksums reads a file of checksums, which nobody else may be able to change.
func readChecksums(path string) (checksums, error) {
	path, err := secure(path)
	if err != nil {
		return checksums{}, err
	}
	file, err := os.Open(path)
	if err != nil {
		return checksums{}, err
	}
	defer closeAll(file)
	info, err := file.Stat()
	if err != nil {
		return checksums{}, err
	}
	if !info.Mode().IsRegular() {
		return checksums{}, fmt.Errorf("%s is no file", path)
	}
	if err := first(owned(path, info), unwritable(path, info)); err != nil {
		return checksums{}, err
	}
	lines, err := parseChecksums(io.LimitReader(file, maxChecksums+1))
	if err != nil {
		return checksums{}, fmt.Errorf("%s: %w", path, err)
	}
	return checksums{folder: filepath.Dir(path), lines: lines}, nil
}

// parseChecksums reads lines as sha256sum writes them, in text and in binary mode.
// Empty lines and those that begin with # are left out.
func parseChecksums(r io.Reader) ([]checksum, error) {
	var all []checksum
	scanner := bufio.NewScanner(r)
	size := 0
	for number := 1; scanner.Scan(); number++ {
		if size += len(scanner.Bytes()) + 1; size > maxChecksums {
			return nil, fmt.Errorf("it has more than %d bytes", maxChecksums)
		}
		line := strings.TrimSuffix(scanner.Text(), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c, err := parseChecksum(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, c)
	}
	return all, scanner.Err()
}

func parseChecksum(line string) (checksum, error) {
	const digits = 64
	// sha256sum marks the lines in whose names it has put backslashes.
	line, escaped := strings.CutPrefix(line, `\`)
	if len(line) < digits+3 || line[digits] != ' ' || line[digits+1] != ' ' && line[digits+1] != '*' {
		return checksum{}, errors.New("it is not one of sha256sum's")
	}
	if _, err := hex.DecodeString(line[:digits]); err != nil {
		return checksum{}, errors.New("it does not begin with a SHA-256 checksum")
	}
	c := checksum{sum: strings.ToLower(line[:digits]), name: line[digits+2:]}
	if escaped {
		c.name = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(c.name)
	}
	return c, nil
}

// check tells whether a file with that sum is listed, by one of its paths. Every
// line that names it must agree.
func (c checksums) check(sum string, paths ...string) error {
	listed := false
	for _, line := range c.lines {
		if !line.names(c.folder, paths) {
			continue
		}
		if line.sum != sum {
			return fmt.Errorf("%s is not the file that the checksums list: it has changed", paths[0])
		}
		listed = true
	}
	if !listed {
		return fmt.Errorf("%s is not listed in the checksums", paths[0])
	}
	return nil
}

// names tells whether a line means the file that has those paths.
func (c checksum) names(folder string, paths []string) bool {
	for _, path := range paths {
		switch {
		case filepath.IsAbs(c.name) && filepath.Clean(c.name) == path,
			strings.Contains(c.name, "/") && filepath.Join(folder, c.name) == path,
			c.name == filepath.Base(path):
			return true
		}
	}
	return false
}
