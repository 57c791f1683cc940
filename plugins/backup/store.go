package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A backup is the folder <store>/<container>/<UTC time>. While it is being written its
// name begins with partial, so that half of one is never taken for a whole. Behind that
// stands whose engine it is on, so that hosts that share a folder leave alone what is
// another one's: see mark.
const (
	partial   = ".partial-"
	timeNames = "2006-01-02T15-04-05.000Z" // their order is that of time
)

// errNoBackup says that there is none such.
var errNoBackup = errors.New("there is no backup")

// store is the folder of all backups. It cannot be left: a name that leads out of it
// is an error.
type store struct {
	root *os.Root
	// engine is the id of ours; "": not known, then all backups count as ours.
	engine string
}

// mark is what the names of our unfinished backups begin with.
func (s *store) mark() string {
	sum := sha256.Sum256([]byte(s.engine))
	return partial + hex.EncodeToString(sum[:6]) + "~"
}

// foreign tells whether a backup was made on another engine: the container was another
// one of the same name.
func (s *store) foreign(b Backup) bool {
	if b.Manifest.Engine != "" {
		return s.engine != "" && b.Manifest.Engine != s.engine
	}
	return s.foreignPartial(b.Name)
}

// foreignPartial tells it of an unfinished one, by its name.
func (s *store) foreignPartial(name string) bool {
	return s.engine != "" && strings.HasPrefix(name, partial) && strings.Contains(name, "~") && !strings.HasPrefix(name, s.mark())
}

// own returns a container's backups that were made on our engine, as backups does.
func (s *store) own(container string) ([]Backup, error) {
	all, err := s.backups(container)
	return slices.DeleteFunc(all, s.foreign), err
}

// openStore opens the folder, and makes it where it is missing.
func openStore(dir string) (*store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("open the backup folder %q: want an absolute path, such as /backup", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the backup folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the backup folder: %w", err)
	}
	return &store{root: root}, nil
}

func (s *store) close() { release(s.root) }

// release closes what was only read: there is nothing to lose.
func release(c io.Closer) { _ = c.Close() }

// probe makes sure that the folder can be written to.
func (s *store) probe() error {
	name := fmt.Sprintf("%sprobe-%d-%d", partial, os.Getpid(), time.Now().UnixNano())
	err := s.root.WriteFile(name, []byte("x"), 0o600)
	if removed := s.root.Remove(name); err == nil {
		err = removed
	}
	if err != nil {
		return fmt.Errorf("try the backup folder: %w", err)
	}
	return nil
}

// draft is a backup that is being written.
type draft struct {
	root      *os.Root // the container's folder
	dir       *os.Root // its own
	container string
	name      string
}

// draft begins a backup. What dead attempts have left of the same container goes.
func (s *store) draft(container, attempt string) (*draft, error) {
	if err := checkName(container); err != nil {
		return nil, err
	}
	if err := checkName(attempt); err != nil {
		return nil, fmt.Errorf("attempt: %w", err)
	}
	if err := errors.Join(s.root.MkdirAll(container, 0o700), syncFolder(s.root)); err != nil {
		return nil, err
	}
	root, err := s.root.OpenRoot(container)
	if err != nil {
		return nil, err
	}
	d := &draft{root: root, container: container, name: s.mark() + attempt}
	if err = s.sweep(root); err == nil {
		err = root.Mkdir(d.name, 0o700)
	}
	if err == nil {
		d.dir, err = root.OpenRoot(d.name)
	}
	if err != nil {
		release(root)
		return nil, err
	}
	return d, nil
}

// sweep removes what was never finished.
func (s *store) sweep(root *os.Root) error {
	names, err := children(root)
	for _, name := range names {
		if strings.HasPrefix(name, partial) && !s.foreignPartial(name) {
			err = errors.Join(err, root.RemoveAll(name))
		}
	}
	return err
}

// children returns the names in a folder, sorted.
func children(root *os.Root) ([]string, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer release(dir)
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// commit makes the draft a backup: it writes the manifest, gives the folder its name
// and removes an earlier backup of the same attempt. It returns the name. Right before
// it has the name, sound has the last word.
func (d *draft) commit(m Manifest, sound func() error) (string, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := d.dir.OpenFile(manifestName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close(), syncFolder(d.dir)); err != nil {
		return "", err
	}
	earlier, err := backupsIn(d.root, d.container)
	if err != nil {
		return "", err
	}
	if err := sound(); err != nil {
		return "", err
	}
	name := m.Began.UTC().Format(timeNames)
	if err := d.root.Rename(d.name, name); err != nil {
		return "", err
	}
	if err := syncFolder(d.root); err != nil {
		return "", err
	}
	for _, b := range earlier {
		if b.Fault == "" && b.Manifest.Attempt == m.Attempt && b.Name != name {
			err = errors.Join(err, remove(d.root, b.Name))
		}
	}
	return name, err
}

// end lets go of the draft, and removes what has not become a backup.
func (d *draft) end() error {
	err := d.root.RemoveAll(d.name)
	release(d.dir)
	release(d.root)
	return err
}

func syncFolder(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer release(dir)
	return dir.Sync()
}

// remove removes a backup so that half of it is never taken for a whole.
func remove(root *os.Root, name string) error {
	gone := partial + "gone-" + name
	if err := root.Rename(name, gone); err != nil {
		return err
	}
	return root.RemoveAll(gone)
}

// backups returns a container's backups, oldest first, the unusable ones too.
func (s *store) backups(container string) ([]Backup, error) {
	if err := checkName(container); err != nil {
		return nil, err
	}
	root, err := s.root.OpenRoot(container)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer release(root)
	return backupsIn(root, container)
}

func backupsIn(root *os.Root, container string) ([]Backup, error) {
	names, err := children(root)
	if err != nil {
		return nil, err
	}
	var found []Backup
	for _, name := range names {
		b := Backup{Container: container, Name: name, Path: filepath.Join(root.Name(), name)}
		made, err := time.Parse(timeNames, name)
		switch {
		case strings.HasPrefix(name, partial):
			b.Fault = "it was not finished"
		case err != nil:
			continue // not ours
		default:
			b.Time = made
			b.Manifest, b.Fault = load(root, name, container)
		}
		found = append(found, b)
	}
	slices.SortStableFunc(found, func(a, b Backup) int { return a.Time.Compare(b.Time) })
	return found, nil
}

// load reads a backup's manifest and says what is wrong with it, short of reading all
// of its archives.
func load(root *os.Root, name, container string) (Manifest, string) {
	f, err := root.Open(name + "/" + manifestName)
	if err != nil {
		return Manifest{}, "it has no manifest"
	}
	defer release(f)
	m, err := readManifest(f)
	if err != nil {
		return Manifest{}, "its manifest cannot be used: " + err.Error()
	}
	if m.Container != container {
		return Manifest{}, "it is a backup of " + m.Container
	}
	for _, a := range m.Archives {
		for _, p := range a.files() {
			info, err := root.Lstat(name + "/" + p.File)
			switch {
			case err != nil || !info.Mode().IsRegular():
				return m, "its archive of " + a.Destination + " is missing"
			case info.Size() != p.Packed:
				return m, fmt.Sprintf("its archive of %s has %d bytes, not %d", a.Destination, info.Size(), p.Packed)
			}
		}
	}
	return m, ""
}

// ofAttempt returns the backup of an attempt.
func (s *store) ofAttempt(container, attempt string) (Backup, error) {
	all, err := s.own(container)
	if err != nil {
		return Backup{}, err
	}
	for _, b := range slices.Backward(all) {
		if attempt == "" || b.Manifest.Attempt != attempt {
			continue
		}
		if b.Fault != "" {
			return Backup{}, fmt.Errorf("backup %s cannot be used: %s", b.Name, b.Fault)
		}
		return b, nil
	}
	return Backup{}, fmt.Errorf("%w of this attempt in %s", errNoBackup, filepath.Join(s.root.Name(), container))
}

// prune removes all complete backups of the container but the newest keep, and what
// was never finished. The backup of the attempt stays.
func (s *store) prune(container string, keep int, attempt string) error {
	all, err := s.own(container)
	if err != nil || len(all) == 0 {
		return err
	}
	root, err := s.root.OpenRoot(container)
	if err != nil {
		return err
	}
	defer release(root)
	err = s.sweep(root)
	kept := 0
	for _, b := range slices.Backward(all) {
		switch {
		case b.Fault != "":
			continue
		case kept < keep, b.Manifest.Attempt == attempt:
			kept++
		default:
			err = errors.Join(err, remove(root, b.Name))
		}
	}
	return err
}
