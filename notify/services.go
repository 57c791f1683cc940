package notify

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// state says how well a service works with the shoutrrr that is built in.
type state string

const (
	works    state = "works"
	broken   state = "does not work"
	untested state = "untested"
)

// form is which form of a message a service is sent.
type form string

const (
	chatForm form = "text" // Message.Text, and the title
	mailForm form = "mail" // Message.Plain and Message.HTML
	jsonForm form = "JSON" // Message.JSON
)

// service is what is known of one of shoutrrr's services, as of its v0.8.0. The
// table in docs/notifications.md is made of it.
type service struct {
	scheme, example string
	state           state
	// note says what a user has to know. Where the service does not work it is the
	// warning, too: what is wrong, and the way round it.
	note string
	form form
	// most is how much text one message may have, in characters, or in bytes where
	// bytes is set; 0 where no limit is known.
	most  int
	bytes bool
	// untitled is set where shoutrrr drops the title: it becomes the first line.
	untitled bool
	// escapes is set where text is markup, in which "<" begins a mention.
	escapes bool
	// online is set where building a sender already talks to the server.
	online bool
	// warn looks at a URL for what is known to go wrong with it.
	warn func(*url.URL) string
}

// services are all that shoutrrr knows, in the order of the page.
var services = []service{
	{
		scheme: "smtp", example: "smtp://USER:PASSWORD@HOST:587/?from=ADDRESS&to=ADDRESS,ADDRESS", state: works, form: mailForm, warn: warnMail,
		note: "Plain and HTML in one mail; `usehtml=no` sends plain text alone. TLS from the start with port 465 or `encryption=ImplicitTLS`, else STARTTLS where the server offers it; `encryption=ExplicitTLS` insists on it.",
	},
	{
		scheme: "slack", example: "slack://hook:T000-B000-XXX@webhook", state: works, form: chatForm, most: 12000, escapes: true,
		note: "Webhooks and bot tokens (`slack://xoxb:…@CHANNEL`).",
	},
	{
		scheme: "telegram", example: "telegram://TOKEN@telegram?chats=@CHANNEL,ID", state: works, form: chatForm, most: 3800, bytes: true, warn: warnTelegram,
		note: "shoutrrr takes a network failure for success; Refit sees it, and tries again.",
	},
	{
		scheme: "discord", example: "discord://TOKEN@WEBHOOK-ID", state: works, form: chatForm, most: 5500,
		note: "shoutrrr garbles long messages with `splitlines`; Refit switches it off.",
	},
	{
		scheme: "generic", example: "generic+https://HOST/PATH", state: works, form: jsonForm, warn: warnGeneric,
		note: "Any webhook: the body is our JSON. Headers as `@Name=value`. `generic://HOST/PATH?template=json` sends an object of `title` and `message` instead.",
	},
	{
		scheme: "gotify", example: "gotify://HOST/TOKEN", state: works, form: chatForm,
		note: "`disabletls=yes` means plain HTTP. Certificates are always checked, which shoutrrr itself leaves out together with TLS.",
	},
	{
		scheme: "ntfy", example: "ntfy://USER:PASSWORD@HOST/TOPIC", state: works, form: chatForm, most: 3900, bytes: true, warn: warnNtfy,
		note: "`scheme=http` for plain HTTP. An access token goes where the password is, without a user.",
	},
	{
		scheme: "teams", example: "", state: broken, form: chatForm,
		note: "shoutrrr knows only Office 365 connectors, which Microsoft has switched off. Send mail to the channel's address (`smtp`), or JSON to a workflow's webhook (`generic`).",
	},
	{
		scheme: "ifttt", example: "", state: broken, form: chatForm, untitled: true,
		note: "shoutrrr prints every message on standard output. Use `generic+https://maker.ifttt.com/trigger/EVENT/json/with/key/KEY`.",
	},
	{
		scheme: "logger", example: "", state: broken, form: chatForm,
		note: "It writes to shoutrrr's own log, which Refit throws away. What happens is in Refit's log anyway.",
	},
	{scheme: "bark", example: "bark://:KEY@HOST", state: untested, form: chatForm},
	{scheme: "googlechat", example: "googlechat://chat.googleapis.com/v1/spaces/…?key=KEY&token=TOKEN", state: untested, form: chatForm, untitled: true, most: 3800},
	{scheme: "hangouts", example: "", state: untested, form: chatForm, untitled: true, most: 3800, note: "The same as `googlechat`."},
	{scheme: "join", example: "join://shoutrrr:KEY@join/?devices=ID,ID", state: untested, form: chatForm, most: 1500, bytes: true},
	{scheme: "matrix", example: "matrix://USER:PASSWORD@HOST/?rooms=!ID", state: untested, form: chatForm, untitled: true, online: true, warn: warnMatrix, note: "It logs in when it is used first. Name the rooms."},
	{scheme: "mattermost", example: "mattermost://HOST/TOKEN", state: untested, form: chatForm, untitled: true, most: 12000},
	{scheme: "opsgenie", example: "opsgenie://HOST/KEY", state: untested, form: chatForm, most: 12000},
	{scheme: "pushbullet", example: "pushbullet://TOKEN", state: untested, form: chatForm},
	{scheme: "pushover", example: "pushover://shoutrrr:TOKEN@USER/", state: untested, form: chatForm, most: 1000},
	{scheme: "rocketchat", example: "rocketchat://HOST/TOKEN/TOKEN", state: untested, form: chatForm, untitled: true, most: 4500},
	{scheme: "zulip", example: "zulip://BOT:KEY@HOST/?stream=STREAM", state: untested, form: chatForm, untitled: true, most: 9000, bytes: true},
}

// serviceOf finds the service of a URL's scheme, "generic+https" being generic's.
func serviceOf(scheme string) (service, bool) {
	name, _, _ := strings.Cut(strings.ToLower(scheme), "+")
	i := slices.IndexFunc(services, func(s service) bool { return s.scheme == name })
	if i < 0 {
		return service{}, false
	}
	return services[i], true
}

func schemes() []string {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.scheme
	}
	return names
}

// size measures text as the service does.
func (s service) size(text string) int {
	if s.bytes {
		return len(text)
	}
	return utf8.RuneCountInString(text)
}

// cut shortens a text that even alone is too long for one message.
func (s service) cut(text string) string {
	const mark = " …"
	if s.most == 0 || s.size(text) <= s.most {
		return text
	}
	room, size := s.most-s.size(mark), 0
	for i, r := range text {
		size += s.size(string(r))
		if size > room {
			return text[:i] + mark
		}
	}
	return text
}

// Fits tells whether a message is not too long for its channel's service. One
// that is, is cut when it is sent; a postman tells fewer things at once instead.
func Fits(c Channel, m Message) bool {
	scheme, _, _ := strings.Cut(c.URL, "://")
	s, _ := serviceOf(scheme)
	return s.form != chatForm || s.most == 0 || s.size(m.Title+"\n"+m.Text) <= s.most
}

// Warning is what is known not to work, or not well, with a channel's URL.
type Warning struct {
	Channel, Service string
	// Text is a sentence or two: what is wrong, and the way round it.
	Text string
}

// Warnings returns what to tell the operator of channels at start.
func Warnings(channels []Channel) []Warning {
	var all []Warning
	for _, c := range channels {
		u, err := url.Parse(c.URL)
		if err != nil {
			continue
		}
		s, _ := serviceOf(u.Scheme)
		add := func(text string) {
			if text != "" {
				all = append(all, Warning{Channel: c.Name, Service: s.scheme, Text: text})
			}
		}
		if s.state == broken {
			add(s.scheme + " does not work: " + s.note)
		}
		if s.warn != nil {
			add(s.warn(u))
		}
	}
	return all
}

func warnMail(u *url.URL) string {
	query := lowered(u)
	switch {
	case u.User != nil && (query.Get("encryption") == "none" || query.Get("starttls") == "no" || query.Get("usestarttls") == "no"):
		return "The password would go over the network in the clear: Refit's mail client refuses that unless the server is on this host."
	case u.Port() == "465" && query.Get("encryption") == "explicittls":
		return "Port 465 is for TLS from the start, and encryption=ExplicitTLS waits for a greeting in the clear."
	}
	return ""
}

func warnTelegram(u *url.URL) string {
	if mode := lowered(u).Get("parsemode"); mode != "" && mode != "none" {
		return "With parsemode the text is sent as markup: one that is not, as the built-in ones are not, is refused or garbled."
	}
	return ""
}

func warnGeneric(u *url.URL) string {
	if template := u.Query().Get("template"); !templated(u) || template == "json" || template == "JSON" {
		return ""
	}
	return "shoutrrr's generic service has no templates but json here: leave template out, and use --notify-template."
}

func warnNtfy(u *url.URL) string {
	if strings.Trim(u.Path, "/") == "" {
		return "The URL names no topic: ntfy://ntfy.sh/TOPIC."
	}
	return ""
}

func warnMatrix(u *url.URL) string {
	if query := lowered(u); query.Get("rooms") == "" && query.Get("room") == "" {
		return "The URL names no rooms: shoutrrr tells all that the account has joined, and takes it for success if there are none."
	}
	return ""
}

// lowered returns the query with its keys and values in small letters, as
// shoutrrr compares them.
func lowered(u *url.URL) url.Values {
	query := url.Values{}
	for key, values := range u.Query() {
		for _, value := range values {
			query.Add(strings.ToLower(key), strings.ToLower(value))
		}
	}
	return query
}
