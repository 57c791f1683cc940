package watchtower

const trueOrFalse = "true or false"

var labels = []Word{
	{
		Label: LabelPrefix + "enable", Value: trueOrFalse,
		Fate: Mapped, Ours: "refit.enable", turn: truth,
		Note: "`false` always counts, `true` with `--label-enable`. What is neither holds the container; Watchtower ignored it.",
	},
	{
		Label: LabelPrefix + "monitor-only", Value: trueOrFalse,
		Fate: Mapped, Ours: "refit.mode", turn: mode, Yields: true,
		Note: "`false` does not count against `--mode notify`, unless `--label-take-precedence` is given.",
	},
	{
		Label: LabelPrefix + "no-pull", Value: trueOrFalse,
		Fate: Mapped, Ours: "refit.pull", turn: opposite, Yields: true,
		Note: "`false` does not count against `--no-pull`, unless `--label-take-precedence` is given.",
	},
	{
		Label: LabelPrefix + "depends-on", Value: "container names",
		Fate: Mapped, Ours: "refit.depends-on", turn: names,
		Note: "It says which comes first. A container that only depends on an updated one is left alone; Watchtower made it anew as well. One that shares its network, or is linked to it, is made anew here, too.",
	},
	{
		Label: LabelPrefix + "scope", Value: "name",
		Fate: Mapped, Ours: "refit.scope",
		Note: "`none` is no scope.",
	},
	{
		Label: LabelPrefix + "stop-signal", Value: "signal",
		Fate: Mapped, Ours: "refit.stop-signal",
		Note: "One that comes from the image does not count, unless `--trust-image-labels` is given; `STOPSIGNAL` in the Dockerfile does.",
	},
	{
		Label: LabelPrefix + "lifecycle.pre-update", Value: "command",
		Fate: Mapped, Ours: "refit.hook.command.pre-update", Together: true,
		Note: "With `--lifecycle-hooks`.",
	},
	{
		Label: LabelPrefix + "lifecycle.post-update", Value: "command",
		Fate: Mapped, Ours: "refit.hook.command.post-update", Together: true,
		Note: "With `--lifecycle-hooks`. It runs when the new container has passed its gate, and a failure is only logged, as there: `refit.hook.command.post-update-gate=true` makes it count.",
	},
	{
		Label: LabelPrefix + "lifecycle.pre-update-timeout", Value: "minutes",
		Fate: Mapped, Ours: "refit.hook.command.pre-update-timeout", turn: minutes, Together: true,
		Note: "Without it a command has 5 minutes rather than one.",
	},
	{
		Label: LabelPrefix + "lifecycle.post-update-timeout", Value: "minutes",
		Fate: Mapped, Ours: "refit.hook.command.post-update-timeout", turn: minutes, Together: true,
		Note: "Without it a command has 5 minutes rather than one.",
	},
	{
		Label: LabelPrefix + "lifecycle.pre-check", Value: "command",
		Fate: NoEffect, Note: "It ran in every container in every cycle, whether there was anything to do or not.",
	},
	{
		Label: LabelPrefix + "lifecycle.post-check", Value: "command",
		Fate: NoEffect, Note: "It ran in every container in every cycle, whether there was anything to do or not.",
	},
	{
		Label: Marker, Value: "true",
		Fate: NoEffect, Note: "It marks Watchtower's own container. Refit knows its own without a label, and warns of a Watchtower that runs beside it.",
	},
	{
		Label: "com.centurylinklabs.zodiac.original-image", Value: "image",
		Fate: NoEffect, Note: "A container is updated from the image that it was made from.",
	},
}
