package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Action is what a step does.
type Action string

// The actions.
const (
	Update Action = "update" // replace the container
	Notify Action = "notify" // tell that a new image is there
	Follow Action = "follow" // it is replaced, or restarted, together with another
	Keep   Action = "keep"   // nothing to do
	Hold   Action = "hold"   // something is in the way
)

// Step is the decision for one container in one cycle.
type Step struct {
	Container Container
	Policy    Policy
	Action    Action
	Reason    Reason
	// RetryAt is when a hold is over, as far as its reason told; zero where nobody knows.
	RetryAt time.Time
	// To is the image to move to, for update and notify, and for a follow whose own
	// image has moved, too.
	To Image
	// Back is set when a person asked for an earlier image: then the one that is
	// left is not to come back by itself.
	Back bool
	// After are the ids of the containers whose steps in this plan must have
	// succeeded before this one may begin: those that it or one of its members
	// depends on, and the one of its service whose turn is before its own. Each
	// stands earlier in the plan, or is a member of a step that does. A step that is a
	// follow waits for nothing of its own.
	After []string
	// Members are those that are replaced together with it, in one transaction, each
	// after those that it needs. Only an update has them. Every member has a step of
	// its own in the plan, too, whose action is Follow.
	Members []Member
}

// Member is a container of another one's step.
type Member struct {
	Container Container
	Policy    Policy
	Part      Part
	// To is the image to move to: the one that it runs, where no other is wanted.
	To Image
	// Needs are the ids of those of the group that it cannot live without, or is
	// restarted after.
	Needs []string
}

// Plan is the ordered steps of a cycle. Every container of the engine has one.
type Plan struct {
	Steps []Step
}

// World is what there is, at the moment of the decision.
type World struct {
	// Containers are all of the engine, also those that are none of our business.
	Containers []Container
	Settings   Settings
	// Policies are of the same Settings: labels that have been read are not read
	// again. Nil reads all of them.
	Policies *Policies
	// Due names the containers whose time has come; nil means all of them.
	Due map[string]bool
	// Only limits the plan to containers of these names; empty means all.
	Only []string
	// Lessons are what earlier attempts taught: images and containers that are
	// not to be tried now. With --force there are none.
	Lessons []Lesson
	// Hooks are the answers to HookNames. A hook without an answer is not installed.
	Hooks map[string]HookAnswer
	// Defaults are what is remembered of images that are gone from the engine, by
	// image id. A container whose image is gone and not among them is held.
	Defaults map[string]Defaults
}

// Query is a question to a registry, or to the engine's own images: what does
// this reference stand for now?
type Query struct {
	Reference Reference
	Platform  Platform
	// Local asks for the local image of the tag, not for the registry's.
	Local bool
}

// Answer is what came back: a digest (ImageID where the query was local), or a
// fault that says why not.
type Answer struct {
	Digest  string
	ImageID string
	Fault   Reason // zero if there is none
	// RetryAt goes with a fault: when it may be over, zero where nobody knows.
	RetryAt time.Time
}

// Queries returns the questions whose answers MakePlan needs, each once.
func (w World) Queries() []Query {
	var queries []Query
	seen := map[Query]bool{}
	for _, s := range w.survey() {
		q := s.query()
		if s.Action == "" && !seen[q] {
			seen[q] = true
			queries = append(queries, q)
		}
	}
	return queries
}

// MakePlan decides what is to be done with every container, and in which order.
// A query without an answer holds its containers.
func MakePlan(w World, answers map[Query]Answer) Plan {
	steps := w.survey()
	for i := range steps {
		if steps[i].Action == "" {
			steps[i].checkHooks(w.Hooks)
		}
		if steps[i].Action == "" {
			steps[i].decide(answers)
			steps[i].heed(w.Lessons)
		}
	}
	return Plan{Steps: w.arrange(steps)}
}

// PlanBack decides about the one container that w.Only names: it moves to an image
// that it ran before, because a person asks, unless something is in the way. Its step
// is the first, those that follow it come behind.
func PlanBack(w World, to Image) Plan {
	steps := w.survey()
	for i := range steps {
		s := &steps[i]
		if s.Action == "" {
			s.checkHooks(w.Hooks)
		}
		if s.Action == "" && s.Container.ID == w.Settings.Self {
			s.settle(Hold, Unsupported, "this is Refit itself: it cannot go back by itself, a Refit outside of its container can do it")
		}
		if s.Action == "" {
			s.settle(Update, AskedBack, "a person asked for the image before, %s", Short(to.Digest+to.ID))
			ref := s.Container.Image
			s.To, s.Back = Image{Reference: ref.Reference, Digest: to.Digest, ID: to.ID, Platform: ref.Platform}, true
		}
	}
	var plan Plan
	for _, s := range w.arrange(steps) {
		if s.Reason.Code != NotNamed {
			plan.Steps = append(plan.Steps, s)
		}
	}
	return plan
}

// Held returns the step as one that something outside the plan holds back.
func (s Step) Held(code Code, format string, args ...any) Step {
	s.settle(Hold, code, format, args...)
	return s
}

func (s *Step) settle(a Action, code Code, format string, args ...any) {
	s.Action, s.Reason = a, Reason{code, fmt.Sprintf(format, args...)}
}

func (s Step) query() Query {
	return Query{Reference: s.Container.Image.Reference, Platform: s.Container.Image.Platform, Local: !s.Policy.Pull}
}

// survey makes a step for each container and settles those that need no answer
// from a registry; the others have no action yet.
func (w World) survey() []Step {
	steps := make([]Step, 0, len(w.Containers))
	replacing := replacements(w.Containers)
	for _, c := range w.Containers {
		c = c.inherit(w.Defaults[c.Image.ID])
		s := Step{Container: c}
		var bad Reason
		var ok bool
		s.Policy, bad, ok = w.policyOf(c)
		switch {
		case !w.concerns(&s, ok):
		case replacing[c.Name]:
			s.settle(Hold, InReplacement, "a replacement of it is in progress or was interrupted")
		case !ok:
			s.Action, s.Reason = Hold, bad
		case w.selfBar(s) != "":
			s.settle(Hold, Unsupported, "this is Refit itself: %s", w.selfBar(s))
		case c.ImageGone && !w.due(c): // nobody has asked yet what its image said
		default:
			s.obstacles(w)
		}
		if s.Action == "" && !w.due(c) {
			s.settle(Keep, NotDue, "its time has not come")
		}
		steps = append(steps, s)
	}
	return steps
}

// due tells whether the container's time has come.
func (w World) due(c Container) bool { return w.Due == nil || w.Due[c.Name] }

// MayMove tells whether this plan may move the container, as far as that can be told
// without what its image says.
func (w World) MayMove(c Container) bool {
	s := Step{Container: c}
	policy, _, readable := w.policyOf(c)
	s.Policy = policy
	return w.concerns(&s, readable) && w.due(c)
}

// selfBar says why the step's container, if it is Refit's own, cannot be replaced.
func (w World) selfBar(s Step) string {
	switch {
	case s.Container.ID != w.Settings.Self:
		return ""
	case w.Settings.SelfBar == "" && s.Policy.Strategy == StartFirst:
		return "two of them do not run side by side, use the strategy stop-first"
	}
	return w.Settings.SelfBar
}

// concerns settles the steps of containers that are none of this Refit's
// business, or not of this command's. A container with labels that cannot be
// read is its business, if only to say so: its owner meant something by them.
func (w World) concerns(s *Step, readable bool) bool {
	p, set, c := s.Policy, w.Settings, s.Container
	switch {
	case len(w.Only) > 0 && !slices.Contains(w.Only, c.Name):
		s.settle(Keep, NotNamed, "the command names other containers")
	case !p.Enabled && (readable || p.From["enable"] != ""):
		s.settle(Keep, NotEnabled, "%s", set.notEnabled(c, p))
	case p.Scope != set.Scope:
		s.settle(Keep, OtherScope, "%s", set.scopes(p))
	case !set.wanted(c.State):
		s.settle(Keep, NotRunning, "it is %s", c.State)
	default:
		return true
	}
	return false
}

// scopes compares a container's scope with this Refit's.
func (s Settings) scopes(p Policy) string {
	return fmt.Sprintf("it has %s, this Refit has %s", scopeWords(p.Scope), scopeWords(s.Scope))
}

func scopeWords(scope string) string {
	if scope == "" {
		return "no scope"
	}
	return fmt.Sprintf("scope %q", scope)
}

// wanted tells whether containers in that state are looked after.
func (s Settings) wanted(state State) bool {
	switch state {
	case Running, Restarting, Paused:
		return true
	case Created, Exited:
		return s.IncludeStopped
	default:
		return false
	}
}

// obstacles settles a step whose container cannot be replaced, or whose image
// cannot move.
func (s *Step) obstacles(w World) {
	c := s.Container
	ref := c.Image.Reference
	switch {
	case len(c.Obstacles) > 0:
		s.Action, s.Reason = Hold, c.Obstacles[0]
	case c.ImageGone:
		s.settle(Hold, Unsupported, "its image %s is gone from the engine: what of its settings came from there is unknown", Short(c.Image.ID))
	case w.adrift(c) != "":
		s.settle(Hold, Unsupported, "%s", w.adrift(c))
	case ref.Digest != "":
		s.settle(Keep, PinnedImage, "its reference %s names a digest", ref.Text)
	case s.Policy.Pull && !c.knows(ref.Repository):
		s.settle(Keep, LocalImage, "no registry knows its image: it was built or loaded here")
	case s.Policy.Strategy == StartFirst:
		s.startFirst(w)
	}
}

// adrift says why a container that runs could not be started again if it were stopped:
// one whose namespace it shares, or that it has a link to, does not run. "" if it could.
func (w World) adrift(c Container) string {
	if len(c.Tethers) == 0 {
		return "" // as nearly all: the others need not be looked through
	}
	for _, other := range w.Containers {
		if c.State.Up() && !other.State.Up() && slices.Contains(c.Tethers, other.Name) {
			return fmt.Sprintf("%s, without which it does not start, is %s: start that first", other.Name, other.State)
		}
	}
	return ""
}

// knows tells whether a registry has told the engine a digest of the
// container's image in that repository.
func (c Container) knows(repository string) bool {
	return slices.ContainsFunc(c.RepoDigests, func(r Reference) bool { return r.Repository == repository })
}

// Digest is the digest of the container's image in its own repository, "" if no
// registry told one.
func (c Container) Digest() string {
	for _, r := range c.RepoDigests {
		if r.Repository == c.Image.Reference.Repository {
			return r.Digest
		}
	}
	return ""
}

// has tells whether the container's image has that digest in its own repository.
// An image has many: every past digest that stood for the same content.
func (c Container) has(digest string) bool {
	return slices.ContainsFunc(c.RepoDigests, func(r Reference) bool {
		return r.Repository == c.Image.Reference.Repository && r.Digest == digest
	})
}

// decide settles a step by the answer to its query.
func (s *Step) decide(answers map[Query]Answer) {
	a, ok := answers[s.query()]
	c := s.Container
	switch {
	case !ok:
		s.settle(Hold, RegistryUnreachable, "nobody asked about %s", c.Image.Reference.Text)
	case a.Fault.Code != "":
		s.Action, s.Reason, s.RetryAt = Hold, a.Fault, a.RetryAt
	case s.Policy.Pull && c.has(a.Digest), !s.Policy.Pull && c.Image.ID == a.ImageID:
		s.settle(Keep, UpToDate, "it runs the newest image")
	default:
		s.To = Image{Reference: c.Image.Reference, Digest: a.Digest, ID: a.ImageID, Platform: c.Image.Platform}
		name := s.To.Digest
		if name == "" {
			name = s.To.ID
		}
		if s.Policy.Mode == ModeNotify {
			s.settle(Notify, NotifyOnly, "%s is now %s, and its mode is notify", c.Image.Reference.Text, Short(name))
			return
		}
		s.settle(Update, NewImage, "%s is now %s", c.Image.Reference.Text, Short(name))
	}
}

// Short cuts a digest or an id to what people compare: 12 digits.
func Short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// replacements returns the names that a replacement in flight concerns: the
// parked predecessors', the waiting successors', and the ones they stand for.
func replacements(all []Container) map[string]bool {
	names := map[string]bool{}
	byID := map[string]Container{}
	for _, c := range all {
		byID[c.ID] = c
	}
	for _, c := range all {
		if c.Mark == nil {
			continue
		}
		p, parked := byID[c.Mark.Predecessor]
		base, waiting := strings.CutSuffix(c.Name, NewSuffix)
		if waiting {
			names[c.Name], names[base] = true, true
		}
		if parked {
			names[p.Name], names[c.Name] = true, true
		}
	}
	return names
}
