package notify

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/refit-dev/refit/core"
)

// topic is what a fact is about. A channel knows at most one fact of each topic
// about a container.
type topic string

const (
	aboutImage   topic = "available"
	aboutHold    topic = "held"
	aboutHook    topic = "deferred"
	aboutTrouble topic = "trouble" // down, or failed
)

func topics() []topic { return []topic{aboutImage, aboutHold, aboutHook, aboutTrouble} }

// factOf is what a channel knows when it was told the notice. Without a topic it is
// an event, not a state: it is told as often as it happens.
func factOf(n core.Notice) (about topic, value string) {
	to := n.To.Digest + n.To.ID
	if n.To.Digest != "" {
		to = n.To.Digest // the id is known after the pull only
	}
	switch n.Kind {
	case core.NoticeAvailable:
		return aboutImage, n.To.Reference.Text + " " + to
	case core.NoticeHeld:
		return aboutHold, string(n.Reason.Code) + " " + holdValue(n.Reason, to)
	case core.NoticeDeferred:
		return aboutHook, gist(n.Reason.Text)
	case core.NoticeFailed, core.NoticeDown:
		// The text tells of one try, and recovery tries often.
		return aboutTrouble, string(n.Kind) + " " + string(n.Reason.Code) + " " + to
	default:
		return "", ""
	}
}

// holdValue is what must change before a hold is told again: what somebody wrote,
// to the letter; of what an engine or a registry said the gist; and of what a hook
// refused or a lesson forbids the image, for the text has a date added later.
func holdValue(r core.Reason, to string) string {
	switch r.Code {
	case core.BadLabel, core.BadReference, core.Unsupported, core.DependencyCycle:
		return r.Text
	case core.HookVetoed, core.Quarantined, core.BackingOff, core.CanaryFailed:
		return to
	default:
		return gist(r.Text)
	}
}

var numbers = regexp.MustCompile(`[0-9]+`)

// gist leaves the numbers out: addresses, ports, times and counts differ from one
// try to the next, and say nothing new.
func gist(text string) string { return numbers.ReplaceAllString(text, "#") }

// forgets returns the topics on which a result says that what was told is over.
func forgets(r core.Result) []topic {
	switch r.Outcome {
	case core.OutcomeUpdated, core.OutcomeRolledBack:
		return topics()
	case core.OutcomeRecovered:
		if !r.Open {
			return topics()
		}
	case core.OutcomeUnchanged:
		switch r.Reason.Code {
		case core.NotDue, core.NotNamed, core.NotRunning, core.HandedOver: // nobody has looked
			return nil
		}
		return topics()
	case core.OutcomeFollowed: // its own image was not what it was about
		return []topic{aboutTrouble}
	case core.OutcomeAvailable:
		return []topic{aboutHold, aboutHook, aboutTrouble}
	case core.OutcomeHeld:
		switch {
		case r.Reason.Code == core.HookDeferred:
			return []topic{aboutHold}
		case heldLevel(r.Reason.Code) != never:
			return []topic{aboutHook}
		}
	case core.OutcomeInterrupted, core.OutcomeFailed, core.OutcomeDown:
	}
	return nil
}

// memory is what the channels know, and what of it has changed.
type memory struct {
	known   map[string]core.Fact
	changed map[string]*core.Fact
	remind  time.Duration
	now     time.Time
}

func newMemory(known map[string]core.Fact, remind time.Duration) *memory {
	if known == nil {
		known = map[string]core.Fact{}
	}
	return &memory{known: known, changed: map[string]*core.Fact{}, remind: remind, now: time.Now().UTC()}
}

// factKey has the container last: its name is not ours.
func factKey(channel string, about topic, container string) string {
	return channel + "/" + string(about) + "/" + container
}

// parseKey takes a key apart. Others keep facts of their own in the outbox: they
// have no topic of ours.
func parseKey(key string) (about topic, container string) {
	parts := strings.SplitN(key, "/", 3)
	if len(parts) < 3 || !slices.Contains(topics(), topic(parts[1])) {
		return "", ""
	}
	return topic(parts[1]), parts[2]
}

// knows tells whether the channel was told a fact of that topic.
func (m *memory) knows(channel string, about topic, container string) bool {
	_, known := m.known[factKey(channel, about, container)]
	return known
}

// isNews tells whether the channel is to be told, and notes that it was.
func (m *memory) isNews(channel string, n core.Notice) bool {
	about, value := factOf(n)
	if about == "" {
		return true
	}
	key := factKey(channel, about, n.Container)
	before, known := m.known[key]
	if known && before.Value == value && (m.remind <= 0 || m.now.Sub(before.Told) < m.remind) {
		return false
	}
	fact := core.Fact{Value: value, Told: m.now}
	m.known[key], m.changed[key] = fact, &fact
	return true
}

func (m *memory) forget(key string) {
	if _, known := m.known[key]; known {
		delete(m.known, key)
		m.changed[key] = nil
	}
}

// learn forgets what a result says is over, in all channels, also in those that
// this process does not have.
func (m *memory) learn(r core.Result) {
	gone := forgets(r)
	if len(gone) == 0 {
		return
	}
	for key := range m.known {
		if about, name := parseKey(key); name == r.Name && slices.Contains(gone, about) {
			m.forget(key)
		}
	}
}

// keepOnly forgets the containers that are not among the results.
func (m *memory) keepOnly(results []core.Result) {
	there := map[string]bool{}
	for _, r := range results {
		there[r.Name] = true
	}
	for key := range m.known {
		if about, name := parseKey(key); about != "" && !there[name] {
			m.forget(key)
		}
	}
}
