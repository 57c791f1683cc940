package watchtower_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/watchtower"
)

// The vocabulary of Watchtower 1.7.1, from its documentation (arguments, notifications,
// lifecycle-hooks, container-selection, linked-containers, stop-signals,
// running-multiple-instances, private-registries) and its flags' and labels' own lists.
const (
	flags = `
--api-version --cleanup --debug --disable-containers --enable-lifecycle-hooks --health-check --help --host
--http-api-metrics --http-api-periodic-polls --http-api-token --http-api-update --include-restarting
--include-stopped --interval --label-enable --label-take-precedence --log-format --log-level --monitor-only
--no-color --no-pull --no-restart --no-startup-message --notification-email-delay --notification-email-from
--notification-email-server --notification-email-server-password --notification-email-server-port
--notification-email-server-tls-skip-verify --notification-email-server-user --notification-email-subjecttag
--notification-email-to --notification-gotify-tls-skip-verify --notification-gotify-token --notification-gotify-url
--notification-log-stdout --notification-msteams-data --notification-msteams-hook --notification-report
--notification-skip-title --notification-slack-channel --notification-slack-hook-url
--notification-slack-icon-emoji --notification-slack-icon-url --notification-slack-identifier
--notification-template --notification-title-tag --notification-url --notifications --notifications-delay
--notifications-hostname --notifications-level --porcelain --remove-volumes --revive-stopped --rolling-restart
--run-once --schedule --scope --stop-timeout --tlsverify --trace --warn-on-head-failure`

	letters = `-H -P -R -S -a -c -d -e -h -i -l -m -n -s -t -v -x`

	variables = `
DOCKER_API_VERSION DOCKER_CERT_PATH DOCKER_CONFIG DOCKER_HOST DOCKER_TLS_VERIFY NO_COLOR REPO_PASS REPO_USER TZ
WATCHTOWER_CLEANUP WATCHTOWER_DEBUG WATCHTOWER_DISABLE_CONTAINERS WATCHTOWER_HTTP_API_METRICS
WATCHTOWER_HTTP_API_PERIODIC_POLLS WATCHTOWER_HTTP_API_TOKEN WATCHTOWER_HTTP_API_UPDATE
WATCHTOWER_INCLUDE_RESTARTING WATCHTOWER_INCLUDE_STOPPED WATCHTOWER_LABEL_ENABLE
WATCHTOWER_LABEL_TAKE_PRECEDENCE WATCHTOWER_LIFECYCLE_HOOKS WATCHTOWER_LOG_FORMAT WATCHTOWER_LOG_LEVEL
WATCHTOWER_MONITOR_ONLY WATCHTOWER_NOTIFICATIONS WATCHTOWER_NOTIFICATIONS_DELAY
WATCHTOWER_NOTIFICATIONS_HOSTNAME WATCHTOWER_NOTIFICATIONS_LEVEL WATCHTOWER_NOTIFICATION_EMAIL_DELAY
WATCHTOWER_NOTIFICATION_EMAIL_FROM WATCHTOWER_NOTIFICATION_EMAIL_SERVER
WATCHTOWER_NOTIFICATION_EMAIL_SERVER_PASSWORD WATCHTOWER_NOTIFICATION_EMAIL_SERVER_PORT
WATCHTOWER_NOTIFICATION_EMAIL_SERVER_TLS_SKIP_VERIFY WATCHTOWER_NOTIFICATION_EMAIL_SERVER_USER
WATCHTOWER_NOTIFICATION_EMAIL_SUBJECTTAG WATCHTOWER_NOTIFICATION_EMAIL_TO
WATCHTOWER_NOTIFICATION_GOTIFY_TLS_SKIP_VERIFY WATCHTOWER_NOTIFICATION_GOTIFY_TOKEN
WATCHTOWER_NOTIFICATION_GOTIFY_URL WATCHTOWER_NOTIFICATION_LOG_STDOUT
WATCHTOWER_NOTIFICATION_MSTEAMS_HOOK_URL WATCHTOWER_NOTIFICATION_MSTEAMS_USE_LOG_DATA
WATCHTOWER_NOTIFICATION_REPORT WATCHTOWER_NOTIFICATION_SKIP_TITLE WATCHTOWER_NOTIFICATION_SLACK_CHANNEL
WATCHTOWER_NOTIFICATION_SLACK_HOOK_URL WATCHTOWER_NOTIFICATION_SLACK_ICON_EMOJI
WATCHTOWER_NOTIFICATION_SLACK_ICON_URL WATCHTOWER_NOTIFICATION_SLACK_IDENTIFIER
WATCHTOWER_NOTIFICATION_TEMPLATE WATCHTOWER_NOTIFICATION_TITLE_TAG WATCHTOWER_NOTIFICATION_URL
WATCHTOWER_NO_PULL WATCHTOWER_NO_RESTART WATCHTOWER_NO_STARTUP_MESSAGE WATCHTOWER_POLL_INTERVAL
WATCHTOWER_PORCELAIN WATCHTOWER_REMOVE_VOLUMES WATCHTOWER_REVIVE_STOPPED WATCHTOWER_ROLLING_RESTART
WATCHTOWER_RUN_ONCE WATCHTOWER_SCHEDULE WATCHTOWER_SCOPE WATCHTOWER_TIMEOUT WATCHTOWER_TRACE
WATCHTOWER_WARN_ON_HEAD_FAILURE`

	labels = `
com.centurylinklabs.watchtower com.centurylinklabs.watchtower.depends-on com.centurylinklabs.watchtower.enable
com.centurylinklabs.watchtower.lifecycle.post-check com.centurylinklabs.watchtower.lifecycle.post-update
com.centurylinklabs.watchtower.lifecycle.post-update-timeout com.centurylinklabs.watchtower.lifecycle.pre-check
com.centurylinklabs.watchtower.lifecycle.pre-update com.centurylinklabs.watchtower.lifecycle.pre-update-timeout
com.centurylinklabs.watchtower.monitor-only com.centurylinklabs.watchtower.no-pull
com.centurylinklabs.watchtower.scope com.centurylinklabs.watchtower.stop-signal
com.centurylinklabs.zodiac.original-image`

	commands = `notify-upgrade`
)

func TestTheTableHasEveryWordOfVersion171AndNoOther(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		want string
		name func(watchtower.Word) string
	}{
		"flags": {flags, func(w watchtower.Word) string {
			return strings.TrimSuffix("--"+w.Flag, "--")
		}},
		"letters":   {letters, func(w watchtower.Word) string { return strings.TrimSuffix("-"+w.Letter, "-") }},
		"variables": {variables, func(w watchtower.Word) string { return w.Variable }},
		"labels":    {labels, func(w watchtower.Word) string { return w.Label }},
		"commands":  {commands, func(w watchtower.Word) string { return w.Command }},
	} {
		var got []string
		fates := map[watchtower.Fate]int{}
		for _, w := range watchtower.Words() {
			if name := test.name(w); name != "" {
				got = append(got, name)
				fates[w.Fate]++
			}
		}
		slices.Sort(got)
		want := strings.Fields(test.want)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-1.7.1 +table):\n%s", what, diff)
		}
		t.Logf("%s: %d, of them mapped %d, without effect %d, refused %d",
			what, len(got), fates[watchtower.Mapped], fates[watchtower.NoEffect], fates[watchtower.Refused])
	}
}

func TestEveryWordSaysWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	for _, w := range watchtower.Words() {
		whole := false
		switch w.Fate {
		case watchtower.Mapped:
			whole = w.Ours != "" || w.Note != ""
		case watchtower.NoEffect:
			whole = w.Note != "" && w.Ours == ""
		case watchtower.Refused:
			whole = w.Note != "" && w.Instead != ""
		}
		if !whole {
			t.Errorf("%s is %q: to what, why, and what instead?", w.Name(), w.Fate)
		}
		if w.Note != "" && !strings.HasSuffix(w.Note, ".") {
			t.Errorf("%s: the note is no sentence: %s", w.Name(), w.Note)
		}
	}
}

func TestValuesAreReadAsWatchtowerReadThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ flag, value, want, wrong string }{
		"a switch that is mapped to a mode":     {flag: "monitor-only", value: "T", want: "notify"},
		"the same, off":                         {flag: "monitor-only", value: "0", want: "update"},
		"a switch that is neither":              {flag: "monitor-only", value: "maybe", wrong: "is neither true nor false"},
		"one at a time":                         {flag: "rolling-restart", value: "true", want: "1"},
		"as many as ever":                       {flag: "rolling-restart", value: "false", want: ""},
		"docker's switch means yes by any text": {flag: "tlsverify", value: "no", want: "true"},
		"a level that we do not have":           {flag: "log-level", value: "Trace", want: "debug"},
		"a level that nobody has":               {flag: "log-level", value: "loud", want: "loud"},
		"a look of the log":                     {flag: "log-format", value: "Pretty", want: "text"},
		"what means the same":                   {flag: "schedule", value: "0 0 4 * * *", want: "0 0 4 * * *"},
		"five fields that begin with a second":  {flag: "schedule", value: "0 0 4 * *", want: "0 0 4 * * *"},
		"the same in a time zone":               {flag: "schedule", value: "CRON_TZ=UTC 0 30 4 * *", want: "CRON_TZ=UTC 0 30 4 * * *"},
		"no time to stop":                       {flag: "stop-timeout", value: "0", want: "1s"},
		"the same with a unit":                  {flag: "stop-timeout", value: "0s", want: "1s"},
		"a time to stop":                        {flag: "stop-timeout", value: "30", want: "30"},
		"a longer one":                          {flag: "stop-timeout", value: "1h0m0s", want: "1h0m0s"},
		"none that can be read":                 {flag: "stop-timeout", value: "s", want: "s"},
		"a schedule by name":                    {flag: "schedule", value: "@every 5m", want: "@every 5m"},
	} {
		w, there := watchtower.ByFlag(test.flag)
		got, err := w.Read(test.value)
		wrong := ""
		if err != nil {
			wrong = err.Error()
		}
		if !there || got != test.want || wrong != test.wrong {
			t.Errorf("%s: got %q, %q, want %q, %q", name, got, wrong, test.want, test.wrong)
		}
	}
}
