package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/refit-dev/refit/core"
)

// Save writes the attempt, synced to the disk when it returns. An attempt of
// the same id is replaced.
func (l *Ledger) Save(ctx context.Context, a core.Attempt) error {
	value, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("save attempt %s of %s: %w", a.ID, a.Name, err)
	}
	err = l.write(ctx, func(tx *bbolt.Tx) error {
		attempts, err := tx.CreateBucketIfNotExists(attemptsBucket)
		if err != nil {
			return err
		}
		return attempts.Put([]byte(a.ID), value)
	})
	if err != nil {
		return fmt.Errorf("save attempt %s of %s: %w", a.ID, a.Name, err)
	}
	return nil
}

// Attempts returns those in flight, oldest first.
func (l *Ledger) Attempts(ctx context.Context) ([]core.Attempt, error) {
	all, err := readAll[core.Attempt](ctx, l, attemptsBucket, "an attempt")
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	slices.SortFunc(all, func(a, b core.Attempt) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// readAll returns what a bucket holds, in the order of its keys. What is one of them,
// for people.
func readAll[T any](ctx context.Context, l *Ledger, bucket []byte, what string) ([]T, error) {
	var all []T
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		return each(tx, bucket, func(_ string, value []byte) error {
			one, err := decoded[T](value, what)
			if err != nil {
				return err
			}
			all = append(all, one)
			return nil
		})
	})
	return all, err
}

// LastRuns returns when each container was last looked at, or first seen, by
// its name.
func (l *Ledger) LastRuns(ctx context.Context) (map[string]time.Time, error) {
	runs := map[string]time.Time{}
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		return each(tx, runsBucket, func(name string, value []byte) error {
			at, err := time.Parse(time.RFC3339Nano, string(value))
			if err != nil {
				return damage{errors.New("a last run cannot be read")}
			}
			runs[name] = at
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read last runs: %w", err)
	}
	return runs, nil
}

// SetLastRuns adds to what is known. The zero time drops a name, for containers
// that are no more; it is no error if the name is unknown.
func (l *Ledger) SetLastRuns(ctx context.Context, runs map[string]time.Time) error {
	if len(runs) == 0 {
		return nil
	}
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(runsBucket)
		if err != nil {
			return err
		}
		for name, at := range runs {
			if err := putTime(bucket, name, at); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write last runs: %w", err)
	}
	return nil
}

func putTime(bucket *bbolt.Bucket, name string, at time.Time) error {
	if at.IsZero() {
		return bucket.Delete([]byte(name))
	}
	return bucket.Put([]byte(name), []byte(at.UTC().Format(time.RFC3339Nano)))
}

// each calls f with every record of a bucket; value is valid during the call only.
func each(tx *bbolt.Tx, bucket []byte, f func(key string, value []byte) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(key, value []byte) error { return f(string(key), value) })
}

// decoded reads one record; what it is goes into the error. Nothing of the record
// does, which may be a piece of a secret.
func decoded[T any](value []byte, what string) (T, error) {
	var record T
	if err := json.Unmarshal(value, &record); err != nil {
		return record, damage{errors.New(what + " cannot be read")}
	}
	return record, nil
}
