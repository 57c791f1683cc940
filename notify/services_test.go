package notify_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/notify"
)

var longText = strings.Repeat("web 1.4.2 → 1.4.3 & <nothing> else\n", 400)

func message() notify.Message {
	return notify.Message{
		Title: "host: 2 updated → done", Text: "web 1.4.2 → 1.4.3\ndb <!everyone> & @channel",
		Plain: "web 1.4.2 → 1.4.3\n", HTML: "<p>web 1.4.2 → 1.4.3</p>", JSON: []byte(`{"version":1,"notices":[{"container":"web → x"}]}`),
	}
}

func long() notify.Message {
	m := message()
	m.Title, m.Text = strings.Repeat("long title ", 50), longText
	return m
}

// delivery is one message to one URL, and what is to come of it.
type delivery struct {
	url     string
	message notify.Message
	fault   string // "" means delivered
	after   time.Duration
	refused bool
}

func deliveries() map[string]delivery {
	hook := strings.ReplaceAll(slackToken, "ABCD-abc", "ABCD-abc")
	generic := "generic+https://hooks.test/hooks/refit?@X-Secret=webhook-secret"
	return map[string]delivery{
		"slack, a webhook":                  {url: "slack://hook:" + hook + "@webhook"},
		"slack, a long message":             {url: "slack://hook:" + hook + "@webhook", message: long()},
		"slack, the webhook is gone":        {url: "slack://hook:T0123ABCD-B0123ABCD-zzzzzzzzzzzzzzzzzzzzzzzz@webhook", fault: "slack: HTTP 403 Forbidden: invalid_token"},
		"slack, too many":                   {url: "slack://hook:THROTTLE0-B0123ABCD-abcdefghijklmnopqrstuvwx@webhook", fault: "slack: HTTP 429 Too Many Requests: slow down", after: 90 * time.Second},
		"slack, a bot":                      {url: "slack://xoxb:123456789012-123456789012-abcdefghijklmnopqrstuvwx@C0123456789"},
		"slack, a bot of another channel":   {url: "slack://xoxb:123456789012-123456789012-abcdefghijklmnopqrstuvwx@C9999999999", fault: "slack: failed to send slack notification: api response: channel_not_found"},
		"discord":                           {url: "discord://" + discordToken + "@112233"},
		"discord, a long message":           {url: "discord://" + discordToken + "@112233?splitlines=yes", message: long()},
		"discord, a wrong token":            {url: "discord://wrong-token@112233", fault: "discord: HTTP 401 Unauthorized: Invalid Webhook Token"},
		"discord, too many":                 {url: "discord://THROTTLE-token@112233", fault: "discord: HTTP 429 Too Many Requests: You are being rate limited.", after: 64570 * time.Millisecond},
		"discord, a server's mistake":       {url: "discord://BROKEN-token@112233", fault: "discord: HTTP 500 Internal Server Error"},
		"telegram, two chats":               {url: "telegram://" + chatToken + "@telegram?chats=-1001,@ops"},
		"telegram, a long message":          {url: "telegram://" + chatToken + "@telegram?chats=@ops", message: long()},
		"telegram, another chat":            {url: "telegram://" + chatToken + "@telegram?chats=@dev", fault: "telegram: HTTP 400 Bad Request: Bad Request: chat not found", refused: true},
		"telegram, too many":                {url: "telegram://1:THROTTLE-token@telegram?chats=@ops", fault: "telegram: HTTP 429 Too Many Requests: Too Many Requests: retry after 31", after: 31 * time.Second},
		"telegram, the network fails":       {url: "telegram://1:DROPPED-token@telegram?chats=@ops", fault: "telegram: connection closed without an answer"},
		"telegram, a gateway's error":       {url: "telegram://1:BROKEN-token@telegram?chats=@ops", fault: "telegram: HTTP 500 Internal Server Error"},
		"generic":                           {url: generic},
		"generic, a template of shoutrrr's": {url: "generic://hooks.test/hooks/refit?@X-Secret=webhook-secret&template=json"},
		"generic, with a query of its own":  {url: generic + "&sig=abc%2Bd%3D&v=1"},
		"generic, a wrong secret":           {url: "generic+https://hooks.test/hooks/refit?@X-Secret=other-secret", fault: "generic: HTTP 403 Forbidden: who are you?"},
		"generic, a page to log in":         {url: "generic+https://hooks.test/MOVED", fault: "generic: HTTP 302 Found: the server wants another address"},
		"generic, an unknown authority":     {url: "generic+https://untrusted.test/hooks/refit", fault: "generic: TLS: certificate signed by an unknown authority"},
		"generic, an expired certificate":   {url: "generic+https://expired.test/hooks/refit", fault: "generic: TLS: certificate has expired or is not yet valid"},
		"gotify":                            {url: "gotify://gotify.test/" + gotifyToken},
		"gotify, a long message":            {url: "gotify://gotify.test/" + gotifyToken, message: long()},
		"gotify, a wrong token":             {url: "gotify://gotify.test/Awrong.token012", fault: "gotify: HTTP 401 Unauthorized: you need to provide a valid access token or user credentials to access this api"},
		"gotify, an unknown authority":      {url: "gotify://untrusted.test/" + gotifyToken, fault: "gotify: TLS: certificate signed by an unknown authority"},
		"ntfy":                              {url: "ntfy://ntfy.sh/" + ntfyTopic},
		"ntfy, with a password":             {url: "ntfy://refit:ntfy-password@ntfy.sh/" + ntfyTopic + "?priority=high&tags=ship,refit"},
		"ntfy, with a token":                {url: "ntfy://:tk_0123456789@ntfy.sh/" + ntfyTopic},
		"ntfy, a long message":              {url: "ntfy://ntfy.sh/" + ntfyTopic, message: long()},
		"ntfy, a wrong password":            {url: "ntfy://refit:wrong-password@ntfy.sh/" + ntfyTopic, fault: "ntfy: HTTP 401 Unauthorized: unauthorized"},
		"a URL that shoutrrr cannot read":   {url: "slack://hook:nonsense@webhook", fault: "slack: invalid slack token format"},
		"a URL at which shoutrrr panics":    {url: "opsgenie://api.opsgenie.com", fault: "opsgenie: shoutrrr has a defect with this URL: runtime error: slice bounds out of range [hidden]"},
		"a service that delivers to nobody": {url: "logger://", fault: "logger: It writes to shoutrrr's own log, which Refit throws away. What happens is in Refit's log anyway."},
		"a host that is not there":          {url: "ntfy://missing.test/" + ntfyTopic, fault: "ntfy: Bad Gateway"},
	}
}

// TestServicesOverTLS sends to the real hosts' names, and a proxy ends the
// connections at servers that check what the real ones would.
func TestServicesOverTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	servers := map[string]*upstream{}
	for host, check := range map[string]func(received) (int, string){
		"hooks.slack.com": slackHook, "slack.com": slackAPI, "discord.com": discordHook, "api.telegram.org": telegramBot,
		"hooks.test": webhook, "untrusted.test": webhook, "expired.test": webhook, "gotify.test": gotifyServer, "ntfy.sh": ntfyServer,
	} {
		servers[host] = &upstream{check: check}
		w.hosts[host] = servers[host]
	}
	var jobs []job
	for name, d := range deliveries() {
		if d.message.Text == "" {
			d.message = message()
		}
		jobs = append(jobs, job{Name: name, URL: d.url, Message: d.message})
	}
	outcomes := w.send(t, jobs)
	for name, d := range deliveries() {
		same(t, name, outcome{Name: name, Error: d.fault, RetryAfter: d.after, Permanent: d.refused}, outcomes[name])
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	checkWebhooks(t, servers["hooks.test"].got)
	for _, in := range servers["ntfy.sh"].got {
		if in.header.Get("Content-Type") != "text/plain; charset=utf-8" || in.header.Get("Title") == "" {
			t.Errorf("ntfy got the header %v", in.header)
		}
	}
}

// checkWebhooks looks at what the webhooks got: our JSON as it is, or an object.
func checkWebhooks(t *testing.T, got []received) {
	t.Helper()
	queries := map[string]bool{}
	for _, in := range got {
		whole := in.raw == string(message().JSON)
		object := in.text("message") == message().Text && in.text("title") == message().Title
		if in.path == "/hooks/refit" && !whole && !object {
			t.Errorf("the webhook got %q", in.raw)
		}
		queries[in.query] = true
	}
	same(t, "queries that webhooks got", map[string]bool{"": true, "sig=abc%2Bd%3D&v=1": true}, queries)
}

// TestServicesWithoutTLS sends to servers on loopback.
func TestServicesWithoutTLS(t *testing.T) {
	t.Parallel()
	local := func(check func(received) (int, string)) string {
		server := httptest.NewServer(&upstream{check: check})
		t.Cleanup(server.Close)
		return strings.TrimPrefix(server.URL, "http://")
	}
	hooks, gotify, ntfy := local(webhook), local(gotifyServer), local(ntfyServer)
	for name, url := range map[string]string{
		"generic":                    "generic+http://" + hooks + "/hooks/refit?@X-Secret=webhook-secret",
		"generic, in the other form": "generic://" + hooks + "/hooks/refit?disabletls=yes&@X-Secret=webhook-secret",
		"gotify":                     "gotify://" + gotify + "/" + gotifyToken + "?disabletls=yes",
		"ntfy":                       "ntfy://" + ntfy + "/" + ntfyTopic + "?scheme=http",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if o := (job{URL: url, Message: message()}).do(t.Context()); o.Error != "" {
				t.Error(o.Error)
			}
		})
	}
	t.Run("generic, to a server that hangs", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		defer server.Close()
		defer close(release)
		began := time.Now()
		o := job{URL: "generic+" + server.URL + "/x", Message: message(), Timeout: 200 * time.Millisecond}.do(t.Context())
		same(t, "outcome", outcome{Error: "generic: timed out"}, o)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
