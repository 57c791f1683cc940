package backup

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/docker/docker/api/types"
	"golang.org/x/sys/unix"
)

const (
	// The disk of the backups stays usable: at least leastReserve bytes of it stay free,
	// or a reservePart-th of it where that is more, and no more than mostReserve.
	leastReserve, mostReserve = 64 << 20, 10 << 30
	reservePart               = 100
	// Where nothing tells how large a first backup will be, unknownSize bytes have to be
	// free as well, or an unknownPart-th of the disk where that is less.
	unknownSize = 1 << 30
	unknownPart = 20
	// guarded is how many bytes are written between two looks at the disk.
	guarded = 4 << 20
	// usageTime is how long the engine may take to say how large its volumes are. It
	// walks through all of them.
	usageTime = 5 * time.Second
)

// disk is how large the disk of a folder is, and the room on it for whoever is not
// root, in bytes.
func disk(dir string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("look for room in the backup folder: %w", err)
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}

// reserveOf is what stays free on a disk of that size.
func reserveOf(total int64) int64 { return min(max(leastReserve, total/reservePart), mostReserve) }

// checkRoom refuses a backup for which there will probably be no room. It guesses: by
// the latest backup, else by what the engine says; what is written is watched anyway.
func (t *task) checkRoom(ctx context.Context, chosen []mount) error {
	all, err := t.store.own(t.container.name)
	if err != nil {
		return fmt.Errorf("look for earlier backups: %w", err)
	}
	total, room, err := disk(t.store.root.Name())
	if err != nil {
		return err
	}
	need := int64(-1)
	for _, b := range all {
		if b.Fault == "" {
			need = b.Packed() + b.Packed()/4
		}
	}
	if need < 0 {
		used, known := t.used(ctx, chosen)
		// Databases shrink to a third, pictures not at all.
		if need = used / 2; !known {
			need += min(unknownSize, total/unknownPart)
		}
	}
	need += t.reserve
	if room < need {
		return fmt.Errorf("not enough room in the backup folder: %s free, %s needed", size(room), size(need))
	}
	return nil
}

// used is what the mounts hold, as far as the engine says so in time, and whether
// that is all.
func (t *task) used(ctx context.Context, chosen []mount) (sum int64, all bool) {
	ctx, cancel := context.WithTimeout(ctx, usageTime)
	defer cancel()
	usage, err := t.api.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.VolumeObject}})
	if err != nil {
		return 0, false
	}
	told := map[string]int64{}
	for _, v := range usage.Volumes {
		if v.UsageData != nil && v.UsageData.Size >= 0 { // -1 is: not known
			told[v.Name] = v.UsageData.Size
		}
	}
	all = true
	for _, m := range chosen {
		bytes, known := told[m.Name]
		sum += bytes
		all = all && known
	}
	return sum, all
}

// roomGuard writes to a file as long as the reserve stays free.
type roomGuard struct {
	f       *os.File
	dir     string
	reserve int64
	left    int64 // bytes until the next look
}

func (g *roomGuard) Write(p []byte) (int, error) {
	if g.left -= int64(len(p)); g.left < 0 {
		_, room, err := disk(g.dir)
		if err != nil {
			return 0, err
		}
		if room-int64(len(p)) < g.reserve {
			return 0, fmt.Errorf("not enough room in the backup folder: %s free, %s of it stay free", size(room), size(g.reserve))
		}
		g.left = guarded
		// The disk may begin: the wait at the end is downtime. Who cannot, waits then.
		_ = unix.SyncFileRange(int(g.f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	}
	return g.f.Write(p)
}
