package ledger

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/refit-dev/refit/core"
)

// The outbox is in buckets of its own, which builds without one do not look at.
var (
	lettersBucket = []byte("letters")
	factsBucket   = []byte("facts")
	toldBucket    = []byte("told")
	toldKey       = []byte("history") // up to which result people were told
)

// mostLetters of a channel are kept that were given up, for keepGivenUp; the oldest
// goes first.
const (
	mostLetters = 200
	keepGivenUp = 30 * 24 * time.Hour
)

// Untold returns the results that were recorded since the last Post, oldest first,
// and the mark with which Post says that they are told. Before the first Post there
// are none: what happened before anybody was to be told is history.
func (l *Ledger) Untold(ctx context.Context) (results []core.Result, mark uint64, err error) {
	err = l.read(ctx, func(tx *bbolt.Tx) error {
		history := tx.Bucket(historyBucket)
		if history == nil {
			return nil
		}
		mark = history.Sequence()
		told := tx.Bucket(toldBucket)
		if told == nil {
			return nil
		}
		after := told.Get(toldKey)
		c := history.Cursor()
		for key, value := c.Seek(after); key != nil; key, value = c.Next() {
			if string(key) == string(after) {
				continue
			}
			r, err := decoded[core.Result](value, "a result")
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read what is to be told: %w", err)
	}
	return results, mark, nil
}

// Told returns the facts that people know.
func (l *Ledger) Told(ctx context.Context) (map[string]core.Fact, error) {
	facts := map[string]core.Fact{}
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		return each(tx, factsBucket, func(key string, value []byte) error {
			f, err := decoded[core.Fact](value, "a fact")
			if err != nil {
				return err
			}
			facts[key] = f
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read what was told: %w", err)
	}
	return facts, nil
}

// Post puts letters into the outbox, notes what they tell, and moves the mark, all
// of it or nothing. A mark below the present one does not move it back. The first
// post without a mark says that all so far is history.
func (l *Ledger) Post(ctx context.Context, p core.Posting) error {
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		if err := putLetters(tx, p.Letters); err != nil {
			return err
		}
		if err := putFacts(tx, p.Facts); err != nil {
			return err
		}
		told, err := tx.CreateBucketIfNotExists(toldBucket)
		if err != nil {
			return err
		}
		now, history := told.Get(toldKey), tx.Bucket(historyBucket)
		switch {
		case now != nil && binary.BigEndian.Uint64(now) >= p.Mark:
			return nil
		case now == nil && p.Mark == 0 && history != nil:
			return told.Put(toldKey, number(history.Sequence()))
		default:
			return told.Put(toldKey, number(p.Mark))
		}
	})
	if err != nil {
		return fmt.Errorf("post notifications: %w", err)
	}
	return nil
}

func putLetters(tx *bbolt.Tx, letters []core.Letter) error {
	box, err := tx.CreateBucketIfNotExists(lettersBucket)
	if err != nil {
		return err
	}
	for _, letter := range letters {
		if letter.ID, err = box.NextSequence(); err != nil {
			return err
		}
		if err := putLetter(box, letter); err != nil {
			return err
		}
	}
	return nil
}

func putLetter(box *bbolt.Bucket, letter core.Letter) error {
	value, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	return box.Put(number(letter.ID), value)
}

func putFacts(tx *bbolt.Tx, changed map[string]*core.Fact) error {
	facts, err := tx.CreateBucketIfNotExists(factsBucket)
	if err != nil {
		return err
	}
	for key, fact := range changed {
		if fact == nil {
			if err := facts.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
		value, err := json.Marshal(fact)
		if err != nil {
			return err
		}
		if err := facts.Put([]byte(key), value); err != nil {
			return err
		}
	}
	return nil
}

// Letters returns what is in the outbox, oldest first: what is owed, and what was
// given up.
func (l *Ledger) Letters(ctx context.Context) ([]core.Letter, error) {
	all, err := readAll[core.Letter](ctx, l, lettersBucket, "a notification")
	if err != nil {
		return nil, fmt.Errorf("read notifications: %w", err)
	}
	return all, nil
}

// Settle takes delivered letters out of the outbox, and writes back those that were
// tried or given up. Letters that are gone meanwhile are not brought back.
func (l *Ledger) Settle(ctx context.Context, delivered []uint64, tried []core.Letter) error {
	if len(delivered)+len(tried) == 0 {
		return nil
	}
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		box, err := tx.CreateBucketIfNotExists(lettersBucket)
		if err != nil {
			return err
		}
		for _, id := range delivered {
			if err := box.Delete(number(id)); err != nil {
				return err
			}
		}
		for _, letter := range tried {
			if box.Get(number(letter.ID)) == nil {
				continue
			}
			if err := putLetter(box, letter); err != nil {
				return err
			}
		}
		return dropGivenUp(box)
	})
	if err != nil {
		return fmt.Errorf("settle notifications: %w", err)
	}
	return nil
}

// dropGivenUp bounds what is kept of letters that were given up.
func dropGivenUp(box *bbolt.Bucket) error {
	given := map[string][]core.Letter{}
	err := box.ForEach(func(_, value []byte) error {
		letter, err := decoded[core.Letter](value, "a notification")
		if err != nil {
			return err
		}
		if !letter.GivenUp.IsZero() {
			given[letter.Channel] = append(given[letter.Channel], letter)
		}
		return nil
	})
	for _, letters := range given {
		slices.SortFunc(letters, func(a, b core.Letter) int { return cmp.Compare(a.ID, b.ID) })
		for i, letter := range letters {
			if i < len(letters)-mostLetters || time.Since(letter.GivenUp) > keepGivenUp {
				err = errors.Join(err, box.Delete(number(letter.ID)))
			}
		}
	}
	return err
}

// LockDelivery makes this process the only one that delivers, until unlock. It does
// not wait; the error says who is at it.
func (l *Ledger) LockDelivery(ctx context.Context) (unlock func() error, err error) {
	return l.lock(ctx, deliveryName, "is delivering notifications of")
}
