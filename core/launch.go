package core

import (
	"slices"
	"strings"
)

// plan turns the groups into steps, each head in front of its members.
func (f *fleet) plan(order []int) []Step {
	crews := make([][]int, len(f.steps))
	for _, i := range f.order {
		if g := f.head[i]; g != i {
			crews[g] = append(crews[g], i)
		}
	}
	var plan []Step
	done := make([]bool, len(f.steps))
	turn := map[string]int{} // the last one of each service
	for _, g := range order {
		head, group := &f.steps[g], append([]int{g}, crews[g]...)
		if !f.acts(g) {
			f.excuse(g)
			plan = append(plan, *head)
			continue
		}
		for _, i := range group {
			head.After = f.after(head.After, i, done, turn)
		}
		for _, i := range crews[g] {
			head.Members = append(head.Members, f.member(i))
		}
		for _, i := range group {
			done[i], turn[f.steps[i].Container.Service] = true, i
			plan = append(plan, f.steps[i])
		}
	}
	return plan
}

// after adds those that i has to wait for, which are done before, outside of its group.
func (f *fleet) after(ids []string, i int, done []bool, turn map[string]int) []string {
	first := f.needs[i]
	if service := f.steps[i].Container.Service; service != "" {
		if mate, there := turn[service]; there {
			first = append(slices.Clone(first), mate)
		}
	}
	for _, j := range first {
		if id := f.steps[j].Container.ID; done[j] && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// member makes the step of i one that follows, and returns its part in the group.
func (f *fleet) member(i int) Member {
	s := &f.steps[i]
	m := Member{Container: s.Container, Policy: s.Policy, To: s.Container.runs()}
	needs := f.find(i, s.Container.Tethers, s.Container.Restarts)
	if !f.moves[i] {
		m.Part = Restarts
	}
	for _, j := range needs {
		if f.head[j] == f.head[i] {
			m.Needs = append(m.Needs, f.steps[j].Container.ID)
		}
	}
	text := f.bond(i)
	switch s.Action {
	case Update:
		m.To = s.To
		text = s.Reason.Text + "; " + text
	case Hold, Notify:
		text += "; its image stays: " + s.Reason.String()
	case Keep, Follow:
	}
	if s.Action != Update {
		s.To = Image{}
	}
	s.Action, s.Reason = Follow, Reason{Follows, text}
	return m
}

// bond says why i is in its group.
func (f *fleet) bond(i int) string {
	c, head := f.steps[i].Container, f.name(f.head[i])
	on := f.mates(i, f.find(i, c.Tethers))
	after := f.mates(i, f.waits(i))
	switch {
	case !f.moves[i] && len(after) > 0:
		return "it is restarted after " + strings.Join(after, ", ") + ", as compose asks (depends_on, restart: true)"
	case !f.moves[i]:
		return "it is restarted together with " + strings.Join(on, ", ") + ", on which it hangs"
	case slices.Contains(on, head):
		return "it is replaced together with " + head + ", on which it hangs"
	case len(on) > 0:
		return "it is replaced together with " + head + ": it hangs on " + strings.Join(on, ", ")
	default:
		return "it is replaced together with " + head + ": there is something that hangs on both"
	}
}

// mates are the names of those that are in the group of i.
func (f *fleet) mates(i int, others []int) []string {
	var names []string
	for _, j := range others {
		if f.head[j] == f.head[i] {
			names = append(names, f.name(j))
		}
	}
	return names
}

// excuse says of a container with which nothing is done why it is not restarted after
// those after which compose wants it to be.
func (f *fleet) excuse(i int) {
	why, s := f.spared[i], &f.steps[i]
	if why == "" {
		return
	}
	for _, x := range f.restarted[i] {
		if f.acts(x) && f.moves[x] {
			text := "; it is not restarted after " + f.name(x)
			if why != s.Reason.Text {
				text += ": " + why
			}
			s.Reason.Text += text
			return
		}
	}
}

// runs is the image that the container runs, with the digest that registries know it by.
func (c Container) runs() Image {
	image := c.Image
	image.Digest = c.Digest()
	return image
}
