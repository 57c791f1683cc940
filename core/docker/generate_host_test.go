package docker_test

import "fmt"

// configOptions are those of the container itself.
var configOptions = []option{
	{name: "hostname", set: config("Hostname", "h", "h.example.test", "H-1")},
	{name: "domainname", set: config("Domainname", "example.test")},
	{name: "user", set: config("User", "", "0", "1000", "1000:1000", "12:34")},
	{name: "attach stdin", set: config("AttachStdin", true, false)},
	{name: "attach stdout", set: config("AttachStdout", true, false)},
	{name: "attach stderr", set: config("AttachStderr", true, false)},
	{name: "tty", set: config("Tty", true, false)},
	{name: "open stdin", set: config("OpenStdin", true, false)},
	{name: "stdin once", set: config("StdinOnce", true, false)},
	{name: "environment", set: func(g *generator) { g.config["Env"] = g.env(0) }},
	{name: "environment, in the order of the image", set: func(g *generator) {
		all, _ := g.w.images[g.IntN(len(g.w.images))].config["Env"].([]any)
		g.config["Env"] = append(g.env(0), all...)
	}},
	{name: "command", set: config("Cmd", nil, []any{}, []any{""}, []any{"web"}, []any{"c", ""}, []any{"mine", "-x"})},
	{name: "entrypoint", set: config("Entrypoint", nil, []any{}, []any{""}, []any{"/fixture"}, []any{"/e", "x"}, []any{"", "x"}, []any{"/mine"})},
	{name: "command and entrypoint as in an image", set: func(g *generator) {
		like := g.w.images[g.IntN(len(g.w.images))].config
		g.config["Cmd"], g.config["Entrypoint"] = copied(like["Cmd"]), copied(like["Entrypoint"])
	}},
	{name: "healthcheck", set: func(g *generator) { g.config["Healthcheck"] = g.healthcheck(g.w.api) }},
	{name: "healthcheck as in an image", set: func(g *generator) {
		g.config["Healthcheck"] = copied(g.w.images[g.IntN(len(g.w.images))].config["Healthcheck"])
	}},
	{name: "escaped arguments", set: config("ArgsEscaped", true)},
	{name: "on build", set: config("OnBuild", []any{"RUN true"})},
	{name: "volumes without a name", set: func(g *generator) {
		g.config["Volumes"] = g.keys([]any{"/data", "/anonymous", "/m1", "/anonymous/2"})
	}},
	{name: "working directory", set: config("WorkingDir", "/", "/app", "/app/", "/mine/./here/..", "/data")},
	{name: "no network", set: config("NetworkDisabled", true, false)},
	{name: "labels", set: func(g *generator) { g.config["Labels"] = g.pairs(labelNames, "", "1", "2", "a\nb=\"c\" ü") }},
	{name: "stop signal", set: config("StopSignal", "SIGTERM", "SIGQUIT", "9", "RTMIN+3", "int")},
	{name: "stop timeout", set: config("StopTimeout", 0, 1, 300, -1)},
	{name: "shell", set: config("Shell", []any{"/bin/sh", "-c"}, []any{"/mine"})},
	{name: "exposed ports", set: func(g *generator) { g.config["ExposedPorts"] = g.keys(ports) }},
}

// hostOptions are those of the container's surroundings.
var hostOptions = []option{
	{name: "file for the id", set: host("ContainerIDFile", "/tmp/never-written")},
	{name: "log driver", set: host("LogConfig",
		tree{"Type": "json-file"}, tree{"Type": "none"}, tree{"Type": "", "Config": tree{}},
		tree{"Type": "json-file", "Config": tree{"max-size": "1m", "max-file": "3", "compress": "true", "labels": "a,b", "env": "A", "tag": "{{.Name}}"}},
		tree{"Type": "local", "Config": tree{"max-size": "1m", "mode": "non-blocking", "max-buffer-size": "1m"}},
		tree{"Type": "gelf", "Config": tree{"gelf-address": "udp://127.0.0.1:12201"}},
		tree{"Type": "syslog", "Config": tree{"syslog-address": "udp://127.0.0.1:514", "syslog-facility": "daemon"}},
		tree{"Type": "journald", "Config": tree{"tag": "x"}},
		tree{"Type": "fluentd", "Config": tree{"fluentd-async": "true"}})},
	{name: "restart policy", set: host("RestartPolicy", tree{"Name": ""}, tree{"Name": "no"}, tree{"Name": "always"},
		tree{"Name": "unless-stopped"}, tree{"Name": "on-failure"}, tree{"Name": "on-failure", "MaximumRetryCount": 4})},
	{name: "removed when it ends", idle: true, set: host("AutoRemove", true)},
	{name: "console size", set: host("ConsoleSize", []any{24, 80}, []any{0, 0})},
	{name: "annotations", since: "1.43", set: func(g *generator) { g.host["Annotations"] = g.pairs([]any{"x", "io.example.y"}, "", "1") }},
	{name: "capabilities to add", idle: true, set: func(g *generator) {
		g.host["CapAdd"] = g.some("NET_ADMIN", "CAP_SYS_TIME", "sys_ptrace")
	}},
	{name: "all capabilities", idle: true, set: host("CapAdd", []any{"ALL"}, []any{"all", "NET_ADMIN"})},
	{name: "capabilities to drop", idle: true, set: func(g *generator) { g.host["CapDrop"] = g.some("NET_RAW", "CAP_CHOWN", "mknod", "all") }},
	{name: "control group namespace", set: host("CgroupnsMode", "host", "private", "")},
	{name: "name servers", set: func(g *generator) { g.host["Dns"] = g.some("10.9.9.9", "10.9.9.8", "fd00::53") }},
	{name: "options of the resolver", set: func(g *generator) { g.host["DnsOptions"] = g.some("ndots:2", "timeout:1", "use-vc") }},
	{name: "search domains", set: func(g *generator) { g.host["DnsSearch"] = g.some("example.test", ".", "a.example.test") }},
	{name: "extra hosts", set: func(g *generator) {
		g.host["ExtraHosts"] = g.some("x:10.1.2.3", "y:host-gateway", "z:fd00::7", "x:10.1.2.4")
	}},
	{name: "groups", set: func(g *generator) { g.host["GroupAdd"] = g.some("10", "2000", "0") }},
	{name: "groups by their names", idle: true, set: host("GroupAdd", []any{"audio", "7"})},
	{name: "namespace for ipc", set: func(g *generator) {
		g.host["IpcMode"] = g.one("", "none", "private", "shareable", "host", "container:"+g.donor())
	}},
	{name: "a container's control group", idle: true, set: func(g *generator) { g.host["Cgroup"] = "container:" + g.donor() }},
	{name: "links to the default bridge", set: func(g *generator) {
		if mode := g.host["NetworkMode"]; mode == nil || mode == "bridge" || mode == "default" {
			g.host["Links"] = g.some(g.w.donors[0]+":db", g.w.donors[1], g.w.donors[0]+":other")
		}
	}},
	{name: "weight when memory runs out", set: host("OomScoreAdj", 500, -500, 0)},
	{name: "namespace for processes", set: func(g *generator) { g.host["PidMode"] = g.one("", "host", "container:"+g.donor()) }},
	{name: "privileged", set: host("Privileged", true, false)},
	{name: "all ports published", idle: true, set: host("PublishAllPorts", true, false)},
	{name: "ports", set: func(g *generator) { g.ports() }},
	{name: "ports without a number", set: func(g *generator) {
		ports, _ := g.config["ExposedPorts"].(tree)
		g.config["ExposedPorts"] = union(ports, tree{g.one("", "/tcp").(string): tree{}})
		bindings, _ := g.host["PortBindings"].(tree)
		g.host["PortBindings"] = union(bindings, tree{"/udp": []any{tree{"HostPort": "20999"}}})
	}},
	{name: "read-only root", idle: true, set: host("ReadonlyRootfs", true, false)},
	{name: "security options", set: func(g *generator) {
		g.host["SecurityOpt"] = g.some("no-new-privileges", "seccomp=unconfined", "apparmor=unconfined", "label=disable",
			`seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`)
	}},
	{name: "security label", idle: true, set: host("SecurityOpt", []any{"label=user:u", "label=type:t"})},
	{name: "security options of older clients", idle: true, set: host("SecurityOpt", []any{"no-new-privileges:true"}, []any{"seccomp:unconfined"})},
	{name: "writable control groups", since: "1.48", set: host("SecurityOpt", []any{"writable-cgroups=true"})},
	{name: "options of the storage driver", set: host("StorageOpt", tree{"size": "10G"})},
	{name: "a namespace for the host's name", set: host("UTSMode", "host", "")},
	{name: "a namespace for users", set: host("UsernsMode", "host", "")},
	{name: "shared memory", set: host("ShmSize", 1<<20, 64<<20, 0)},
	{name: "kernel settings", set: func(g *generator) {
		g.host["Sysctls"] = g.pairs([]any{"net.core.somaxconn", "net.ipv4.ip_forward", "kernel.shm_rmid_forced", "fs.mqueue.msg_max"}, "1")
	}},
	{name: "runtime", set: host("Runtime", "runc", "io.containerd.runc.v2", "")},
	{name: "isolation", set: host("Isolation", "", "default")},
	{name: "masked paths", set: host("MaskedPaths", nil, []any{}, []any{"/proc/kcore", "/proc/x"})},
	{name: "read-only paths", set: host("ReadonlyPaths", nil, []any{}, []any{"/proc/sys"})},
	{name: "init", set: host("Init", true, false, nil)},
}

// donor names a container that gives its namespaces, by name or by id.
func (g *generator) donor() string {
	i := g.IntN(len(g.w.donors))
	return g.one(g.w.donors[i], g.w.donorIDs[i]).(string)
}

// ports publishes some: at an address, at any, at ones that the engine picks, and a
// range of them.
func (g *generator) ports() {
	bindings, exposed := tree{}, tree{}
	for i, port := range g.some(append([]any{"8000/tcp", "8001/tcp", "8002/tcp"}, ports...)...) {
		var all []any
		for j := range 1 + g.IntN(2) {
			port := fmt.Sprint(20000 + 100*i + 10*j + int(g.seed)%10)
			binding := tree{"HostPort": g.one("", "0", port, port+"-"+port, "21000-21010")}
			if g.runs {
				binding["HostPort"], binding["HostIp"] = g.one("", "0", port, port+"-"+port), g.one("0.0.0.0", "127.0.0.1")
			} else if g.IntN(2) == 0 {
				binding["HostIp"] = g.one("", "0.0.0.0", "127.0.0.1", "::", "::1")
			}
			all = append(all, binding)
		}
		if g.IntN(8) == 0 {
			all = []any{}
		}
		bindings[port.(string)] = all
		if g.IntN(4) > 0 {
			exposed[port.(string)] = tree{}
		}
	}
	g.host["PortBindings"] = bindings
	if len(exposed) > 0 {
		g.config["ExposedPorts"] = exposed
	}
}

// resourceOptions are limits, and devices.
var resourceOptions = []option{
	{name: "processor shares", set: host("CpuShares", 2, 512, 2048, 0)},
	{name: "memory", set: host("Memory", 64<<20, 1<<30)},
	{name: "memory and swap", set: func(g *generator) {
		g.host["Memory"] = 64 << 20
		g.host["MemorySwap"] = g.one(-1, 64<<20, 128<<20)
	}},
	{name: "least memory", set: host("MemoryReservation", 8<<20, 32<<20)},
	{name: "swappiness", set: host("MemorySwappiness", 0, 60, -1)},
	{name: "no end when memory runs out", set: host("OomKillDisable", true, false)},
	{name: "memory of the kernel", idle: true, until: "1.41", set: host("KernelMemory", 32<<20)},
	{name: "memory of the kernel's connections", set: host("KernelMemoryTCP", 8<<20)},
	{name: "processors", set: host("NanoCpus", 500_000_000, 1_250_000_000)},
	{name: "period of the processor", set: host("CpuPeriod", 50_000, 100_000)},
	{name: "quota of the processor", set: host("CpuQuota", 25_000, -1)},
	{name: "real-time period", idle: true, set: host("CpuRealtimePeriod", 1_000_000)},
	{name: "real-time run time", idle: true, set: host("CpuRealtimeRuntime", 100_000)},
	{name: "which processors", idle: true, set: host("CpusetCpus", "0", "0-1", "0,1")},
	{name: "which memory", set: host("CpusetMems", "0")},
	{name: "number of processors (Windows)", set: host("CpuCount", 1)},
	{name: "share of processors (Windows)", set: host("CpuPercent", 50)},
	{name: "operations (Windows)", set: host("IOMaximumIOps", 100)},
	{name: "bandwidth (Windows)", set: host("IOMaximumBandwidth", 1<<20)},
	{name: "parent control group", set: host("CgroupParent", "/refit-test-parent", "refit-test-parent")},
	{name: "weight of reading and writing", idle: true, set: host("BlkioWeight", 10, 500)},
	{name: "weight by device", idle: true, set: func(g *generator) {
		g.host["BlkioWeightDevice"] = []any{tree{"Path": g.w.disk, "Weight": 300}}
	}},
	{name: "bytes read", set: throttle("BlkioDeviceReadBps")},
	{name: "bytes written", set: throttle("BlkioDeviceWriteBps")},
	{name: "operations read", set: throttle("BlkioDeviceReadIOps")},
	{name: "operations written", set: throttle("BlkioDeviceWriteIOps")},
	{name: "devices", set: func(g *generator) {
		g.host["Devices"] = g.some(
			tree{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"},
			tree{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero2", "CgroupPermissions": "r"})
	}},
	{name: "a device with nothing allowed", idle: true, set: host("Devices", []any{
		tree{"PathOnHost": "/dev/full", "PathInContainer": "/dev/full", "CgroupPermissions": ""},
	})},
	{name: "rules for devices", set: host("DeviceCgroupRules", []any{"c 1:3 mr", "a 7:* rmw"})},
	{name: "requests for devices", idle: true, set: host("DeviceRequests", []any{
		tree{"Driver": "", "Count": -1, "Capabilities": []any{[]any{"gpu"}}, "Options": tree{"x": "y"}},
		tree{"Driver": "nvidia", "DeviceIDs": []any{"0", "GPU-1"}, "Capabilities": []any{[]any{"gpu", "compute"}, []any{"gpu"}}},
	}, []any{})},
	{name: "devices by their kind", idle: true, since: "1.44", set: host("DeviceRequests", []any{tree{"Driver": "cdi", "DeviceIDs": []any{"vendor.example/x=1"}}})},
	{name: "number of processes", set: host("PidsLimit", 0, -1, 100, nil)},
	{name: "limits", set: func(g *generator) {
		g.host["Ulimits"] = g.some(tree{"Name": "nofile", "Soft": 100, "Hard": 200}, tree{"Name": "core", "Soft": 0, "Hard": 0})
	}},
	{name: "no limit", idle: true, set: host("Ulimits", []any{tree{"Name": "memlock", "Soft": -1, "Hard": -1}})},
}

// throttle limits what is done with a device.
func throttle(key string) func(g *generator) {
	return func(g *generator) { g.host[key] = []any{tree{"Path": g.w.disk, "Rate": 1 + g.IntN(1<<20)}} }
}
