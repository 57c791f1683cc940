package update

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/refit-dev/refit/core"
)

// lateness is how long a recovery waits for a successor that the engine may still
// be making: a create call goes on when the process that made it has died.
const lateness = 5 * time.Second

// arrived lists the containers, once the successors among them have arrived that
// may be on their way. One that takes longer is found by the next recovery.
func (u *Updater) arrived(ctx context.Context, known []core.Attempt) ([]core.Container, error) {
	for deadline := time.Now().Add(lateness); ; {
		all, err := u.Engine.Containers(ctx)
		if err != nil {
			return nil, fmt.Errorf("list containers: %w", err)
		}
		expected, err := u.expects(ctx, known, all)
		if err != nil || !expected || time.Now().After(deadline) {
			return all, err
		}
		select {
		case <-ctx.Done():
			return all, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// expects tells whether a successor may be on its way: a second tag of ours says
// that an attempt was begun, nobody knows it to be past line 3, and there is no
// container of it.
func (u *Updater) expects(ctx context.Context, known []core.Attempt, all []core.Container) (bool, error) {
	kept, err := u.keptImages(ctx)
	if err != nil {
		return false, err
	}
	begun := map[string]int{} // attempt → how many containers it concerns
	for suffix := range kept {
		begun[attemptOf(suffix)]++
	}
	for attempt, n := range begun {
		made := map[string]bool{} // for those predecessors
		for _, c := range all {
			if c.Mark != nil && c.Mark.Attempt == attempt {
				made[c.Mark.Predecessor] = true
			}
		}
		i := slices.IndexFunc(known, func(a core.Attempt) bool { return a.ID == attempt })
		if i < 0 && len(made) < n || i >= 0 && awaits(known[i], made) {
			return true, nil
		}
	}
	return false, nil
}

// awaits tells whether a successor of the attempt may be on its way that is not made.
func awaits(a core.Attempt, made map[string]bool) bool {
	return (a.Line == core.LineCreate || a.Line == core.LineRollback) && slices.ContainsFunc(a.Swaps(), func(s core.Swap) bool {
		return s.Part == core.Moves && s.Successor == "" && !made[s.Predecessor]
	})
}
