package notify_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/refit-dev/refit/notify"
)

func TestParseChannels(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		texts []string
		want  []string // names
		wrong string
	}{
		"a name and a URL":                     {texts: []string{"ops=ntfy://ntfy.sh/a"}, want: []string{"ops"}},
		"commas belong to URLs":                {texts: []string{"ops=telegram://1:a@telegram?chats=a,b"}, want: []string{"ops"}},
		"a URL alone is named by its service":  {texts: []string{"generic+https://example.org/?a=b", "generic://example.org/"}, want: []string{"generic", "generic-2"}},
		"and makes way for a name":             {texts: []string{"ntfy://ntfy.sh/a", "ntfy=ntfy://ntfy.sh/b", "ntfy://ntfy.sh/c"}, want: []string{"ntfy-2", "ntfy", "ntfy-3"}},
		"two of a name":                        {texts: []string{"ops=ntfy://ntfy.sh/a", "ops=ntfy://ntfy.sh/b"}, wrong: "channel ops: there are two of this name"},
		"a name that is none":                  {texts: []string{"secret word=ntfy://ntfy.sh/a"}, wrong: "a channel's name is of letters, digits, dots, dashes and underscores: NAME=URL"},
		"no URL":                               {texts: []string{"ops=secret"}, wrong: "channel ops: this is not a URL: SERVICE://…"},
		"no URL, no name":                      {texts: []string{"secret"}, wrong: "channel without a name: this is not a URL: SERVICE://…"},
		"a page's address":                     {texts: []string{"ops=https://hooks.slack.com/services/secret"}, wrong: "channel ops: https is not a service: a webhook is generic+https://…, and Slack, Discord and others have services of their own"},
		"a word that is nearly known":          {texts: []string{"ops=slak://secret"}, wrong: "channel ops: unknown service: slak: did you mean slack?"},
		"a password with special characters":   {texts: []string{"ops=smtp://secret:50%@example.org"}, wrong: "channel ops: smtp: the URL cannot be read: special characters in a password are written as %XX"},
		"what shoutrrr does not understand":    {texts: []string{"ops=smtp://secret@example.org/?from=a@example.org"}, wrong: "channel ops: smtp: the URL is not understood: toAddress missing from config URL"},
		"a token that shoutrrr would show":     {texts: []string{"ops=telegram://secret:!token@telegram?chats=a"}, wrong: "channel ops: telegram: the URL is not understood: invalid telegram token [hidden]"},
		"a service that would ask the network": {texts: []string{"ops=matrix://user:secret@example.invalid/?rooms=a"}, want: []string{"ops"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channels, err := notify.ParseChannels(tt.texts)
			var names []string
			for _, c := range channels {
				names = append(names, c.Name)
			}
			same(t, "names", strings.Join(tt.want, " "), strings.Join(names, " "))
			got := ""
			if err != nil {
				got = err.Error()
			}
			same(t, "error", tt.wrong, got)
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ url, want string }{
		"a service that works":          {"slack://hook:" + slackToken + "@webhook", ""},
		"one that does not":             {"teams://x", "teams does not work: "},
		"one that nobody has tried":     {"pushover://shoutrrr:token@user", ""},
		"mail with a password in clear": {"smtp://a:b@example.org/?from=a@b&to=c@d&encryption=none", "The password would go over the network in the clear"},
		"mail on the port for TLS":      {"smtp://example.org:465/?from=a@b&to=c@d&encryption=ExplicitTLS", "Port 465 is for TLS from the start"},
		"Telegram's markup":             {"telegram://1:a@telegram?chats=a&parseMode=Markdown", "With parsemode"},
		"a template that there is not":  {"generic://example.org/?template=mine", "shoutrrr's generic service has no templates"},
		"a webhook's own template":      {"generic+https://example.org/?template=mine", ""},
		"ntfy without a topic":          {"ntfy://topic", "The URL names no topic"},
		"matrix without a room":         {"matrix://a:b@example.org", "The URL names no rooms"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings := notify.Warnings([]notify.Channel{{Name: "ops", URL: tt.url}})
			if tt.want == "" {
				same(t, "warnings", 0, len(warnings))
				return
			}
			if len(warnings) != 1 || warnings[0].Channel != "ops" || !strings.HasPrefix(warnings[0].Text, tt.want) {
				t.Errorf("warnings are %+v, want %q", warnings, tt.want)
			}
		})
	}
}

func FuzzParseChannel(f *testing.F) {
	f.Add("ops", "slack://hook:"+slackToken+"@webhook")
	f.Add("ops", "opsgenie://x")
	f.Add("ops", "slack://0000%800000")
	f.Add("", "smtp://a:markmarkmark@b:1/?to=a@b&from=c@d&auth=plain")
	f.Add("ops", "telegram://markmarkmark:%@telegram")
	f.Fuzz(func(t *testing.T, name, text string) {
		c, err := notify.ParseChannel(name + "=" + text)
		if err == nil && c.Name == "" {
			t.Error("a channel without a name")
		}
		if err != nil && strings.Contains(text, "markmarkmark") && strings.Contains(err.Error(), "markmarkmark") {
			if u, parsed := url.Parse(text); parsed != nil || u.Scheme != "markmarkmark" {
				t.Errorf("%v", err)
			}
		}
	})
}
