package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
)

// compare reads two archives side by side and returns an error that names the first
// entry that differs. Engines walk a folder in one order, so there is nothing to remember.
func compare(want, got *entries) error {
	for {
		w, wantMore, wantErr := want.more()
		g, gotMore, gotErr := got.more()
		if err := errors.Join(wantErr, gotErr); err != nil {
			return err
		}
		switch {
		case !wantMore && !gotMore:
			return nil
		case wantMore && (!gotMore || before(w.path, g.path)):
			return fmt.Errorf("%q is missing", w.path)
		case !wantMore || before(g.path, w.path):
			return fmt.Errorf("%q is there and should not be", g.path)
		}
		err := compareHeaders(w.header, g.header)
		if err == nil {
			err = compareContent(want, got)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", w.path, err)
		}
	}
}

// more is next, with the end told apart.
func (e *entries) more() (entry, bool, error) {
	next, err := e.next()
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return entry{}, false, nil
	}
	return next, err == nil, err
}

// before tells whether a comes before b in an archive: by the names of the folders.
func before(a, b string) bool {
	return strings.ReplaceAll(a, "/", "\x00") < strings.ReplaceAll(b, "/", "\x00")
}

func compareHeaders(w, g *tar.Header) error {
	switch {
	case w.Typeflag != g.Typeflag:
		return fmt.Errorf("its type is %q, not %q", g.Typeflag, w.Typeflag)
	case w.Mode&allModes != g.Mode&allModes:
		return fmt.Errorf("its mode is %04o, not %04o", g.Mode&allModes, w.Mode&allModes)
	case w.Uid != g.Uid || w.Gid != g.Gid:
		return fmt.Errorf("its owner is %d:%d, not %d:%d", g.Uid, g.Gid, w.Uid, w.Gid)
	case w.Typeflag == tar.TypeReg && w.Size != g.Size:
		return fmt.Errorf("it has %d bytes, not %d", g.Size, w.Size)
	case w.Linkname != g.Linkname:
		return fmt.Errorf("it leads to %q, not to %q", g.Linkname, w.Linkname)
	case w.Devmajor != g.Devmajor || w.Devminor != g.Devminor:
		return errors.New("it is another device")
	case !maps.Equal(attributes(w), attributes(g)):
		return errors.New("its extended attributes differ")
	}
	return compareTimes(w.ModTime, g.ModTime)
}

// compareTimes compares what the archive knows: engines tell whole seconds.
func compareTimes(want, got time.Time) error {
	if want.Nanosecond() == 0 {
		got = got.Truncate(time.Second)
	}
	if want.Equal(got) {
		return nil
	}
	return fmt.Errorf("it was changed at %s, not at %s", got.UTC().Format(time.RFC3339Nano), want.UTC().Format(time.RFC3339Nano))
}

// compareContent compares what the entries have as content, which is equally long.
func compareContent(want, got io.Reader) error {
	var a, b [32 << 10]byte
	for {
		n, err := io.ReadFull(want, a[:])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if _, err := io.ReadFull(got, b[:n]); err != nil {
			return err
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return errors.New("its content differs")
		}
		if n < len(a) {
			return nil
		}
	}
}
