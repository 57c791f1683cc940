package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// pair is an archive and the mount that it belongs to.
type pair struct {
	archive Archive
	mount   mount
}

// putBack makes the container's mounts what they were in the backup. All that can be
// wrong is looked for before anything is touched. It can be repeated after it was
// killed. On rollback the mounts have to be the very same ones, and those that the
// container could not write to are left out.
func (t *task) putBack(ctx context.Context, b Backup, rollback bool) error {
	pairs, err := t.match(b.Manifest, rollback)
	if err == nil {
		err = t.mayRestore(ctx, b, pairs, rollback)
	}
	if err != nil {
		return fmt.Errorf("nothing was touched: %w", err)
	}
	if len(pairs) == 0 {
		return nil
	}
	h, err := t.helper(ctx, t.image)
	if err != nil {
		return fmt.Errorf("nothing was touched: %w", err)
	}
	for _, p := range pairs {
		if err = t.putBackOne(ctx, h, b, p); err != nil {
			err = fmt.Errorf("restore %s from backup %s: %w", p.archive.Destination, b.Name, err)
			break
		}
	}
	if h.id != t.image { // else it stays for the next try, or until the end
		if err := h.remove(ctx); err != nil {
			t.log.Warn("the helper's image could not be removed", slog.String("image", h.reference), slog.String("error", err.Error()))
		}
	}
	if err != nil {
		return err
	}
	t.log.Info("restored", attrs(b.Name, len(pairs))...)
	return nil
}

// mayRestore makes sure that the backup is whole, that the helper would run, and that
// nobody writes into the mounts; on rollback also that nobody has written there since.
func (t *task) mayRestore(ctx context.Context, b Backup, pairs []pair, rollback bool) error {
	var chosen []mount
	for _, p := range pairs {
		chosen = append(chosen, p.mount)
	}
	if !t.mayStop {
		if err := t.idle(ctx, chosen); err != nil { // rather than after reading all of the backup
			return err
		}
	}
	if rollback {
		if err := t.unshared(ctx, chosen); err != nil {
			return err
		}
	}
	if err := b.Check(ctx, t.say); err != nil {
		return err
	}
	if err := t.canRestore(ctx); err != nil {
		return err
	}
	if err := t.halt(ctx); err != nil {
		return err
	}
	return t.idle(ctx, chosen)
}

// match finds the mount of each archive.
func (t *task) match(m Manifest, rollback bool) ([]pair, error) {
	var pairs []pair
	for _, a := range m.Archives {
		i := slices.IndexFunc(t.container.mounts, func(m mount) bool { return m.Destination == a.Destination })
		if i < 0 {
			return nil, fmt.Errorf("%s is no mount of %s any more", a.Destination, t.container.name)
		}
		p := pair{archive: a, mount: t.container.mounts[i]}
		switch {
		case p.mount.Type != a.Type:
			return nil, fmt.Errorf("%s is of type %s now, and was of type %s", a.Destination, p.mount.Type, a.Type)
		case !slices.Equal(p.mount.inner, a.Inner):
			return nil, fmt.Errorf("other places than then are mounted inside of %s", a.Destination)
		case rollback && !p.mount.is(a):
			return nil, fmt.Errorf("%s is not the same %s any more", a.Destination, a.Type)
		case rollback && p.mount.ReadOnly:
			continue
		case rollback && len(a.Writers) > 0:
			return nil, fmt.Errorf("%s was also written by %s while it was archived: restore it by hand if it may be undone for all",
				a.Destination, strings.Join(a.Writers, ", "))
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// is tells whether the mount is the one that was archived. Where a volume is on the
// host is its driver's business.
func (m mount) is(a Archive) bool {
	return m.Name == a.Volume && (m.Type == typeVolume || m.Source == a.Source)
}

func (t *task) putBackOne(ctx context.Context, h *helper, b Backup, p pair) error {
	f, err := os.Open(filepath.Join(b.Path, p.archive.File))
	if err != nil {
		return err
	}
	defer release(f)
	outline, err := os.Open(filepath.Join(b.Path, p.archive.outline().File))
	if err != nil {
		return err
	}
	defer release(outline)
	if err := h.extract(ctx, p.archive, p.mount, io.MultiReader(outline, f)); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := t.verify(ctx, p.archive, f); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// verify compares what is there, as the engine tells it, with the archive.
func (t *task) verify(ctx context.Context, a Archive, packed io.Reader) error {
	plain, err := unpack(packed)
	if err != nil {
		return err
	}
	defer plain.Close()
	there, err := t.open(ctx, a.Destination)
	if err != nil {
		return err
	}
	defer there.Close()
	m := newMeter(t.say, "verifying "+a.Destination, a.Bytes)
	return compare(read(io.TeeReader(plain, m), a.Inner), read(there, a.Inner))
}

// unpack reads a packed archive, with little memory.
func unpack(packed io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true))
}

// Check reads all archives of the backup and compares their checksums with what the
// manifest says. say may be nil.
func (b Backup) Check(ctx context.Context, say func(text string, done, total int64)) error {
	if b.Fault != "" {
		return fmt.Errorf("backup %s cannot be used: %s", b.Name, b.Fault)
	}
	for _, a := range b.Manifest.Archives {
		for _, p := range a.files() {
			if err := p.verify(ctx, b.Path, newMeter(say, "checking "+a.Destination, p.Packed)); err != nil {
				return fmt.Errorf("check %s of backup %s: %w", a.Destination, b.Name, err)
			}
		}
	}
	return nil
}

func (p Part) verify(ctx context.Context, folder string, m *meter) error {
	f, err := os.Open(filepath.Join(folder, p.File))
	if err != nil {
		return err
	}
	defer release(f)
	sum, buffer := sha256.New(), make([]byte, 128<<10)
	for {
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		m.add(int64(n))
		switch {
		case errors.Is(err, io.EOF) && m.done != p.Packed:
			return fmt.Errorf("the file has %d bytes, not %d", m.done, p.Packed)
		case errors.Is(err, io.EOF) && hex.EncodeToString(sum.Sum(nil)) != p.SHA256:
			return errors.New("the file is damaged: its SHA-256 sum is not the manifest's")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}
