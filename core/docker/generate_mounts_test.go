package docker_test

import (
	"fmt"

	"github.com/docker/docker/api/types/versions"
)

// mountOptions are everything that appears in the container's file system.
var mountOptions = []option{
	{name: "bound folders", set: func(g *generator) {
		for range 1 + g.IntN(2) {
			g.add("Binds", g.w.folder+g.one("/a", "/b", "/made").(string)+":"+g.place()+
				g.one("", ":ro", ":rw", ":ro,rprivate", ":private", ":z", ":private,Z").(string))
		}
	}},
	{name: "bound volumes", set: func(g *generator) {
		g.add("Binds", g.name("vol")+":"+g.place()+g.one("", ":ro", ":rw", ":nocopy", ":ro,nocopy", ":z", ":Z").(string))
	}},
	{name: "bound volumes without a name", set: func(g *generator) { g.add("Binds", g.place()) }},
	{name: "driver of volumes", set: host("VolumeDriver", "local", "")},
	{name: "volumes of other containers", set: func(g *generator) {
		for i := range g.w.donors {
			g.add("VolumesFrom", g.one(g.w.donors[i], g.w.donorIDs[i], g.w.donorIDs[i][:12]).(string)+g.one("", ":ro", ":rw", ":z").(string))
			if g.IntN(2) == 0 {
				break
			}
		}
	}},
	{name: "memory as folders", set: func(g *generator) {
		g.host["Tmpfs"] = tree{g.place(): g.one("", "size=1m,mode=1777", "rw,noexec,nosuid,size=65536k")}
	}},
	{name: "mounted folders", set: mounted("bind", func(g *generator, m tree) {
		m["Source"] = g.w.folder + g.one("/a", "/b").(string)
	})},
	{name: "propagation", idle: true, set: mounted("bind", func(g *generator, m tree) {
		m["Source"] = g.w.folder + "/a"
		m["BindOptions"] = tree{"Propagation": g.one("private", "rprivate", "slave", "rslave", "shared", "rshared")}
	})},
	{name: "folders without what is mounted in them", set: mounted("bind", func(g *generator, m tree) {
		m["Source"] = g.w.folder + "/a"
		m["BindOptions"] = tree{"NonRecursive": g.one(true, false)}
	})},
	{name: "folders that are made", since: "1.42", set: mounted("bind", func(g *generator, m tree) {
		m["Source"] = fmt.Sprintf("%s/new/%d", g.w.folder, g.seed)
		m["BindOptions"] = tree{"CreateMountpoint": true}
	})},
	{name: "folders that are read-only, what is mounted in them is not", since: "1.44", set: mounted("bind", func(g *generator, m tree) {
		m["Source"], m["ReadOnly"] = g.w.folder+"/a", true
		m["BindOptions"] = tree{"ReadOnlyNonRecursive": true}
	})},
	{name: "folders that are read-only throughout", idle: true, since: "1.44", set: mounted("bind", func(g *generator, m tree) {
		m["Source"], m["ReadOnly"] = g.w.folder+"/a", true
		m["BindOptions"] = tree{"ReadOnlyForceRecursive": true, "Propagation": "rprivate"}
	})},
	{name: "consistency (macOS)", set: mounted("bind", func(g *generator, m tree) {
		m["Source"], m["Consistency"] = g.w.folder+"/a", g.one("cached", "delegated", "consistent", "default")
	})},
	{name: "mounted volumes", set: mounted("volume", func(g *generator, m tree) { m["Source"] = g.name("vol") })},
	{name: "mounted volumes without a name", set: mounted("volume", func(*generator, tree) {})},
	{name: "mounted volumes that the image does not fill", set: mounted("volume", func(g *generator, m tree) {
		m["Source"] = g.one(g.name("vol"), "")
		m["VolumeOptions"] = tree{"NoCopy": true}
	})},
	{name: "mounted volumes with labels", set: mounted("volume", func(g *generator, m tree) {
		m["Source"] = g.one(g.name("vol"), "")
		m["VolumeOptions"] = tree{"Labels": g.pairs([]any{"x", "y"}, "", "1")}
	})},
	{name: "mounted volumes of a driver", set: mounted("volume", func(g *generator, m tree) {
		m["Source"] = g.one(g.name("vol"), "")
		m["VolumeOptions"] = tree{"DriverConfig": tree{"Name": "local", "Options": tree{"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}}}
	})},
	{name: "a part of a mounted volume", idle: true, since: "1.45", set: mounted("volume", func(g *generator, m tree) {
		m["Source"] = g.name("vol")
		m["VolumeOptions"] = tree{"Subpath": "part"}
	})},
	{name: "mounted memory", set: mounted("tmpfs", func(g *generator, m tree) {
		m["TmpfsOptions"] = g.one(tree{"SizeBytes": 1 << 20, "Mode": 0o1777}, tree{"Mode": 0o700}, tree{})
	})},
	{name: "mounted memory with options", since: "1.46", set: mounted("tmpfs", func(_ *generator, m tree) {
		m["TmpfsOptions"] = tree{"Options": []any{[]any{"noexec"}}}
	})},
	{name: "mounted images", since: "1.48", set: mounted("image", func(g *generator, m tree) {
		m["Source"] = g.w.images[g.IntN(len(g.w.images))].reference
	})},
	{name: "a part of a mounted image", since: "1.48", set: mounted("image", func(g *generator, m tree) {
		m["Source"], m["ImageOptions"] = g.w.images[0].reference, tree{"Subpath": "tmp"}
	})},
	{name: "volumes of a cluster", idle: true, since: "1.42", set: mounted("cluster", func(g *generator, m tree) {
		m["Source"], m["ClusterOptions"] = g.name("vol"), tree{}
	})},
}

// mounted adds a mount, sometimes a read-only one.
func mounted(kind string, edit func(g *generator, mount tree)) func(g *generator) {
	return func(g *generator) {
		m := tree{"Type": kind, "Target": g.place()}
		edit(g, m)
		if m["Source"] != "" && m["Source"] != nil && m["ReadOnly"] == nil && g.IntN(3) == 0 { // else it is refused
			m["ReadOnly"] = g.one(true, false)
		}
		g.add("Mounts", m)
	}
}

// networkOptions come last: what they do depends on the mode.
var networkOptions = []option{
	{name: "another container's network", set: func(g *generator) {
		if g.IntN(3) == 0 {
			g.host["NetworkMode"] = "container:" + g.donor()
		}
	}},
	{name: "the host's network, or none", set: func(g *generator) {
		if g.IntN(2) == 0 && g.host["Links"] == nil {
			g.host["NetworkMode"] = g.one("host", "none", "default", "bridge", "")
		}
	}},
	{name: "a network", set: func(g *generator) {
		if g.host["NetworkMode"] == nil && g.host["Links"] == nil {
			n := g.w.networks[g.IntN(len(g.w.networks))]
			g.host["NetworkMode"] = g.one(n.name, n.name, n.name, n.id, n.id[:12])
			if g.IntN(3) > 0 {
				g.endpoints[n.name] = g.endpoint(n)
			}
		}
	}},
	{name: "another network", set: func(g *generator) { g.connect() }},
	{name: "a third network", set: func(g *generator) { g.connect() }},
	{name: "a MAC address for the container", until: "1.43", set: func(g *generator) {
		g.config["MacAddress"] = fmt.Sprintf("02:99:00:00:00:%02x", g.IntN(256))
	}},
	{name: "a MAC address on the default bridge", since: "1.44", set: func(g *generator) {
		if mode := g.host["NetworkMode"]; mode == nil || mode == "bridge" || mode == "default" {
			g.endpoints["bridge"] = tree{"MacAddress": fmt.Sprintf("00:99:00:00:00:%02x", g.IntN(256))}
		}
	}},
	{name: "nothing said of the default bridge", set: func(g *generator) {
		if mode := g.host["NetworkMode"]; mode == nil && g.endpoints["bridge"] == nil {
			g.endpoints["bridge"] = tree{}
		}
	}},
}

// connect joins one more network.
func (g *generator) connect() {
	n := g.w.networks[g.IntN(len(g.w.networks))]
	if mode, _ := g.host["NetworkMode"].(string); mode == "" && g.IntN(2) == 0 {
		return
	}
	if g.endpoints[n.name] == nil {
		g.endpoints[n.name] = g.endpoint(n)
	}
}

// endpoint says things of a network.
func (g *generator) endpoint(n lan) tree {
	e, address := tree{}, tree{}
	for _, part := range []struct {
		oneIn int
		known bool
		set   func()
	}{
		{2, n.v4 != "", func() { address["IPv4Address"] = fmt.Sprintf("%s%d", n.v4, 20+g.IntN(200)) }},
		{3, n.v6 != "", func() { address["IPv6Address"] = fmt.Sprintf("%s%x", n.v6, 0x100+g.IntN(200)) }},
		{4, true, func() { address["LinkLocalIPs"] = g.some("169.254.8.8", "169.254.9.9") }},
		{4, true, func() { e["IPAMConfig"] = tree{} }},
		{2, true, func() { e["Aliases"] = g.some("site", "api.example.test", "site-2") }},
		{4, true, func() { e["Links"] = []any{g.w.donors[0] + ":db"} }},
		{4, true, func() { e["DriverOpts"] = g.pairs([]any{"com.example.x", "com.example.y"}, "1", "") }},
		{3, n.macAddress && !versions.LessThan(g.w.api, "1.44"), func() {
			e["MacAddress"] = fmt.Sprintf("%s:99:00:00:00:%02x", g.one("00", "02"), g.IntN(256))
		}},
		{3, !versions.LessThan(g.w.api, "1.48"), func() { e["GwPriority"] = g.one(0, 10, -5) }},
	} {
		if g.IntN(part.oneIn) == 0 && part.known {
			part.set()
		}
	}
	if len(address) > 0 {
		e["IPAMConfig"] = address
	}
	return e
}
