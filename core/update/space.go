package update

import (
	"context"
	"log/slog"

	"github.com/refit-dev/refit/core"
)

const (
	// plentyOfRoom is so much that no registry is asked how large an image is.
	plentyOfRoom core.Size = 32e9
	// unpacked is how many times its compressed size a layer takes at least: what is
	// downloaded is kept until it is unpacked, and is larger then.
	unpacked = 2
)

// room fails where there is clearly no room for an image. What cannot be known is not
// checked: the engine says so itself when its disk is full.
func (p *pulls) room(ctx context.Context, image core.Image, log *slog.Logger) error {
	storage, tells := p.Engine.(Storage)
	sizer, asks := p.Reader.(Sizer)
	if !tells || !asks {
		return nil
	}
	free, err := storage.Free(ctx)
	if err != nil {
		log.Debug("not looking for room for the image", slog.Any("error", err))
		return nil
	}
	if free >= plentyOfRoom {
		return nil
	}
	layers, err := sizer.Layers(ctx, image)
	if err != nil {
		log.Debug("not looking for room for the image", slog.Any("error", err))
		return nil
	}
	if takes(layers, nil) <= free {
		return nil
	}
	there, err := storage.LayerIDs(ctx)
	if err != nil {
		log.Debug("not looking for room for the image", slog.Any("error", err))
		return nil
	}
	if need := takes(layers, there); need > free {
		return fail(core.NoSpace, "%s takes %s at least where the engine keeps its images (%d times the %s that are to be downloaded), and %s are free there",
			image.Reference.Text, need, unpacked, need/unpacked, free)
	}
	return nil
}

// takes is how much room the layers take at least, without those that are there.
func takes(layers []core.Layer, there map[string]bool) (sum core.Size) {
	counted := map[string]bool{}
	for _, l := range layers {
		if !there[l.DiffID] && !counted[l.DiffID] {
			sum += unpacked * l.Size
		}
		counted[l.DiffID] = true
	}
	return sum
}
