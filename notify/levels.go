package notify

import (
	"slices"

	"github.com/refit-dev/refit/core"
)

// Levels returns them all, the quietest first.
func Levels() []Level { return []Level{Problems, Changes, All} }

// hears tells whether a channel of level l hears what belongs to level of.
func (l Level) hears(of Level) bool {
	if l == "" {
		l = Changes
	}
	i := slices.Index(Levels(), of)
	return i >= 0 && i <= slices.Index(Levels(), l)
}

// kind is a row of the table of notices, loudest first.
type kind struct {
	kind  core.NoticeKind
	level Level
	one   string // what became of one container: "web rolled back"
	many  string // and of many: "2 rolled back"
	means string // for the page
}

// kinds is that table. Its order is that of every message: problems first.
var kinds = []kind{
	{core.NoticeDown, Problems, "down", "down", "Neither the old container nor the new one runs. It is told at once, not at the end of the cycle, with what to type."},
	{core.NoticeFailed, Problems, "failed", "failed", "Something could not be done, and something may be left half done."},
	{core.NoticeRolledBack, Problems, "rolled back", "rolled back", "The new container was no good: the old one, the same container, runs again."},
	{core.NoticeHookFailed, Problems, "hook failed", "with a hook that failed", "A hook failed at a stage where that changes nothing: the update stands."},
	{core.NoticeUndeliverable, Problems, "undeliverable", "undeliverable", "Messages to a channel were given up."},
	{core.NoticeHeld, Problems, "held", "held", "Something is in the way and nothing was touched; how loud that is depends on the reason, see below."},
	{core.NoticeRecovered, Changes, "recovered", "recovered", "An update that was interrupted, by a crash or a power cut, was finished or undone."},
	{core.NoticeUpdated, Changes, "updated", "updated", "The new container stands in the old one's place, and has passed its gate."},
	{core.NoticeFollowed, Changes, "followed", "followed", "Another container was updated, and this one was replaced with it, or restarted after it. Its image is the same."},
	{core.NoticeAvailable, Changes, "available", "available", "There is a new image, and the container's mode is `notify`."},
	{core.NoticeDeferred, Changes, "put off", "put off", "A hook has put the update off."},
	{core.NoticeStarted, All, "started", "started", "Refit has started: how many containers it watches, and when it looks next."},
}

// Kinds returns all kinds of notices, in the order in which a message has them.
func Kinds() []core.NoticeKind {
	var all []core.NoticeKind
	for _, k := range kinds {
		all = append(all, k.kind)
	}
	return all
}

// rowOf is the kind's row. One that this build does not know, from the outbox of a
// later one, is told to everybody, last.
func rowOf(k core.NoticeKind) (row kind, rank int) {
	i := slices.IndexFunc(kinds, func(row kind) bool { return row.kind == k })
	if i < 0 {
		return kind{kind: k, level: Problems, one: string(k), many: string(k)}, len(kinds)
	}
	return kinds[i], i
}

// never is the level of what no channel hears.
const never Level = "never"

// hold is a row of the table of reasons to hold a container that are no fault. A
// reason that is not there waits for somebody to mend something: it belongs to
// Problems.
type hold struct {
	code  core.Code
	level Level
	why   string
}

var holds = []hold{
	{core.HookVetoed, Changes, "A hook has refused this image, as it is there to do."},
	{core.Unsupported, Changes, "This build of Refit cannot replace such a container."},
	{core.Foreign, Changes, "Another Refit is replacing it, or has left it half done."},
	{core.Quarantined, All, "The image was told of when it failed."},
	{core.BackingOff, All, "The failure was told of; it is tried again later."},
	{core.CanaryFailed, All, "The container that was moved to the image first is told of."},
	{core.DependencyHeld, All, "The container that it waits for is told of."},
	{core.MemberFailed, All, "The container that it would have been replaced with is told of."},
	{core.InProgressElsewhere, All, "Another Refit is replacing it, and tells of it."},
	{core.InReplacement, never, "What becomes of the replacement is told when it is over."},
	{core.Cancelled, never, "Refit was asked to end; the next cycle goes on."},
	{core.Interrupted, never, "The next start goes on, and tells what became of it."},
}

// heldLevel is the level of a container that is held for that reason.
func heldLevel(c core.Code) Level {
	i := slices.IndexFunc(holds, func(h hold) bool { return h.code == c })
	if i < 0 {
		return Problems
	}
	return holds[i].level
}

// levelOf is the level that a channel needs to hear of the notice.
func levelOf(n core.Notice) Level {
	if n.Kind == core.NoticeHeld {
		return heldLevel(n.Reason.Code)
	}
	row, _ := rowOf(n.Kind)
	return row.level
}
