package notify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/notify"
)

func TestFromWatchtower(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(file, []byte("from/a file\n"), 0o600))
	urls := filepath.Join(t.TempDir(), "urls")
	must(t, os.WriteFile(urls, []byte("ntfy://ntfy.sh/a\nntfy://ntfy.sh/b\n"), 0o600))
	const one = "WATCHTOWER_NOTIFICATION_"
	email := map[string]string{
		"WATCHTOWER_NOTIFICATIONS": "email", one + "EMAIL_FROM": "a@example.org", one + "EMAIL_TO": "b@example.org,c@example.org", one + "EMAIL_SERVER": "mail.example.org",
	}
	slack := map[string]string{"WATCHTOWER_NOTIFICATIONS": "slack", one + "SLACK_HOOK_URL": "https://hooks.slack.com/services/" + strings.ReplaceAll(slackToken, "-", "/")}
	gotify := map[string]string{"WATCHTOWER_NOTIFICATIONS": "gotify", one + "GOTIFY_URL": "https://example.org/push/", one + "GOTIFY_TOKEN": gotifyToken}
	tests := map[string]struct {
		env, more map[string]string
		want      []notify.Channel
		warnings  []string // the beginnings
		wrong     string
	}{
		"nothing is set": {},
		"URLs, separated by spaces": {
			env: map[string]string{one + "URL": "ntfy://ntfy.sh/a,b  ntfy://ntfy.sh/c\nslack://hook:" + slackToken + "@webhook", "WATCHTOWER_NOTIFICATIONS": "shoutrrr"},
			want: []notify.Channel{
				{Name: "ntfy", URL: "ntfy://ntfy.sh/a,b"},
				{Name: "ntfy-2", URL: "ntfy://ntfy.sh/c"},
				{Name: "slack", URL: "slack://hook:" + slackToken + "@webhook"},
			},
		},
		"URLs in a file, and one beside it": {
			env:  map[string]string{one + "URL": urls + " ntfy://ntfy.sh/c"},
			want: []notify.Channel{{Name: "ntfy", URL: "ntfy://ntfy.sh/a"}, {Name: "ntfy-2", URL: "ntfy://ntfy.sh/b"}, {Name: "ntfy-3", URL: "ntfy://ntfy.sh/c"}},
		},
		"a level of the log": {
			env:  map[string]string{one + "URL": "ntfy://ntfy.sh/a", "WATCHTOWER_NOTIFICATIONS_LEVEL": "Error"},
			want: []notify.Channel{{Name: "ntfy", URL: "ntfy://ntfy.sh/a", Level: notify.Problems}},
		},
		"an unknown level": {
			env:      map[string]string{one + "URL": "ntfy://ntfy.sh/a", "WATCHTOWER_NOTIFICATIONS_LEVEL": "loud"},
			want:     []notify.Channel{{Name: "ntfy", URL: "ntfy://ntfy.sh/a"}},
			warnings: []string{`WATCHTOWER_NOTIFICATIONS_LEVEL is not obeyed: "loud"`},
		},
		"email": {env: email, want: []notify.Channel{{Name: "smtp", URL: "smtp://mail.example.org:25/?auth=None&from=a%40example.org&to=b%40example.org%2Cc%40example.org"}}},
		"email, with an account, whose password is in a file": {
			env: email, more: map[string]string{one + "EMAIL_SERVER_USER": "a@b", one + "EMAIL_SERVER_PASSWORD_FILE": file, one + "EMAIL_SERVER_PORT": "587"},
			want: []notify.Channel{{Name: "smtp", URL: "smtp://a%40b:from%2Fa%20file@mail.example.org:587/?auth=Plain&from=a%40example.org&to=b%40example.org%2Cc%40example.org"}},
		},
		"email, with a file in the password's place": {
			env: email, more: map[string]string{one + "EMAIL_SERVER_USER": "a", one + "EMAIL_SERVER_PASSWORD": file},
			want: []notify.Channel{{Name: "smtp", URL: "smtp://a:from%2Fa%20file@mail.example.org:25/?auth=Plain&from=a%40example.org&to=b%40example.org%2Cc%40example.org"}},
		},
		"email, with what is not obeyed": {
			env: email, more: map[string]string{one + "EMAIL_SERVER_TLS_SKIP_VERIFY": "true", one + "EMAIL_DELAY": "2", one + "EMAIL_SUBJECTTAG": "x"},
			want:     []notify.Channel{{Name: "smtp", URL: "smtp://mail.example.org:25/?auth=None&encryption=None&from=a%40example.org&starttls=no&to=b%40example.org%2Cc%40example.org"}},
			warnings: []string{one + "EMAIL_SERVER_TLS_SKIP_VERIFY switches TLS off"},
		},
		"email, and no server": {env: email, more: map[string]string{one + "EMAIL_SERVER": ""}, wrong: "WATCHTOWER_NOTIFICATIONS=email needs WATCHTOWER_NOTIFICATION_EMAIL_SERVER"},
		"slack": {
			env: slack, more: map[string]string{one + "SLACK_IDENTIFIER": "my host", one + "SLACK_ICON_EMOJI": ":whale:", one + "SLACK_CHANNEL": "#ops"},
			want: []notify.Channel{{Name: "slack", URL: "slack://hook:" + slackToken + "@webhook?botname=my+host&icon=%3Awhale%3A"}},
		},
		"slack, for Discord": {
			env: slack, more: map[string]string{one + "SLACK_HOOK_URL": "https://discord.com/api/webhooks/112233/" + discordToken + "/slack"},
			want: []notify.Channel{{Name: "discord", URL: "discord://" + discordToken + "@112233"}},
		},
		"slack, for something else": {env: slack, more: map[string]string{one + "SLACK_HOOK_URL": "https://chat.example.org/hooks/secret"}, wrong: one + "SLACK_HOOK_URL is neither a webhook of Slack nor one of Discord: what else takes Slack's form is in shoutrrr's list by its own name (--notify)"},
		"gotify":                    {env: gotify, want: []notify.Channel{{Name: "gotify", URL: "gotify://example.org/push/" + gotifyToken}}},
		"gotify, without TLS": {
			env: gotify, more: map[string]string{one + "GOTIFY_URL": "http://example.org:8080", one + "GOTIFY_TLS_SKIP_VERIFY": "true"},
			want: []notify.Channel{{Name: "gotify", URL: "gotify://example.org:8080/" + gotifyToken + "?disabletls=yes"}},
		},
		"Teams, and a URL": {
			env:      map[string]string{"WATCHTOWER_NOTIFICATIONS": "msteams", one + "URL": "ntfy://ntfy.sh/a"},
			want:     []notify.Channel{{Name: "ntfy", URL: "ntfy://ntfy.sh/a"}},
			warnings: []string{"WATCHTOWER_NOTIFICATIONS=msteams is not obeyed"},
		},
		"an unknown type":      {env: map[string]string{"WATCHTOWER_NOTIFICATIONS": "pigeon"}, wrong: `WATCHTOWER_NOTIFICATIONS: unknown type "pigeon": known are email, slack, gotify, msteams and shoutrrr`},
		"a URL that is wrong":  {env: map[string]string{one + "URL": "slack://secret@webhook"}, wrong: "WATCHTOWER_NOTIFICATION_URL: channel without a name: slack: the URL is not understood: invalid slack token format"},
		"a token that is none": {env: gotify, more: map[string]string{one + "GOTIFY_TOKEN": "/"}, wrong: "read the file of WATCHTOWER_NOTIFICATION_GOTIFY_TOKEN: is a directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channels, warnings, err := notify.FromWatchtower(func(key string) string {
				if value, set := tt.more[key]; set {
					return value
				}
				return tt.env[key]
			})
			got := ""
			if err != nil {
				got = err.Error()
			}
			same(t, "error", tt.wrong, got)
			same(t, "channels", tt.want, channels, cmp.FilterValues(none, cmp.Ignore()))
			same(t, "number of warnings", len(tt.warnings), len(warnings))
			for i, begins := range tt.warnings[:min(len(tt.warnings), len(warnings))] {
				if !strings.HasPrefix(warnings[i], begins) {
					t.Errorf("warning %q, want %q", warnings[i], begins)
				}
			}
		})
	}
}

// none holds where neither list has anything.
func none(a, b []notify.Channel) bool { return len(a)+len(b) == 0 }
