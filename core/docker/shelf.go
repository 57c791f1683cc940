package docker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"sync"
)

// proof is a digest of what a list says of a thing. The zero proof proves nothing.
type proof [sha256.Size]byte

func proofOf(listed any) proof {
	encoded, err := json.Marshal(listed)
	if err != nil {
		return proof{} // what came from JSON goes back to it
	}
	return sha256.Sum256(encoded)
}

// shelf remembers the answers of one kind of inspection, by id. The zero value is
// ready, and remembers nothing until watch.
type shelf[T any] struct {
	mu      sync.Mutex
	streams int // how many streams of events stand
	notes   map[string]*note[T]
}

// note is what was told of one thing. It is put on the shelf before the thing is asked
// about: what is forgotten meanwhile does not come back.
type note[T any] struct {
	proof  proof
	told   bool
	answer T
}

// watch counts the streams that stand, and forgets everything.
func (s *shelf[T]) watch(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams += more
	s.notes = map[string]*note[T]{}
}

func (s *shelf[T]) watched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams > 0
}

func (s *shelf[T]) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.notes, id)
}

func (s *shelf[T]) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.notes)
}

// consult returns the answers about all ids, in their order and without those that are
// not there any more. It asks only where nothing is remembered under the same proof.
// Ask tells also whether its answer may be remembered. What is remembered of other ids
// is dropped.
func (s *shelf[T]) consult(
	ctx context.Context, ids []string, proofs map[string]proof, ask func(context.Context, string) (T, bool, error),
) ([]T, error) {
	s.retain(ids)
	return inspect(ctx, ids, func(ctx context.Context, id string) (T, error) {
		n := s.look(id, proofs[id])
		if n.told {
			return n.answer, nil
		}
		answer, lasts, err := ask(ctx, id)
		if err == nil && lasts {
			s.tell(id, n, answer)
		}
		return answer, err
	})
}

// look returns what is remembered, or a note that waits for the answer.
func (s *shelf[T]) look(id string, p proof) *note[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.notes[id]; n != nil && n.told && n.proof == p {
		return n
	}
	delete(s.notes, id)
	n := &note[T]{proof: p}
	if s.streams > 0 && p != (proof{}) {
		s.notes[id] = n
	}
	return n
}

// tell completes a note, unless it was taken from the shelf meanwhile.
func (s *shelf[T]) tell(id string, n *note[T], answer T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.notes[id] == n {
		s.notes[id] = &note[T]{proof: n.proof, told: true, answer: answer}
	}
}

func (s *shelf[T]) retain(ids []string) {
	there := make(map[string]bool, len(ids))
	for _, id := range ids {
		there[id] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.notes {
		if !there[id] {
			delete(s.notes, id)
		}
	}
}
