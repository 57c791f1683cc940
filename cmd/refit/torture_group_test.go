package main

import (
	"fmt"
)

// invite lets another container share the network of the trial's. No label speaks of
// it, and its image does not move: it is there because of the other alone.
func (x *trial) invite() {
	x.guest = x.bench.trial(x.TB, x.engine, "guest", false)
	x.guest.host, x.guest.scope, x.guest.data = x, x.scope, x.data
}

// arrive starts such a container.
func (x *trial) arrive() {
	x.Helper()
	x.old = x.make("VERSION=1")
	x.new = x.old
	x.launch(map[string]any{"Cmd": []string{"-addr", ":81"}})
}

// followed tells whether another container stands in the place of the one that this
// one shares the network of.
func (x *trial) followed() bool {
	x.Helper()
	return x.host != nil && x.engine.Inspect(x.host.name).ID != x.host.before.ID
}

// apart says how a container does not share the network that it should. Where its
// settings name the right one they are as they were before.
func (x *trial) apart(now *inspected) (wrong []string) {
	x.Helper()
	host := x.engine.Inspect(x.host.name).ID
	if got := now.HostConfig["NetworkMode"]; got != "container:"+host {
		wrong = append(wrong, fmt.Sprintf("its network is %s, want that of %s", got, host))
	}
	now.HostConfig["NetworkMode"] = x.before.HostConfig["NetworkMode"]
	if !eventual(func() bool { return x.probes(now.ID) }) {
		wrong = append(wrong, "it does not reach the one whose network it should share")
	}
	return wrong
}

// probes tells whether a container gets an answer at port 80 of its own network, where
// it does not listen itself.
func (x *trial) probes(id string) bool {
	x.Helper()
	var made struct{ ID string }
	probe := []string{"/fixture", "probe", "-addr", ":80"}
	if x.call("POST", "/containers/"+id+"/exec", map[string]any{"Cmd": probe}, &made) != nil {
		return false // it may have just ended
	}
	if x.call("POST", "/exec/"+made.ID+"/start", map[string]any{"Detach": true}, nil) != nil {
		return false
	}
	var ended struct {
		Running  bool
		ExitCode *int
	}
	done := eventual(func() bool {
		x.must("GET", "/exec/"+made.ID+"/json", nil, &ended)
		return !ended.Running && ended.ExitCode != nil
	})
	return done && *ended.ExitCode == 0
}

// add adds what is wrong with another container of the same trial.
func (v *verdict) add(other verdict, whose string) {
	v.lost = v.lost || other.lost
	for _, wrong := range other.wrong {
		v.wrong = append(v.wrong, whose+wrong)
	}
}
