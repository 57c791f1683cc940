package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// xattrs is what the names of extended attributes begin with in an archive.
const xattrs = "SCHILY.xattr."

// trailer is what ends an archive: two blocks of zeros.
const trailer = 1024

// entries reads the archive of one mount. It gives every entry the same form,
// whoever wrote it, and makes sure that a folder comes before what is in it and that
// nothing of another folder comes in between: so whoever reads needs to remember no
// more than the folders that are open.
type entries struct {
	raw   *counter
	tar   *tar.Reader
	inner map[string]bool
	open  []string // folders, the outermost first
	begun bool
}

// entry is one file, folder or other thing.
type entry struct {
	// path is below the mount: "." is the mount itself, which is a folder or the one
	// file that is mounted.
	path string
	// header has the archive's own name, and a clean link's target.
	header *tar.Header
}

// read reads an archive, leaving out what is at or below the inner paths.
func read(r io.Reader, inner []string) *entries {
	raw := &counter{r: r}
	e := &entries{raw: raw, tar: tar.NewReader(raw), inner: map[string]bool{}}
	for _, p := range inner {
		e.inner[p] = true
	}
	return e
}

// Read reads the content of the latest entry.
func (e *entries) Read(p []byte) (int, error) { return e.tar.Read(p) }

// next returns io.EOF behind the last entry. An archive that ends before its
// trailer is an error: engines break off without a word when a file cannot be read.
func (e *entries) next() (entry, error) {
	for {
		if _, err := io.Copy(io.Discard, e.tar); err != nil {
			return entry{}, e.broken(err)
		}
		before := e.raw.n
		header, err := e.tar.Next()
		switch {
		case errors.Is(err, io.EOF) && e.raw.n-before < trailer:
			return entry{}, e.broken(io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF) && !e.begun:
			return entry{}, errors.New("read the archive: it is empty")
		case errors.Is(err, io.EOF):
			return entry{}, io.EOF
		case err != nil:
			return entry{}, e.broken(err)
		}
		p, err := e.place(header)
		if err != nil {
			return entry{}, err
		}
		if !e.isInner(p) {
			return entry{path: p, header: header}, nil
		}
	}
}

func (e *entries) broken(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read the archive: it ends too early: %w", err)
	}
	return fmt.Errorf("read the archive: %w", err)
}

// place makes the entry's path, and checks that it stands where it belongs.
func (e *entries) place(h *tar.Header) (string, error) {
	p, err := clean(h.Name)
	if err != nil {
		return "", err
	}
	if h.Typeflag == tar.TypeLink {
		if h.Linkname, err = clean(h.Linkname); err != nil {
			return "", err
		}
	}
	if !e.begun {
		e.begun = true
		if h.Typeflag != tar.TypeDir {
			return ".", nil // and the name stays as it is, for people
		}
		if p != "." {
			return "", fmt.Errorf("read the archive: it begins with %q", h.Name)
		}
	} else {
		for len(e.open) > 0 && e.open[len(e.open)-1] != path.Dir(p) {
			e.open = e.open[:len(e.open)-1]
		}
		if len(e.open) == 0 || p == "." {
			return "", fmt.Errorf("read the archive: %q is not in its folder", h.Name)
		}
	}
	if h.Typeflag == tar.TypeDir {
		e.open = append(e.open, p)
	}
	return p, nil
}

// clean makes "." or a path without a slash at either end of a name.
func clean(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("read the archive: it names %q", name)
		}
	}
	if p := path.Clean("/" + name)[1:]; p != "" {
		return p, nil
	}
	return ".", nil
}

func (e *entries) isInner(p string) bool {
	if len(e.inner) == 0 {
		return false
	}
	for ; p != "."; p = path.Dir(p) {
		if e.inner[p] {
			return true
		}
	}
	return false
}

// contentSize is where an outline has the size of a file.
const contentSize = "REFIT.size"

// outlined is what an outline says of an entry: what it is and how large, and nothing
// that is in it.
func outlined(h *tar.Header) *tar.Header {
	short := *h
	short.Size, short.PAXRecords = 0, map[string]string{}
	if h.Typeflag == tar.TypeReg {
		short.PAXRecords[contentSize] = strconv.FormatInt(h.Size, 10)
	}
	return &short
}

// sizeOf is how large a file is to be, by its archive or by an outline.
func sizeOf(h *tar.Header) (int64, error) {
	if text, is := h.PAXRecords[contentSize]; is {
		return strconv.ParseInt(text, 10, 64)
	}
	return h.Size, nil
}

// attributes are the extended attributes of an entry: by name.
func attributes(h *tar.Header) map[string]string {
	found := map[string]string{}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrs); ok {
			found[name] = value
		}
	}
	return found
}

// counter counts what is read. It hides that a file can seek: the tar reader would
// go past it.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
