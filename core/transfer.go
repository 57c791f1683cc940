package core

import (
	"fmt"
	"time"
)

// Size is a number of bytes. People read "40.1 MB", in powers of ten, as docker's
// commands say it; in JSON it is the number.
type Size int64

func (s Size) String() string {
	if s < 1000 {
		return fmt.Sprintf("%d B", int64(s))
	}
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(s)/1000, 0
	for ; f >= 999.95 && i < len(units)-1; i++ { // which would be "1000.0"
		f /= 1000
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// Layer is one layer of an image.
type Layer struct {
	// DiffID is what is in it: "sha256:…" of its content before it is compressed.
	DiffID string
	Size   Size // compressed, as it is downloaded
}

// Transfer is what it took to bring an image to the engine.
type Transfer struct {
	// Bytes came over the network, compressed, as the engine counts them. Layers that
	// it had already are not in it.
	Bytes Size `json:"bytes"`
	// Took is from the first request to the image's being there, tries that failed
	// included, the wait for a place among the pulls not.
	Took time.Duration `json:"took_ns"`
}

// Happened tells whether anything was pulled at all.
func (t Transfer) Happened() bool { return t != Transfer{} }

// String is "40.1 MB in 3.21s".
func (t Transfer) String() string {
	unit := 10 * time.Millisecond
	if t.Took < time.Second {
		unit = time.Millisecond
	}
	return fmt.Sprintf("%s in %s", t.Bytes, t.Took.Round(unit))
}
