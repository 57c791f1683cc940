package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/refit-dev/refit/core"
)

// Recall returns the defaults of those of the images that are remembered.
func (l *Ledger) Recall(ctx context.Context, imageIDs []string) (map[string]core.Defaults, error) {
	known := map[string]core.Defaults{}
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(defaultsBucket)
		if bucket == nil {
			return nil
		}
		for _, id := range imageIDs {
			value := bucket.Get([]byte(id))
			if value == nil {
				continue
			}
			d, err := decoded[core.Defaults](value, "an image's defaults")
			if err != nil {
				return err
			}
			known[id] = d
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the images' defaults: %w", err)
	}
	return known, nil
}

// Remember adds to what is remembered of images, and forgets everything that is of
// none of the images in use: so there is never more of it than there are images.
func (l *Ledger) Remember(ctx context.Context, add map[string]core.Defaults, inUse []string) error {
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(defaultsBucket)
		if err != nil {
			return err
		}
		if err := forgetOthers(bucket, inUse); err != nil {
			return err
		}
		for id, d := range add {
			value, err := json.Marshal(d)
			if err != nil {
				return err
			}
			if err := bucket.Put([]byte(id), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the images' defaults: %w", err)
	}
	return nil
}

func forgetOthers(bucket *bbolt.Bucket, inUse []string) error {
	var others [][]byte
	err := bucket.ForEach(func(id, _ []byte) error {
		if !slices.Contains(inUse, string(id)) {
			others = append(others, slices.Clone(id))
		}
		return nil
	})
	for _, id := range others {
		err = errors.Join(err, bucket.Delete(id))
	}
	return err
}
