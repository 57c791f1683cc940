package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// attributes sets owner, mode, extended attributes and time. A change of the owner
// takes special bits and capabilities away, so it comes first.
func (x *extractor) attributes(e entry) error {
	full, h := x.full(e.path), e.header
	var s unix.Stat_t
	if err := unix.Lstat(full, &s); err != nil {
		return err
	}
	if int(s.Uid) != h.Uid || int(s.Gid) != h.Gid {
		if err := os.Lchown(full, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(full, uint32(h.Mode&allModes)); err != nil {
			return fmt.Errorf("change its mode: %w", err)
		}
	}
	if err := setXattrs(full, attributes(h)); err != nil {
		return err
	}
	return setTime(full, h.ModTime, s)
}

// capabilities is the extended attribute that engines put into their archives.
const capabilities = "security.capability"

func setXattrs(full string, want map[string]string) error {
	for name, value := range want {
		if err := unix.Lsetxattr(full, name, []byte(value), 0); err != nil {
			return fmt.Errorf("set its attribute %s: %w", name, err)
		}
	}
	if _, wanted := want[capabilities]; wanted {
		return nil
	}
	err := unix.Lremovexattr(full, capabilities)
	if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("remove its capabilities: %w", err)
	}
	return nil // a symbolic link and a device have none, and say so in many ways
}

// setTime sets when it was changed. Engines tell whole seconds; a file whose time is
// right as far as they tell was not touched.
func setTime(full string, want time.Time, before unix.Stat_t) error {
	var s unix.Stat_t
	if err := unix.Lstat(full, &s); err != nil {
		return err
	}
	if s.Mtim.Sec == want.Unix() && (want.Nanosecond() == 0 || s.Mtim.Nsec == int64(want.Nanosecond())) {
		return nil
	}
	times := []unix.Timespec{before.Atim, unix.NsecToTimespec(want.UnixNano())}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, full, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set its time: %w", err)
	}
	return nil
}
