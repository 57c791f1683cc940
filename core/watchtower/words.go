package watchtower

var engine = []Word{
	{
		Flag: "host", Letter: "H", Variable: "DOCKER_HOST", Value: "URL",
		Fate: Mapped, Ours: "host",
	},
	{
		Flag: "tlsverify", Letter: "v", Variable: "DOCKER_TLS_VERIFY",
		Fate: Mapped, Ours: "tlsverify", turn: anyText, anything: true,
		Note: "The letter `-v` is not read: here it shows the version. Write `--tlsverify`.",
	},
	{
		Flag: "api-version", Letter: "a", Variable: "DOCKER_API_VERSION", Value: "VERSION",
		Fate: Mapped, Ours: "api-version",
		Note: "Without it Refit agrees on a version with the engine; Watchtower spoke 1.25.",
	},
	{
		Variable: "DOCKER_CERT_PATH", Value: "FOLDER",
		Fate: Mapped, Note: "Read as docker reads it.",
	},
	{
		Variable: "DOCKER_CONFIG", Value: "FOLDER",
		Fate: Mapped, Note: "Read as docker reads it. Without it, `/config.json` is read where Watchtower's users mount it, if there is no `config.json` in `~/.docker`.",
	},
	{
		Variable: "REPO_USER", Value: "NAME",
		Fate: NoEffect, Note: "It went to every registry that a container named. Log in with `docker login` and mount the folder: `-v ~/.docker:/.docker:ro`. Until then containers of private registries are held as `unauthorized`.",
	},
	{
		Variable: "REPO_PASS", Value: "PASSWORD", Secret: true,
		Fate: NoEffect, Note: "See `REPO_USER`.",
	},
	{
		Variable: "TZ", Value: "ZONE",
		Fate: Mapped, Note: "The same; `/etc/localtime` counts as well.",
	},
}

var clock = []Word{
	{
		Flag: "interval", Letter: "i", Variable: "WATCHTOWER_POLL_INTERVAL", Value: "SECONDS",
		Fate: Mapped, Ours: "interval",
		Note: "The first look comes at the start, unless the last one is younger than the interval; Watchtower waited one interval.",
	},
	{
		Flag: "schedule", Letter: "s", Variable: "WATCHTOWER_SCHEDULE", Value: "CRON",
		Fate: Mapped, Ours: "schedule", turn: sixFields, Otherwise: true,
		Note: "Six fields as there. Five are another thing: Watchtower's were second, minute, hour, day and month, and so the variable and `-s` " +
			"are read; behind `--schedule` they begin with the minute, as in a crontab: add `*` there. A run that was missed while the host was down " +
			"is caught up once; `--catch-up=false` declines.",
	},
	{
		Flag: "run-once", Letter: "R", Variable: "WATCHTOWER_RUN_ONCE",
		Fate: Mapped, Ours: "run-once",
		Note: "The exit code tells what happened: 20 for a rollback, 30 for a failure, 40 for a container that is down.",
	},
}

var which = []Word{
	{
		Flag: "label-enable", Letter: "e", Variable: "WATCHTOWER_LABEL_ENABLE",
		Fate: Mapped, Ours: "label-enable",
		Note: "Labels that come from the image do not count, unless `--trust-image-labels` is given. Without this word, and with any other that only Watchtower has, `--all` is implied.",
	},
	{
		Flag: "disable-containers", Letter: "x", Variable: "WATCHTOWER_DISABLE_CONTAINERS", Value: "NAMES", Many: true,
		Fate: Mapped, Ours: "disable-containers",
	},
	{
		Flag: "scope", Variable: "WATCHTOWER_SCOPE", Value: "NAME",
		Fate: Mapped, Ours: "scope",
		Note: "`none` is no scope, as there. Without a scope Refit leaves containers that have one alone; Watchtower took them all.",
	},
	{
		Flag: "include-restarting", Variable: "WATCHTOWER_INCLUDE_RESTARTING",
		Fate: NoEffect, Note: "Containers that restart are always looked at.",
	},
	{
		Flag: "include-stopped", Letter: "S", Variable: "WATCHTOWER_INCLUDE_STOPPED",
		Fate: Mapped, Ours: "include-stopped",
	},
	{
		Flag: "revive-stopped", Variable: "WATCHTOWER_REVIVE_STOPPED",
		Fate: NoEffect, Note: "A container that was stopped is updated and stays stopped: `docker start NAME` starts it.",
	},
}

var how = []Word{
	{
		Flag: "monitor-only", Letter: "m", Variable: "WATCHTOWER_MONITOR_ONLY",
		Fate: Mapped, Ours: "mode", turn: mode,
		Note: "Nothing is pulled: the registry is asked for the digest.",
	},
	{
		Flag: "no-pull", Variable: "WATCHTOWER_NO_PULL",
		Fate: Mapped, Ours: "no-pull",
	},
	{
		Flag: "no-restart", Variable: "WATCHTOWER_NO_RESTART",
		Fate:    Refused,
		Note:    "It removed the old container and left it to others to make a new one. Refit never removes a container before its successor has proved itself.",
		Instead: "--mode notify tells of new images, and what manages the containers replaces them",
	},
	{
		Flag: "label-take-precedence", Variable: "WATCHTOWER_LABEL_TAKE_PRECEDENCE",
		Fate: Mapped, Ours: "label-take-precedence",
		Note: "It is about Watchtower's labels only: labels of ours always come before flags.",
	},
	{
		Flag: "cleanup", Letter: "c", Variable: "WATCHTOWER_CLEANUP",
		Fate: Mapped, Ours: "cleanup",
		Note: "An image that something else uses, or that has another tag, stays.",
	},
	{
		Flag: "remove-volumes", Variable: "WATCHTOWER_REMOVE_VOLUMES",
		Fate: NoEffect, Note: "Data is never removed: the new container takes over the anonymous volumes of the old one.",
	},
	{
		Flag: "rolling-restart", Variable: "WATCHTOWER_ROLLING_RESTART",
		Fate: Mapped, Ours: "parallel", turn: one,
	},
	{
		Flag: "stop-timeout", Letter: "t", Variable: "WATCHTOWER_TIMEOUT", Value: "DURATION",
		Fate: Mapped, Ours: "stop-timeout", turn: patience, Otherwise: true,
		Note: "0, which killed at once, is a second. Without it the container's own stop timeout holds, else 10 seconds; Watchtower always took 10 seconds.",
	},
	{
		Flag: "enable-lifecycle-hooks", Variable: "WATCHTOWER_LIFECYCLE_HOOKS",
		Fate: Mapped, Ours: "lifecycle-hooks",
		Note: "The commands are run by the hook `command`, see [hook-command.md](hook-command.md).",
	},
}

var output = []Word{
	{
		Flag: "log-level", Variable: "WATCHTOWER_LOG_LEVEL", Value: "LEVEL",
		Fate: Mapped, Ours: "log-level", turn: level,
		Note: "`trace` is `debug`; `fatal` and `panic` are `error`.",
	},
	{
		Flag: "debug", Letter: "d", Variable: "WATCHTOWER_DEBUG",
		Fate: Mapped, Ours: "debug",
	},
	{
		Flag: "trace", Variable: "WATCHTOWER_TRACE",
		Fate: Mapped, Ours: "debug",
		Note: "It shows no credentials.",
	},
	{
		Flag: "log-format", Letter: "l", Variable: "WATCHTOWER_LOG_FORMAT", Value: "FORMAT",
		Fate: Mapped, Ours: "log-format", turn: format,
		Note: "`auto`, `logfmt` and `pretty` are `text`.",
	},
	{
		Flag: "no-color", Variable: "NO_COLOR",
		Fate: Mapped, Note: "There is nothing to switch off: no output has colours.",
	},
	{
		Flag: "porcelain", Letter: "P", Variable: "WATCHTOWER_PORCELAIN", Value: "VERSION",
		Fate:    Refused,
		Note:    "What reads that output would wait for it in vain.",
		Instead: "refit update prints what it did, refit history --format json what was done",
	},
	{
		Flag: "warn-on-head-failure", Variable: "WATCHTOWER_WARN_ON_HEAD_FAILURE", Value: "WHEN",
		Fate: NoEffect, Note: "An image that could not be checked is always told, as the reason of its containers.",
	},
	{
		Flag: "health-check",
		Fate: Mapped, Ours: "health",
		Note: "The image has a healthcheck of its own: take one that names `/watchtower` out of a compose file.",
	},
	{
		Flag: "help", Letter: "h",
		Fate: Mapped, Ours: "help",
	},
}

var remote = []Word{
	{
		Flag: "http-api-update", Variable: "WATCHTOWER_HTTP_API_UPDATE",
		Fate:    Refused,
		Note:    "Refit listens on no port.",
		Instead: "docker exec refit refit update does a cycle now",
	},
	{
		Flag: "http-api-metrics", Variable: "WATCHTOWER_HTTP_API_METRICS",
		Fate: NoEffect, Note: "Refit listens on no port. `refit check --format json` and `refit history --format json` tell programs.",
	},
	{
		Flag: "http-api-token", Variable: "WATCHTOWER_HTTP_API_TOKEN", Value: "TOKEN", Secret: true,
		Fate: NoEffect, Note: "Refit listens on no port.",
	},
	{
		Flag: "http-api-periodic-polls", Variable: "WATCHTOWER_HTTP_API_PERIODIC_POLLS",
		Fate: NoEffect, Note: "Refit always looks by its schedule.",
	},
}
