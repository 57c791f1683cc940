package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"
)

const (
	manifestName = "manifest.json"
	// manifestVersion is the form of a backup's folder. Fields may be added to it.
	manifestVersion = 1
	// mostManifest is how many bytes a manifest may have.
	mostManifest = 4 << 20
)

// Manifest says what is in a backup. It is written after all the rest.
type Manifest struct {
	Version   int       `json:"version"`
	Engine    string    `json:"engine,omitempty"` // its own id; early backups do not have it
	Container string    `json:"container"`        // its name
	ID        string    `json:"id"`               // the engine's
	Attempt   string    `json:"attempt"`          // the replacement that it was made for
	Image     Image     `json:"image"`            // what the container ran
	Hot       bool      `json:"hot,omitempty"`
	Began     time.Time `json:"began"`
	Ended     time.Time `json:"ended"`
	Archives  []Archive `json:"archives"`
}

// Image is one exact image.
type Image struct {
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest,omitempty"`
	ID        string `json:"id,omitempty"`
}

// Archive is one mount of a backup.
type Archive struct {
	Destination string `json:"destination"`      // the path in the container
	Type        string `json:"type"`             // "volume" or "bind"
	Volume      string `json:"volume,omitempty"` // its name
	Source      string `json:"source,omitempty"` // the path on the engine's host
	ReadOnly    bool   `json:"read_only,omitempty"`
	// Inner are the paths below Destination that are mounts of their own. Neither
	// they nor what is in them is in the archive.
	Inner []string `json:"inner,omitempty"`
	// Writers are the running containers that could write there meanwhile.
	Writers []string `json:"writers,omitempty"`
	Part
	Bytes   int64 `json:"bytes"`   // of the tar archive
	Entries int64 `json:"entries"` // files, folders and all other kinds
	// Outline is the same archive without what is in the files: from it a restore
	// learns what is to stay, before it writes. Early backups have none.
	Outline *Part `json:"outline,omitempty"`
}

// Part is one file of a backup: a tar archive, packed with zstd.
type Part struct {
	File   string `json:"file"`   // in the backup's folder
	Packed int64  `json:"packed"` // bytes of the file
	SHA256 string `json:"sha256"` // of the file
}

// files are all that belong to the archive.
func (a Archive) files() []Part {
	if a.Outline == nil {
		return []Part{a.Part}
	}
	return []Part{a.Part, *a.Outline}
}

// outline is what says what is to stay: where there is nothing shorter, the archive.
func (a Archive) outline() Part {
	if a.Outline == nil {
		return a.Part
	}
	return *a.Outline
}

// fileName is what an archive's file is called.
var fileName = regexp.MustCompile(`^[0-9]{3}[A-Za-z0-9_.-]*\.tar\.zst$`)

// outlineName makes the name of the outline's file from the archive's.
func outlineName(archive string) string {
	return strings.TrimSuffix(archive, ".tar.zst") + ".outline.tar.zst"
}

// nameFor makes the file name of the i-th archive. It shows the place as far as plain
// letters can; the number makes it unique.
func nameFor(i int, destination string) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.':
			return r
		}
		return '-'
	}, destination)
	return fmt.Sprintf("%03d%.100s.tar.zst", i, plain)
}

// readManifest reads a manifest and refuses one that could lead astray.
func readManifest(r io.Reader) (Manifest, error) {
	var m Manifest
	b, err := io.ReadAll(io.LimitReader(r, mostManifest+1))
	if err != nil {
		return m, err
	}
	if len(b) > mostManifest {
		return m, errors.New("it is too large")
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("it is damaged: %w", err)
	}
	if m.Version != manifestVersion {
		return Manifest{}, fmt.Errorf("it is of version %d, and this Refit reads version %d", m.Version, manifestVersion)
	}
	if err := checkName(m.Container); err != nil {
		return Manifest{}, err
	}
	files, places := map[string]bool{}, map[string]bool{}
	for _, a := range m.Archives {
		if err := a.check(); err != nil {
			return Manifest{}, err
		}
		for _, p := range a.files() {
			if files[p.File] || places[a.Destination] {
				return Manifest{}, fmt.Errorf("it names %s twice", a.Destination)
			}
			files[p.File] = true
		}
		places[a.Destination] = true
	}
	return m, nil
}

func (a Archive) check() error {
	switch {
	case a.Type != typeVolume && a.Type != typeBind:
		return fmt.Errorf("it names a mount of type %q", a.Type)
	case min(a.Bytes, a.Entries) < 0:
		return fmt.Errorf("it has a negative number for %s", a.Destination)
	}
	for _, p := range a.files() {
		if err := p.check(); err != nil {
			return fmt.Errorf("%s: %w", a.Destination, err)
		}
	}
	return a.checkPlaces()
}

func (p Part) check() error {
	sum, err := hex.DecodeString(p.SHA256)
	switch {
	case !fileName.MatchString(p.File):
		return fmt.Errorf("it names a file %q", p.File)
	case p.Packed < 0:
		return errors.New("it has a negative number")
	case err != nil || len(sum) != sha256.Size:
		return errors.New("it has no SHA-256 sum")
	}
	return nil
}

func (a Archive) checkPlaces() error {
	if path.Clean("/"+a.Destination) != a.Destination || a.Destination == "/" {
		return fmt.Errorf("it names a place %q", a.Destination)
	}
	for _, inner := range a.Inner {
		if inner == "." || path.Clean("/" + inner)[1:] != inner {
			return fmt.Errorf("it names a place %q in %s", inner, a.Destination)
		}
	}
	return nil
}

// containerName is what the engine allows.
var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// checkName refuses a name that is none of a container: it becomes a folder's.
func checkName(name string) error {
	if len(name) > 255 || !containerName.MatchString(name) {
		return fmt.Errorf("%q is no name of a container", name)
	}
	return nil
}
