package coretest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/refit-dev/refit/core"
)

// Journal is an update.Journal in memory. The zero value is empty.
type Journal struct {
	mu       sync.Mutex
	attempts []json.RawMessage
	ids      []string
	// Lines are the lines that were recorded, in their order.
	Lines []core.Line
	// History has the results, oldest first.
	History []core.Result
	lessons []core.Lesson
	// Remembered are the defaults of images, by id.
	Remembered map[string]core.Defaults
}

// Save keeps a copy.
func (j *Journal) Save(_ context.Context, a core.Attempt) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.Lines = append(j.Lines, a.Line)
	if i := slices.Index(j.ids, a.ID); i >= 0 {
		j.attempts[i] = b
		return nil
	}
	j.ids, j.attempts = append(j.ids, a.ID), append(j.attempts, b)
	return nil
}

// Record keeps the entry.
func (j *Journal) Record(_ context.Context, e core.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range e.Results() {
		j.History = append(j.History, r)
		if e.Succeeded {
			j.lessons = slices.DeleteFunc(j.lessons, func(l core.Lesson) bool { return l.Container == r.Name })
		}
	}
	if e.Lesson != nil {
		j.lessons = append(slices.DeleteFunc(j.lessons, e.Lesson.Replaces), *e.Lesson)
	}
	if i := slices.Index(j.ids, e.Attempt); i >= 0 && !e.Open {
		j.ids, j.attempts = slices.Delete(j.ids, i, i+1), slices.Delete(j.attempts, i, i+1)
	}
	return nil
}

// Lessons returns them, oldest first.
func (j *Journal) Lessons(context.Context) ([]core.Lesson, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lessons), nil
}

// Attempts returns copies, oldest first.
func (j *Journal) Attempts(context.Context) ([]core.Attempt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []core.Attempt
	for _, b := range j.attempts {
		var a core.Attempt
		if err := json.Unmarshal(b, &a); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// Recall returns those that are remembered.
func (j *Journal) Recall(_ context.Context, imageIDs []string) (map[string]core.Defaults, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	known := map[string]core.Defaults{}
	for _, id := range imageIDs {
		if d, there := j.Remembered[id]; there {
			known[id] = d
		}
	}
	return known, nil
}

// Remember adds, and forgets the images that are not in use.
func (j *Journal) Remember(_ context.Context, add map[string]core.Defaults, inUse []string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.Remembered == nil {
		j.Remembered = map[string]core.Defaults{}
	}
	maps.DeleteFunc(j.Remembered, func(id string, _ core.Defaults) bool { return !slices.Contains(inUse, id) })
	maps.Copy(j.Remembered, add)
	return nil
}
