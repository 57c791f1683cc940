package main

// method is the end of the page. It is about the program, and not about one run of it.
const method = `
## How each figure is measured

The program is the one that ` + "`make build`" + ` makes, as processes of its own, on this machine's engine. The registry is
go-containerregistry's, in memory, on 127.0.0.1. It wants a token for each repository, as Docker Hub does, and where
a cycle is measured it lets every request wait 50 ms: pings and tokens too. Nothing else of a network is imitated.
Everything that is made for the run is removed after it.

- **Cycles.** The containers have been created and never started, and the sidecar runs with ` + "`--include-stopped`" + `: 200
  of them then cost the machine no processes, and cost the engine in a list what any others do. The sidecar has a
  schedule of five seconds, and a cycle is as long as from the moment that the schedule names to the line in the log
  that ends it. The first one begins with the process. The registry counts the requests and says when the first one
  came and the last one was answered. Later cycles are three, six where all
  have one image; their times are medians. The limit of the registry's
  part is requests × latency / 20: as many requests may be under way to one registry at a time, by default. What
  listing costs is what the same cycle costs with ` + "`--no-pull`" + `, which asks the engine the same and the registry nothing.
- **CPU** is the kernel's clock of the process, user and system, all threads: from the end of one cycle to the end of the
  next, with the look at the engine that follows a cycle. **Peak RSS** is VmHWM, reset after each cycle.
- **Downtime of an update** is what ` + "`refit history`" + ` says: from the request to stop the old container to the answer that
  the new one has started. It is compared with the time that the engine takes to stop and start the same container, of
  a program that ends at once. Ten pairs, in turns; the ratio is the median of the ten ratios, and what is shown as
  measured is that ratio of the limit. No port is asked meanwhile: that would disturb the engine's network.
- **Start-first.** Four users ask all the time, over connections that they keep, through a reverse proxy that follows
  [the three rules](start-first.md), while the service goes through ten updates. It takes 20 ms for each answer and
  finishes what it was asked.
- **Containers with a new image.** Alone is the downtime of ` + "`refit update NAME`" + `, three times for each round. Then one
  ` + "`refit update`" + ` replaces all 20, and another one with ` + "`--parallel 1`" + `. Three rounds. The gate is one second; two of
  them are nobody's work: that of the first container, which tries the image for all others, and that of the last one.
  Lines without a target tell what the engine itself takes at that load (on a machine with few cores four stops and
  starts at a time are slower than one), and what one at a time takes.
- **Idle memory.** 50 running containers, one cycle over them, then a sample each second for half a minute, from
  /proc/PID/smaps_rollup. Anonymous is what is not the program's own file.
- **Memory over 1,000 cycles.** The same containers, each due once a second, spread by ` + "`--jitter`" + ` so that there are several
  cycles a second; the registry has no latency. The line that fits the samples of the second half best says how
  much the memory has grown meanwhile. Less than 1 MiB counts as none: one sample differs from the next by more.
- **Schedules.** 1,000 containers, created and never started, each with a minute of the day of its own. Nothing is due
  for three hours. The figure is the CPU time of two minutes, from ten seconds after the start.
`
