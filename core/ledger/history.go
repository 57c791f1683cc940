package ledger

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/refit-dev/refit/core"
)

// What is kept at most; the oldest goes first. A thousand results are about 1 MiB.
const (
	mostResults = 5000
	mostLessons = 1000
)

// Record writes how an attempt ended into the history, keeps its lesson and
// forgets the attempt, in one transaction. A success ends what was learned of that
// container alone.
func (l *Ledger) Record(ctx context.Context, e core.Entry) error {
	err := l.write(ctx, func(tx *bbolt.Tx) error {
		for _, r := range e.Results() {
			if err := putResult(tx, r); err != nil {
				return err
			}
		}
		if err := putLesson(tx, e); err != nil {
			return err
		}
		attempts := tx.Bucket(attemptsBucket)
		if e.Open || attempts == nil {
			return nil
		}
		return attempts.Delete([]byte(e.Attempt))
	})
	if err != nil {
		return fmt.Errorf("record the end of attempt %s of %s: %w", e.Attempt, e.Result.Name, err)
	}
	return nil
}

func putResult(tx *bbolt.Tx, r core.Result) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	history, err := tx.CreateBucketIfNotExists(historyBucket)
	if err != nil {
		return err
	}
	n, err := history.NextSequence()
	if err != nil {
		return err
	}
	if n > mostResults {
		if err := history.Delete(number(n - mostResults)); err != nil {
			return err
		}
	}
	return history.Put(number(n), value)
}

// number is a key that sorts as its number does.
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// lessonKey tells lessons apart: one for each container, or all, and image.
func lessonKey(l core.Lesson) []byte {
	image := l.Image.Digest
	if image == "" {
		image = l.Image.ID
	}
	return []byte(strings.Join([]string{l.Container, l.Image.Reference.Text, image}, "\x00"))
}

func putLesson(tx *bbolt.Tx, e core.Entry) error {
	lessons, err := tx.CreateBucketIfNotExists(lessonsBucket)
	if err != nil {
		return err
	}
	if e.Succeeded {
		for _, r := range e.Results() {
			if err := endLessons(lessons, r.Name); err != nil {
				return err
			}
		}
	}
	if e.Lesson == nil {
		return nil
	}
	if lessons.Stats().KeyN >= mostLessons {
		if err := dropOldest(lessons); err != nil {
			return err
		}
	}
	value, err := json.Marshal(e.Lesson)
	if err != nil {
		return err
	}
	return lessons.Put(lessonKey(*e.Lesson), value)
}

// endLessons drops what was learned of one container alone.
func endLessons(lessons *bbolt.Bucket, container string) error {
	var keys [][]byte
	prefix := container + "\x00"
	err := lessons.ForEach(func(key, _ []byte) error {
		if strings.HasPrefix(string(key), prefix) {
			keys = append(keys, slices.Clone(key))
		}
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, lessons.Delete(key))
	}
	return err
}

func dropOldest(lessons *bbolt.Bucket) error {
	var oldest *core.Lesson
	err := lessons.ForEach(func(_, value []byte) error {
		l, err := decoded[core.Lesson](value, "a lesson")
		if err == nil && (oldest == nil || l.At.Before(oldest.At)) {
			oldest = &l
		}
		return err
	})
	if err != nil || oldest == nil {
		return err
	}
	return lessons.Delete(lessonKey(*oldest))
}

// Lessons returns what earlier attempts taught, oldest first.
func (l *Ledger) Lessons(ctx context.Context) ([]core.Lesson, error) {
	all, err := readAll[core.Lesson](ctx, l, lessonsBucket, "a lesson")
	if err != nil {
		return nil, fmt.Errorf("read lessons: %w", err)
	}
	slices.SortStableFunc(all, func(a, b core.Lesson) int { return a.At.Compare(b.At) })
	return all, nil
}

// History returns the results of a container, or of all for the name "", newest
// first, at most that many; 0 means all that are kept.
func (l *Ledger) History(ctx context.Context, name string, most int) ([]core.Result, error) {
	var all []core.Result
	err := l.read(ctx, func(tx *bbolt.Tx) error {
		history := tx.Bucket(historyBucket)
		if history == nil {
			return nil
		}
		c := history.Cursor()
		for key, value := c.Last(); key != nil && (most == 0 || len(all) < most); key, value = c.Prev() {
			r, err := decoded[core.Result](value, "a result")
			if err != nil {
				return err
			}
			if name == "" || r.Name == name {
				all = append(all, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return all, nil
}
