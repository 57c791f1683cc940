// Package notifytest holds an outbox in memory, and the conformance suite that it
// and the real one pass.
//
// Nothing here is part of the program.
package notifytest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/refit-dev/refit/core"
)

// Outbox is a notify.Outbox in memory. The zero value is empty.
type Outbox struct {
	mu        sync.Mutex
	history   []core.Result
	told      bool // whether there was a Post yet
	mark      uint64
	facts     map[string]core.Fact
	letters   []core.Letter
	last      uint64
	posts     int
	delivered bool // whether somebody delivers

	// Fail, where it is set, is asked before each call, by the method's name; the
	// call does nothing and returns its error.
	Fail func(call string) error
}

func (o *Outbox) fail(call string) error {
	if o.Fail == nil {
		return nil
	}
	return o.Fail(call)
}

// Record puts a result into the history, as the end of an attempt does.
func (o *Outbox) Record(r core.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history = append(o.history, r)
}

// Posts counts the calls of Post that went through.
func (o *Outbox) Posts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.posts
}

// Untold returns what was recorded since the last Post.
func (o *Outbox) Untold(context.Context) ([]core.Result, uint64, error) {
	if err := o.fail("Untold"); err != nil {
		return nil, 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := uint64(len(o.history))
	if !o.told {
		return nil, now, nil
	}
	return copied(o.history[o.mark:]), now, nil
}

// Told returns the facts.
func (o *Outbox) Told(context.Context) (map[string]core.Fact, error) {
	if err := o.fail("Told"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	facts := maps.Clone(o.facts)
	if facts == nil {
		facts = map[string]core.Fact{}
	}
	return facts, nil
}

// Post takes it all.
func (o *Outbox) Post(_ context.Context, p core.Posting) error {
	if err := o.fail("Post"); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, letter := range copied(p.Letters) {
		o.last++
		letter.ID = o.last
		o.letters = append(o.letters, letter)
	}
	if o.facts == nil {
		o.facts = map[string]core.Fact{}
	}
	for key, fact := range p.Facts {
		if fact == nil {
			delete(o.facts, key)
			continue
		}
		o.facts[key] = *fact
	}
	if !o.told && p.Mark == 0 { // all so far is history
		p.Mark = uint64(len(o.history))
	}
	o.told, o.mark = true, max(o.mark, p.Mark)
	o.posts++
	return nil
}

// Letters returns what is in it, oldest first.
func (o *Outbox) Letters(context.Context) ([]core.Letter, error) {
	if err := o.fail("Letters"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return copied(o.letters), nil
}

// Settle takes out what was delivered, and writes back what was tried.
func (o *Outbox) Settle(_ context.Context, delivered []uint64, tried []core.Letter) error {
	if err := o.fail("Settle"); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.letters = slices.DeleteFunc(o.letters, func(l core.Letter) bool { return slices.Contains(delivered, l.ID) })
	for _, letter := range copied(tried) {
		if i := slices.IndexFunc(o.letters, func(l core.Letter) bool { return l.ID == letter.ID }); i >= 0 {
			o.letters[i] = letter
		}
	}
	return nil
}

// LockDelivery lets one at a time deliver.
func (o *Outbox) LockDelivery(context.Context) (unlock func() error, err error) {
	if err := o.fail("LockDelivery"); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.delivered {
		return nil, errors.New("somebody else is delivering")
	}
	o.delivered = true
	return func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.delivered = false
		return nil
	}, nil
}

// copied makes a deep copy, through JSON as a file would.
func copied[T any](all []T) []T {
	var mine []T
	b, err := json.Marshal(all)
	if err == nil {
		err = json.Unmarshal(b, &mine)
	}
	if err != nil {
		panic("copy through JSON: " + err.Error()) // only a type that is no data
	}
	return mine
}
