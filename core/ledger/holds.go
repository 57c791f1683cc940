package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// holdsBucket is one that builds without it do not look at.
var holdsBucket = []byte("holds")

// RegistryHolds returns until when registry hosts want to be left alone, also
// what is over by now.
func (l *Ledger) RegistryHolds(ctx context.Context) (map[string]time.Time, error) {
	holds := map[string]time.Time{}
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		return each(tx, holdsBucket, func(host string, value []byte) error {
			until, err := time.Parse(time.RFC3339Nano, string(value))
			if err != nil {
				return damage{errors.New("a registry's limit cannot be read")}
			}
			holds[host] = until
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the limits of registries: %w", err)
	}
	return holds, nil
}

// SetRegistryHold replaces what is remembered of one host. The zero time forgets
// it; it is no error if nothing was remembered.
func (l *Ledger) SetRegistryHold(ctx context.Context, host string, until time.Time) error {
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(holdsBucket)
		if err != nil {
			return err
		}
		return putTime(bucket, host, until)
	})
	if err != nil {
		return fmt.Errorf("write the limit of %s: %w", host, err)
	}
	return nil
}
