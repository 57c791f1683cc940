// Package ledger is Refit's memory across restarts: one small file with the
// replacements in flight and with the last run of each container. Beside it lie
// a lock, which lets one process at a time change containers, and the loop's
// sign of life.
//
// Nothing here decides: what a record means, and what is to be done about it, is
// known to the package that wrote it. The file holds environments of
// containers, so it is a secret; nobody else may read it, and no error shows any of it.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	fileName  = "refit.db"
	lockName  = "refit.lock"
	aliveName = "refit.alive"
	// deliveryName is the lock of who delivers notifications.
	deliveryName = "refit.delivery"

	// schema is the layout that this build reads and writes. One that is newer
	// is refused: guessing at it could lose a container.
	schema = 1

	// patience is how long a transaction waits for another process's. Those
	// last milliseconds; a process that was stopped inside of one holds on.
	patience = 5 * time.Second
)

// The buckets of schema 1. What comes later gets its own.
var (
	metaBucket     = []byte("meta")
	schemaKey      = []byte("schema")
	attemptsBucket = []byte("attempts")
	runsBucket     = []byte("runs")
	historyBucket  = []byte("history")
	lessonsBucket  = []byte("lessons")
	defaultsBucket = []byte("defaults")
)

// Ledger is a folder with Refit's state. The file in it is opened for each
// transaction and closed again, so that a second process can read while a first
// one runs. It may be used from many goroutines.
type Ledger struct {
	dir string
	// turn holds a token while a transaction of this process runs: waiting for
	// it is quicker than bbolt's polling for the file's lock.
	turn chan struct{}
	// sound is set once everything in the file has been looked at. Only who has
	// the turn touches it.
	sound bool
}

// At is the ledger in a folder for a process that only reads, such as refit
// health and refit history. It touches nothing; where there is no file yet,
// nothing is remembered.
func At(dir string) *Ledger {
	return &Ledger{dir: dir, turn: make(chan struct{}, 1)}
}

// Open prepares a folder, which it makes if need be, and checks that it can be
// written and that this build knows the layout of what is there.
func Open(dir string) (*Ledger, error) {
	l := At(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("prepare data directory: %w", err)
	}
	if err := tryWriting(dir); err != nil {
		return nil, fmt.Errorf("write to data directory %s: %w", dir, err)
	}
	// The umask or a copy may have left the file open to others.
	if err := os.Chmod(l.path(fileName), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("protect ledger: %w", err)
	}
	if err := l.use(context.Background(), false, prepare); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	// Without this a power cut could take the whole file, however well synced.
	if err := syncFolder(dir); err != nil {
		return nil, fmt.Errorf("sync data directory %s: %w", dir, err)
	}
	return l, nil
}

func (l *Ledger) path(name string) string { return filepath.Join(l.dir, name) }

func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, "refit.try-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// prepare writes the schema into a new file. An existing one is only read: a
// start must not cost a write.
func prepare(db *bbolt.DB) error {
	fresh := false
	err := db.View(func(tx *bbolt.Tx) error {
		fresh = tx.Bucket(metaBucket) == nil
		return checkSchema(tx)
	})
	if err != nil || !fresh {
		return err
	}
	return db.Update(putSchema)
}

func putSchema(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return meta.Put(schemaKey, []byte(strconv.Itoa(schema)))
}

// checkSchema refuses what a newer build has written. A file without a schema
// is one whose first transaction was cut off, or that somebody took away while
// Refit ran: there is nothing in it.
func checkSchema(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil {
		return nil
	}
	found, err := strconv.Atoi(string(meta.Get(schemaKey)))
	switch {
	case err != nil || found < 1:
		return damage{errors.New("its schema is not a number")}
	case found > schema:
		return fmt.Errorf("its schema is %d and this build knows schemas up to %d: run the newer Refit that wrote it, or move the file away", found, schema)
	}
	return nil
}

// read runs f over what is written. Where there is no file, f is not called.
func (l *Ledger) read(ctx context.Context, f func(*bbolt.Tx) error) error {
	err := l.use(ctx, true, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			if err := checkSchema(tx); err != nil {
				return err
			}
			return f(tx)
		})
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// write runs f in a transaction, which is synced to the disk when it returns nil.
func (l *Ledger) write(ctx context.Context, f func(*bbolt.Tx) error) error {
	return l.use(ctx, false, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			if err := checkSchema(tx); err != nil {
				return err
			}
			if err := putSchema(tx); err != nil {
				return err
			}
			return f(tx)
		})
	})
}

// use opens the file for one transaction. Its errors name the file.
func (l *Ledger) use(ctx context.Context, readOnly bool, f func(*bbolt.DB) error) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	path := l.path(fileName)
	err := guarded(path, readOnly, func(db *bbolt.DB) error {
		if !l.sound {
			if err := db.View(verify); err != nil {
				return err
			}
			l.sound = true
		}
		return f(db)
	})
	var found damage
	switch {
	case errors.As(err, &found), errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%s is damaged (%w): move it away and start again; what was in flight is then found by the containers' names and labels", path, err)
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s has been in use by another process for %s", path, patience)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// damage is an error that says that the file is not what was written.
type damage struct{ error }

func (d damage) Unwrap() error { return d.error }

// guarded turns a panic of bbolt into an error: it panics on pages that make no
// sense, and runs into a memory fault where a file is shorter than it says.
func guarded(path string, readOnly bool, f func(*bbolt.DB) error) (err error) {
	var file *os.File
	options := &bbolt.Options{
		Timeout:  patience,
		ReadOnly: readOnly,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			file, err = os.OpenFile(name, flag, mode)
			return file, err
		},
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = damage{errors.Join(fmt.Errorf("%v", cause), release(file))}
		}
	}()
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		return err
	}
	return errors.Join(f(db), db.Close())
}

// verify looks at every record once. bbolt checks nothing but its two first
// pages: the length of a record on a damaged one could be gigabytes, which the
// next write would try to make room for.
func verify(tx *bbolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
		return b.ForEach(func(key, value []byte) error {
			if int64(len(key))+int64(len(value)) > tx.Size() {
				return damage{errors.New("a record is larger than the file")}
			}
			return nil
		})
	})
}

// release lets go of the file after a panic. bbolt's Close cannot: it may wait
// for ever for a lock of its own that the panic left behind. Nor is closing the
// file enough: its mapping into memory, which is lost, keeps the file's lock.
func release(file *os.File) error {
	if file == nil {
		return nil
	}
	return errors.Join(syscall.Flock(int(file.Fd()), syscall.LOCK_UN), file.Close())
}
