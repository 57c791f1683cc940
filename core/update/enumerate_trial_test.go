package update_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/coretest"
)

// trial is what the enumeration replaces, and by what.
type trial struct {
	kind    coretest.Kind
	hooks   bool
	rejects bool // a hook refuses the new container
	// group: others hang on it. bad: one of them has a new image, too, which fails.
	group, bad     bool
	beside, paused bool
	victim         string // to whom somebody does something; "" means web
}

func (tr *trial) String() string {
	text := string(tr.kind) + " image"
	if tr.hooks {
		text += ", hooks"
	}
	for _, more := range []struct {
		is   bool
		what string
	}{
		{tr.rejects, " that reject it"},
		{tr.group, ", a group"},
		{tr.bad, " with a bad member"},
		{tr.beside, ", start-first"},
		{tr.paused, ", paused"},
		{tr.victim != "", " and somebody at " + tr.victim},
	} {
		if more.is {
			text += more.what
		}
	}
	return text
}

// stride is at every how many calls of a recovery it is killed.
func (tr *trial) stride() int {
	switch {
	case os.Getenv("REFIT_TORTURE") == "full":
		return 1
	case tr.group:
		return 41
	case tr.beside, tr.paused:
		return 13
	default:
		return 1
	}
}

// next is the call of a recovery that it is killed at after that one: another one for
// each call of the update that the fault was at.
func (tr *trial) next(killed, call int) int {
	if killed == 0 {
		return 1 + call%tr.stride()
	}
	return killed + tr.stride()
}

// short tells whether recoveries that are killed themselves are left out.
func (tr *trial) short(fault coretest.Fault, ledgerLost bool) bool {
	if tr.hooks {
		return fault.Interloper || ledgerLost
	}
	sampled := (tr.group || tr.beside || tr.paused) && os.Getenv("REFIT_TORTURE") != "full"
	return sampled && (!fault.Fatal || tr.bad || tr.victim != "")
}

// labels are those of web.
func (tr *trial) labels() map[string]string {
	switch {
	case tr.hooks:
		return withHooks
	case tr.beside:
		return map[string]string{"refit.strategy": "start-first", "refit.start-first-shared": "true"}
	default:
		return nil
	}
}

// hangers are those of the group beside web, in the order in which they depend on
// one another.
var hangers = []coretest.Spec{
	{Name: "side", Reference: "side:1", Shares: []string{"web"}},
	{Name: "leaf", Reference: "leaf:1", Shares: []string{"side"}},
	{Name: "dep", Reference: "dep:1", Restarts: []string{"web"}},
}

// furnish makes what the trial has beside web.
func (e *enumeration) furnish() {
	if e.paused {
		if err := e.engine.Pause(e.Context(), e.old.ID); err != nil {
			e.Fatal(err)
		}
	}
	if e.rejects {
		e.bench.hooks.Rejects = true
	}
	if e.group {
		e.gather()
	}
	e.publish(e.kind)
}

// gather makes those that hang on web.
func (e *enumeration) gather() {
	e.before = map[string]core.Status{}
	for _, s := range hangers {
		repository, _, _ := strings.Cut(s.Reference, ":")
		e.engine.Publish(coretest.Reference(repository, "1"), coretest.Image{Kind: coretest.Good, Volumes: []string{"/data"}})
		s.RestartPolicy = always
		if e.bad && s.Name == "side" {
			s.Labels = map[string]string{"refit.enable": "true"}
		}
		time.Sleep(time.Second)
		if _, err := e.engine.Run(s); err != nil {
			e.Fatal(err)
		}
		e.before[s.Name] = e.look(s.Name)
	}
	if e.bad {
		e.engine.Publish(coretest.Reference("side", "1"), coretest.Image{Kind: coretest.Crash, Volumes: []string{"/data"}})
	}
}

// subject is the container to which somebody does something.
func (e *enumeration) subject() string {
	if e.victim != "" {
		return e.victim
	}
	return "web"
}

// belongs tells whether a container of that name was there before.
func (e *enumeration) belongs(name string) bool {
	_, beside := e.before[name]
	return beside || name == "web"
}

// last is the last result of that container in the history, the first of all if it has
// none.
func (e *enumeration) last(name string) core.Result {
	for _, r := range slices.Backward(e.journal.History) {
		if r.Name == name {
			return r
		}
	}
	return e.journal.History[0]
}

// stolen tells whether a stranger has the name.
func (e *enumeration) stolen() bool {
	return e.fault.Will == coretest.Theft && isStranger(e.look(e.subject()).ID)
}

// groupViolations says what is wrong with those that hang on web.
func (e *enumeration) groupViolations(all []core.Container) (wrong []string) {
	if !e.group || e.fault.Will == coretest.Theft {
		return nil
	}
	for _, spec := range hangers {
		if what := e.hanging(spec, all); what != "" {
			wrong = append(wrong, spec.Name+" "+what)
		}
	}
	return wrong
}

// hanging says what is wrong with one of them, "" if nothing is.
func (e *enumeration) hanging(spec coretest.Spec, all []core.Container) string {
	now, gone := e.look(spec.Name), e.fault.Will == coretest.Removal
	broken := e.broken(spec.Name, all)
	switch {
	case gone && (broken || !now.Exists()):
		return ""
	case !now.Exists():
		return "is lost"
	case !now.State.Up() && e.fault.Will != coretest.Halt && !gone:
		return "is " + string(now.State)
	case broken:
		return "shares the namespace of one that is gone"
	default:
		return e.changed(spec, now)
	}
}

// changed says what is not as it was with one of them, "" if all is.
func (e *enumeration) changed(spec coretest.Spec, now core.Status) string {
	before := e.before[spec.Name]
	switch {
	case now.RestartPolicy != always:
		return fmt.Sprintf("has restart policy %v", now.RestartPolicy)
	case now.ImageID != before.ImageID && !strings.HasSuffix(e.fault.Name, "moves the tag"):
		return "runs another image, " + now.ImageID
	case len(spec.Shares) == 0 && now.ID != before.ID && !strings.Contains(e.fault.Name, "prunes"):
		return "was made anew"
	case len(spec.Shares) > 0 && now.State.Up() && !e.fault.Interloper && e.look(spec.Shares[0]).StartedAt.After(now.StartedAt):
		return "shares an earlier life of " + spec.Shares[0]
	default:
		return ""
	}
}

// broken tells whether the container shares a namespace of one that is gone.
func (e *enumeration) broken(name string, all []core.Container) bool {
	i := slices.IndexFunc(all, func(c core.Container) bool { return c.Name == name })
	return i >= 0 && len(all[i].Obstacles) > 0
}

// theft is what must hold when a stranger has the name: the predecessor or a
// successor is still there, beside it.
func theft(all []core.Container, name string) []string {
	for _, c := range all {
		if strings.HasPrefix(c.Name, name+".refit-") && !isStranger(c.ID) {
			return nil
		}
	}
	return []string{"a stranger has the name, and the container is lost"}
}
