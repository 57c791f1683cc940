package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Lock makes this process the only one that changes containers with this
// ledger, until unlock. It does not wait: where another one is at it the error
// says which. The kernel lets go of the lock of a process that has died, and of
// one whose owner has dropped unlock without calling it.
func (l *Ledger) Lock(ctx context.Context) (unlock func() error, err error) {
	return l.lock(ctx, lockName, "is changing containers with")
}

// lock takes one of the ledger's locks. Does says what its holder is at.
func (l *Ledger) lock(ctx context.Context, name, does string) (unlock func() error, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(l.path(name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock ledger: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder := holder(f)
		return nil, errors.Join(fmt.Errorf("another refit%s %s this ledger", holder, does), f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	if err := sign(f); err != nil {
		return nil, errors.Join(fmt.Errorf("lock ledger: %w", err), f.Close())
	}
	return f.Close, nil
}

// sign writes our pid, for the error of whoever comes next. In a container it
// is the number inside of it.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// holder names the process that signed, and nobody where it has not yet.
func holder(f *os.File) string {
	var text [20]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, err := strconv.Atoi(string(text[:n]))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// Life is a sign of life.
type Life struct {
	// Until is when the loop is to be taken for dead, unless it says more before.
	Until time.Time `json:"until"`
	// By is the id of the container that it comes from, "" outside of one. A Refit and
	// its successor have one folder.
	By string `json:"by,omitempty"`
	// Aside says that the loop waits until a helper is done.
	Aside bool `json:"aside,omitempty"`
}

// Beat leaves a sign of life. It is not synced: after a power cut nobody is alive,
// whatever is written.
func (l *Ledger) Beat(life Life) error {
	text, err := json.Marshal(life)
	if err != nil {
		return fmt.Errorf("write sign of life: %w", err)
	}
	// Renamed into place, so that a reader never finds half of it. The name before that
	// is this writer's own: while Refit is replaced there are two.
	path := l.path(aliveName)
	fresh := fmt.Sprintf("%s.%.12s", path, cmp.Or(life.By, "new"))
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return fmt.Errorf("write sign of life: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("write sign of life: %w", err)
	}
	return nil
}

// LastBeat returns what the last Beat said, and the zero Life if there was none.
func (l *Ledger) LastBeat() (Life, error) {
	text, err := os.ReadFile(l.path(aliveName))
	if errors.Is(err, fs.ErrNotExist) {
		return Life{}, nil
	}
	if err != nil {
		return Life{}, fmt.Errorf("read sign of life: %w", err)
	}
	var life Life
	if err := json.Unmarshal(text, &life); err != nil {
		return Life{}, fmt.Errorf("read sign of life: %s does not hold one", l.path(aliveName))
	}
	return life, nil
}
