package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/refit-dev/refit/hooks"
)

// window bounds the memory that an archive needs on both ways: the encoder and the
// decoder hold a few of these.
const window = 1 << 20

// outlineWindow is that of an outline, which is short.
const outlineWindow = 64 << 10

// backUp archives the mounts.
func (t *task) backUp(ctx context.Context, u *hooks.Update, s settings, chosen []mount) error {
	began := time.Now().UTC()
	if err := t.sweepHelpers(ctx, recall(u).Helper); err != nil {
		return err
	}
	writers, err := t.writers(ctx, chosen, false)
	if err != nil {
		return err
	}
	d, err := t.store.draft(t.container.name, u.Attempt)
	if err != nil {
		return fmt.Errorf("begin the backup: %w", err)
	}
	m := Manifest{
		Version: manifestVersion, Engine: t.store.engine, Container: t.container.name, ID: t.container.id,
		Attempt: u.Attempt, Image: Image(u.From), Hot: s.hot, Began: began,
	}
	name, err := t.fill(ctx, d, m, chosen, writers)
	if err := errors.Join(err, d.end()); err != nil {
		return err
	}
	t.log.Info("backed up", attrs(name, len(chosen))...)
	known := recall(u)
	known.Backup = name
	return known.remember(u)
}

// fill writes all archives, and the manifest last.
func (t *task) fill(ctx context.Context, d *draft, m Manifest, chosen []mount, writers map[string][]string) (string, error) {
	for i, place := range chosen {
		a := Archive{
			Destination: place.Destination, Type: place.Type, Volume: place.Name, Source: place.Source,
			ReadOnly: place.ReadOnly, Inner: place.inner, Writers: writers[place.Destination],
			Part: Part{File: nameFor(i, place.Destination)},
		}
		if len(a.Writers) > 0 {
			t.log.Warn("another running container may write there: the backup may not be consistent",
				attrsOf(a.Destination, strings.Join(a.Writers, " "))...)
		}
		if err := t.archiveAgain(ctx, d, &a, m.Hot); err != nil {
			return "", fmt.Errorf("archive %s: %w", a.Destination, err)
		}
		m.Archives = append(m.Archives, a)
	}
	m.Ended = time.Now().UTC()
	name, err := d.commit(m, func() error {
		if m.Hot {
			return nil
		}
		return t.untouched(ctx)
	})
	if err != nil {
		return "", fmt.Errorf("finish the backup: %w", err)
	}
	return name, nil
}

// hotTries is how often a hot archive is tried: the engine breaks off where a file has
// become shorter while it was being read.
const hotTries = 3

func (t *task) archiveAgain(ctx context.Context, d *draft, a *Archive, hot bool) error {
	for tries := 1; ; tries++ {
		err := t.archive(ctx, d, a)
		if err == nil || !hot || !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if tries == hotTries {
			return fmt.Errorf("%w, %d times: its files change too much for when=hot", err, tries)
		}
		t.log.Info("a file changed while it was read: trying again", slog.String("path", a.Destination))
	}
}

// archive writes one mount's archive, with its outline, and fills in what becomes
// known of them.
func (t *task) archive(ctx context.Context, d *draft, a *Archive) error {
	source, err := t.open(ctx, a.Destination)
	if err != nil {
		return err
	}
	defer source.Close()
	whole, err := t.pack(d, a.File, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(window))
	if err != nil {
		return err
	}
	outline, err := t.pack(d, outlineName(a.File), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(outlineWindow), zstd.WithLowerEncoderMem(true))
	if err != nil {
		_, closed := whole.end()
		return errors.Join(err, closed)
	}
	plain := newMeter(t.say, "archiving "+a.Destination, 0)
	a.Entries, err = repack(io.MultiWriter(plain, whole), outline, read(source, a.Inner), d.name)
	part, wrong := whole.end()
	short, alsoWrong := outline.end()
	a.Bytes, a.Part, a.Outline = plain.done, part, &short
	if err == nil {
		err = errors.Join(wrong, alsoWrong)
	}
	return err
}

// packer writes one part of a backup.
type packer struct {
	*zstd.Encoder
	name   string
	f      *os.File
	sum    hash.Hash
	packed *meter
}

func (t *task) pack(d *draft, name string, opts ...zstd.EOption) (*packer, error) {
	f, err := d.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	p := &packer{name: name, f: f, sum: sha256.New(), packed: &meter{}}
	guard := &roomGuard{f: f, dir: t.store.root.Name(), reserve: t.reserve}
	if p.Encoder, err = zstd.NewWriter(io.MultiWriter(guard, p.sum, p.packed), opts...); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// end waits until all of it is on the disk.
func (p *packer) end() (Part, error) {
	err := p.Encoder.Close()
	if err == nil {
		err = p.f.Sync()
	}
	if closed := p.f.Close(); err == nil {
		err = closed
	}
	return Part{File: p.name, Packed: p.packed.done, SHA256: hex.EncodeToString(p.sum.Sum(nil))}, err
}

// repack copies an archive into the form that ours have, writes its outline, and counts
// the entries. The folder being written must not be among them.
func repack(w, outline io.Writer, e *entries, own string) (int64, error) {
	out, short := tar.NewWriter(w), tar.NewWriter(outline)
	buffer := make([]byte, 128<<10)
	for n := int64(0); ; n++ {
		entry, err := e.next()
		if errors.Is(err, io.EOF) {
			return n, errors.Join(out.Close(), short.Close())
		}
		if err != nil {
			return n, err
		}
		if path.Base(entry.path) == own {
			return n, errors.New("the backup folder lies inside of it: it would archive itself")
		}
		header, err := ourHeader(entry)
		if err == nil {
			err = errors.Join(out.WriteHeader(header), short.WriteHeader(outlined(header)))
		}
		if err == nil && header.Size > 0 {
			_, err = io.CopyBuffer(out, onlyReader{e}, buffer)
		}
		if err != nil {
			return n, fmt.Errorf("%q: %w", entry.path, err)
		}
	}
}

// onlyReader keeps io.CopyBuffer from other ways than through its buffer.
type onlyReader struct{ io.Reader }

// ourHeader is what our archive says of an entry: nothing that the way back does not use.
func ourHeader(e entry) (*tar.Header, error) {
	h := &tar.Header{
		Format: tar.FormatPAX, Typeflag: e.header.Typeflag, Name: "./" + e.path, Mode: e.header.Mode,
		Uid: e.header.Uid, Gid: e.header.Gid, ModTime: e.header.ModTime, PAXRecords: map[string]string{},
	}
	switch e.header.Typeflag {
	case tar.TypeReg:
		h.Size = e.header.Size
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeSymlink:
		h.Linkname = e.header.Linkname
	case tar.TypeLink:
		h.Linkname = "./" + e.header.Linkname
	case tar.TypeChar, tar.TypeBlock:
		h.Devmajor, h.Devminor = e.header.Devmajor, e.header.Devminor
	case tar.TypeFifo:
	default:
		return nil, fmt.Errorf("it is of an unknown kind %q", e.header.Typeflag)
	}
	if e.path == "." && e.header.Typeflag != tar.TypeDir {
		h.Name = filepath.Base(e.header.Name)
	}
	for name, value := range attributes(e.header) {
		h.PAXRecords[xattrs+name] = value
	}
	return h, nil
}
