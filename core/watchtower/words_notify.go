package watchtower

// Those of one service become one channel, see FromWatchtower in the package notify.
var notifications = []Word{
	{
		Flag: "notifications", Letter: "n", Variable: "WATCHTOWER_NOTIFICATIONS", Value: "TYPES", Many: true,
		Fate: Mapped, Ours: "notify", Together: true,
		Note: "`email`, `slack` and `gotify` become channels. `msteams` is without effect: Microsoft has switched off the connectors that it is for.",
	},
	{
		Flag: "notification-url", Variable: "WATCHTOWER_NOTIFICATION_URL", Value: "URL", Many: true, Secret: true,
		Fate: Mapped, Ours: "notify", Together: true,
		Note: "Each URL becomes a channel, named after its service.",
	},
	{
		Flag: "notifications-level", Variable: "WATCHTOWER_NOTIFICATIONS_LEVEL", Value: "LEVEL",
		Fate: Mapped, Ours: "notify-level", Together: true,
		Note: "`warn` and worse are `problems`, `info` is `changes`, `debug` and `trace` are `all`.",
	},
	{
		Flag: "notifications-hostname", Variable: "WATCHTOWER_NOTIFICATIONS_HOSTNAME", Value: "NAME",
		Fate: Mapped, Ours: "notify-host",
	},
	{
		Flag: "notifications-delay", Variable: "WATCHTOWER_NOTIFICATIONS_DELAY", Value: "SECONDS",
		Fate: NoEffect, Note: "What happened is told at once, and a cycle is one message.",
	},
	{
		Flag: "notification-template", Variable: "WATCHTOWER_NOTIFICATION_TEMPLATE", Value: "TEMPLATE",
		Fate: NoEffect, Note: "It speaks of log lines, and messages are not made of them: see `--notify-template`.",
	},
	{
		Flag: "notification-report", Variable: "WATCHTOWER_NOTIFICATION_REPORT",
		Fate: NoEffect, Note: "A message is always a report.",
	},
	{
		Flag: "notification-title-tag", Variable: "WATCHTOWER_NOTIFICATION_TITLE_TAG", Value: "TEXT",
		Fate: NoEffect, Note: "The title names the host: `--notify-host` says how.",
	},
	{
		Flag: "notification-skip-title", Variable: "WATCHTOWER_NOTIFICATION_SKIP_TITLE",
		Fate: NoEffect, Note: "Every message has a title: `--notify-template` can make it a short one.",
	},
	{
		Flag: "notification-log-stdout", Variable: "WATCHTOWER_NOTIFICATION_LOG_STDOUT",
		Fate: NoEffect, Note: "The log tells all that is told anywhere.",
	},
	{
		Flag: "no-startup-message", Variable: "WATCHTOWER_NO_STARTUP_MESSAGE",
		Fate: NoEffect, Note: "A start is told only to channels whose level is `all`.",
	},
	{
		Command: "notify-upgrade",
		Fate:    Refused, Note: "There is nothing to upgrade: the variables are read as they are.",
		Instead: "refit notify lists the channels that they make",
	},
}

var mail = []Word{
	{
		Flag: "notification-email-from", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_FROM", Value: "ADDRESS",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-to", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_TO", Value: "ADDRESSES",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-server", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SERVER", Value: "HOST",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-server-port", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SERVER_PORT", Value: "PORT",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-server-user", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SERVER_USER", Value: "NAME",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-server-password", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SERVER_PASSWORD", Value: "PASSWORD", Secret: true,
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-email-server-tls-skip-verify", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SERVER_TLS_SKIP_VERIFY",
		Fate: Mapped, Ours: "notify", Together: true,
		Note: "It switches TLS off, as it did there, and is warned of.",
	},
	{
		Flag: "notification-email-delay", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_DELAY", Value: "SECONDS",
		Fate: NoEffect, Note: "What happened is told at once, and a cycle is one message.",
	},
	{
		Flag: "notification-email-subjecttag", Variable: "WATCHTOWER_NOTIFICATION_EMAIL_SUBJECTTAG", Value: "TEXT",
		Fate: NoEffect, Note: "The title names the host: `--notify-host` says how.",
	},
}

var chats = []Word{
	{
		Flag: "notification-slack-hook-url", Variable: "WATCHTOWER_NOTIFICATION_SLACK_HOOK_URL", Value: "URL", Secret: true,
		Fate: Mapped, Ours: "notify", Together: true,
		Note: "A webhook of Slack's, or of Discord's for Slack.",
	},
	{
		Flag: "notification-slack-identifier", Variable: "WATCHTOWER_NOTIFICATION_SLACK_IDENTIFIER", Value: "NAME",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-slack-channel", Variable: "WATCHTOWER_NOTIFICATION_SLACK_CHANNEL", Value: "CHANNEL",
		Fate: NoEffect, Note: "A webhook belongs to one channel.",
	},
	{
		Flag: "notification-slack-icon-emoji", Variable: "WATCHTOWER_NOTIFICATION_SLACK_ICON_EMOJI", Value: "EMOJI",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-slack-icon-url", Variable: "WATCHTOWER_NOTIFICATION_SLACK_ICON_URL", Value: "URL",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-msteams-hook", Variable: "WATCHTOWER_NOTIFICATION_MSTEAMS_HOOK_URL", Value: "URL", Secret: true,
		Fate: NoEffect, Note: "Microsoft has switched these connectors off. Send mail to the channel's address, or JSON to a workflow's webhook (`--notify`).",
	},
	{
		Flag: "notification-msteams-data", Variable: "WATCHTOWER_NOTIFICATION_MSTEAMS_USE_LOG_DATA",
		Fate: NoEffect, Note: "See `--notification-msteams-hook`.",
	},
	{
		Flag: "notification-gotify-url", Variable: "WATCHTOWER_NOTIFICATION_GOTIFY_URL", Value: "URL",
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-gotify-token", Variable: "WATCHTOWER_NOTIFICATION_GOTIFY_TOKEN", Value: "TOKEN", Secret: true,
		Fate: Mapped, Ours: "notify", Together: true,
	},
	{
		Flag: "notification-gotify-tls-skip-verify", Variable: "WATCHTOWER_NOTIFICATION_GOTIFY_TLS_SKIP_VERIFY",
		Fate: NoEffect, Note: "Certificates are always checked: `SSL_CERT_FILE` names authorities of your own.",
	},
}
