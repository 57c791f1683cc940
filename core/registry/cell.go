package registry

import (
	"context"
	"sync"
)

// cell holds what costs requests to learn: it is learned once, whoever asks for
// it meanwhile waits for that. The zero value knows nothing.
type cell[T any] struct {
	mu       sync.Mutex
	value    *T
	learning chan struct{} // closed when whoever learns it has ended; nil if nobody does
}

// get returns what is known, if it is still good, and learns it otherwise. An
// error is the caller's own: who waited for somebody who failed learns it himself.
func (c *cell[T]) get(ctx context.Context, good func(*T) bool, learn func() (*T, error)) (*T, error) {
	for {
		c.mu.Lock()
		if value := c.value; value != nil && good(value) {
			c.mu.Unlock()
			return value, nil
		}
		other := c.learning
		if other == nil {
			c.learning = make(chan struct{})
			c.mu.Unlock()
			return c.learned(learn())
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// knows tells whether it is known, and still good.
func (c *cell[T]) knows(good func(*T) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value != nil && good(c.value)
}

func (c *cell[T]) learned(value *T, err error) (*T, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.learning)
	c.learning = nil
	if err != nil {
		return nil, err
	}
	c.value = value
	return value, nil
}

// forget makes sure that it is learned anew, unless it has been since that value
// was got. nil stands for any value.
func (c *cell[T]) forget(value *T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value == nil || c.value == value {
		c.value = nil
	}
}
