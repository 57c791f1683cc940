package core

// Policies are what the labels of containers say under one Settings. A container's
// labels never change, and neither do its image's: those of each id are read once.
//
// The policies are shared: who gets one does not change its maps and lists. They are
// not for several goroutines at a time.
type Policies struct {
	settings Settings
	known    map[policyKey]reading
}

// policyKey tells also whether the image's labels are known: without them the
// container's own cannot be told from those that it has from there. The operator may
// exclude a name, which can change.
type policyKey struct {
	id, name string
	gone     bool
}

type reading struct {
	policy Policy
	bad    Reason
	ok     bool
}

// Policies makes a place for what is read under these settings, which must not be
// changed afterwards.
func (s Settings) Policies() *Policies {
	return &Policies{settings: s, known: map[policyKey]reading{}}
}

// Of is Settings.PolicyOf, and remembers.
func (p *Policies) Of(c Container) (Policy, Reason, bool) {
	key := policyKey{c.ID, c.Name, c.ImageGone}
	r, there := p.known[key]
	if !there || c.ID == "" {
		r.policy, r.bad, r.ok = p.settings.PolicyOf(c)
		p.known[key] = r
	}
	return r.policy, r.bad, r.ok
}

// Keep forgets all containers but these. Nil Policies have nothing to forget.
func (p *Policies) Keep(all []Container) {
	if p == nil || len(p.known) <= len(all) {
		return // nearly all of it is of use
	}
	there := make(map[string]bool, len(all))
	for _, c := range all {
		there[c.ID] = true
	}
	for key := range p.known {
		if !there[key.id] {
			delete(p.known, key)
		}
	}
}

// policyOf reads the labels of c, unless that has been done.
func (w World) policyOf(c Container) (Policy, Reason, bool) {
	if w.Policies == nil {
		return w.Settings.PolicyOf(c)
	}
	return w.Policies.Of(c)
}
