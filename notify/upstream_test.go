package notify_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// answer is what a server of the test says.
type answer struct {
	header http.Header
	status int // 0 hangs up
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// writeTo writes it as HTTP has it, and the connection is over.
func (a *answer) writeTo(w io.Writer) {
	a.header.Set("Content-Length", strconv.Itoa(a.body.Len()))
	a.header.Set("Connection", "close")
	_, _ = fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	_ = a.header.Write(w)
	_, _ = fmt.Fprintf(w, "\r\n%s", a.body.String())
}

// received is what came in, for the test to look at.
type received struct {
	path, token, query string
	fields             map[string]any
	raw                string
	header             http.Header
}

// upstream answers as a service does, as far as we know its manual.
type upstream struct {
	check func(received) (status int, answer string)
	got   []received
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	in := received{path: r.URL.Path, query: r.URL.RawQuery, raw: string(body), header: r.Header}
	_ = json.Unmarshal(body, &in.fields)
	in.token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.URL.Query().Has("token") {
		in.token = r.URL.Query().Get("token")
	}
	if user, password, ok := r.BasicAuth(); ok {
		in.token = user + ":" + password
	}
	status, text := http.StatusMethodNotAllowed, "this is for POST"
	if r.Method == http.MethodPost {
		status, text = u.check(in)
	}
	if status == 0 {
		return
	}
	if status == http.StatusTooManyRequests && !strings.Contains(text, "retry_after") {
		w.Header().Set("Retry-After", "90")
	}
	if status == http.StatusFound {
		w.Header().Set("Location", "/login")
	}
	u.got = append(u.got, in)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (r received) isJSON() bool {
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/json") && r.fields != nil
}

func (r received) text(key string) string {
	text, _ := r.fields[key].(string)
	return text
}

// special answers for tokens that stand for a situation.
func special(token string) (status int, text string, ok bool) {
	switch {
	case strings.Contains(token, "DROPPED"):
		return 0, "", true
	case strings.Contains(token, "THROTTLE"):
		return http.StatusTooManyRequests, "slow down", true
	case strings.Contains(token, "BROKEN"):
		return http.StatusInternalServerError, "<html>" + token + "</html>", true
	case strings.Contains(token, "MOVED"):
		return http.StatusFound, "", true
	}
	return 0, "", false
}

const (
	slackToken   = "T0123ABCD-B0123ABCD-abcdefghijklmnopqrstuvwx"
	discordToken = "discord-token_0123456789"
	chatToken    = "123456:telegram-token_0123"
	gotifyToken  = "Agotify.tok_012"
	ntfyTopic    = "refit-topic"
)

// slackHook is https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
func slackHook(in received) (int, string) {
	if status, text, ok := special(in.path); ok {
		return status, text
	}
	attachments, _ := in.fields["attachments"].([]any)
	switch {
	case in.path != "/services/"+strings.ReplaceAll(slackToken, "-", "/"):
		return http.StatusForbidden, "invalid_token"
	case !in.isJSON():
		return http.StatusBadRequest, "invalid_payload"
	case in.text("text") == "" && len(attachments) == 0:
		return http.StatusBadRequest, "no_text"
	case len(attachments) > 100:
		return http.StatusBadRequest, "too_many_attachments"
	case strings.Contains(in.raw, "<!") || strings.Contains(in.raw, `\u003c!`):
		return http.StatusBadRequest, "a message woke everybody"
	}
	return http.StatusOK, "ok"
}

// slackAPI is https://docs.slack.dev/reference/methods/chat.postMessage.
func slackAPI(in received) (int, string) {
	attachments, _ := in.fields["attachments"].([]any)
	switch {
	case in.path != "/api/chat.postMessage":
		return http.StatusNotFound, ""
	case in.token != "xoxb-123456789012-123456789012-abcdefghijklmnopqrstuvwx":
		return http.StatusOK, `{"ok":false,"error":"invalid_auth"}`
	case !in.isJSON() || in.text("channel") != "C0123456789":
		return http.StatusOK, `{"ok":false,"error":"channel_not_found"}`
	case in.text("text") == "" && len(attachments) == 0:
		return http.StatusOK, `{"ok":false,"error":"no_text"}`
	}
	return http.StatusOK, `{"ok":true,"channel":"C0123456789","ts":"1503435956.000247","message":{}}`
}

// discordHook is https://discord.com/developers/docs/resources/webhook#execute-webhook.
func discordHook(in received) (int, string) {
	if strings.Contains(in.path, "THROTTLE") {
		return http.StatusTooManyRequests, `{"message":"You are being rate limited.","retry_after":64.57,"global":false}`
	}
	if status, text, ok := special(in.path); ok {
		return status, text
	}
	embeds, _ := in.fields["embeds"].([]any)
	total, wrong := 0, ""
	for _, e := range embeds {
		embed, _ := e.(map[string]any)
		title, _ := embed["title"].(string)
		description, _ := embed["description"].(string)
		total += utf8.RuneCountInString(title + description)
		if utf8.RuneCountInString(title) > 256 || utf8.RuneCountInString(description) > 4096 {
			wrong = "Must be 4096 or fewer in length."
		}
	}
	switch {
	case in.path != "/api/webhooks/112233/"+discordToken:
		return http.StatusUnauthorized, `{"message":"Invalid Webhook Token","code":50027}`
	case !in.isJSON() || len(embeds) == 0:
		return http.StatusBadRequest, `{"message":"Cannot send an empty message","code":50006}`
	case len(embeds) > 10 || total > 6000 || wrong != "":
		return http.StatusBadRequest, `{"message":"Invalid Form Body","code":50035}`
	}
	return http.StatusNoContent, ""
}

var telegramTags = regexp.MustCompile(`</?(b|i|u|s|a|code|pre)>`)

// telegramBot is https://core.telegram.org/bots/api#sendmessage.
func telegramBot(in received) (int, string) {
	refuse := func(status int, text, more string) (int, string) {
		return status, fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q%s}`, status, text, more)
	}
	if strings.Contains(in.path, "THROTTLE") {
		return refuse(http.StatusTooManyRequests, "Too Many Requests: retry after 31", `,"parameters":{"retry_after":31}`)
	}
	if status, text, ok := special(in.path); ok {
		return status, text
	}
	text := in.text("text")
	bare := text
	if in.text("parse_mode") == "HTML" {
		bare = telegramTags.ReplaceAllString(text, "")
	}
	switch {
	case in.path != "/bot"+chatToken+"/sendMessage":
		return refuse(http.StatusUnauthorized, "Unauthorized", "")
	case !in.isJSON() || text == "":
		return refuse(http.StatusBadRequest, "Bad Request: message text is empty", "")
	case in.text("chat_id") != "-1001" && in.text("chat_id") != "@ops":
		return refuse(http.StatusBadRequest, "Bad Request: chat not found", "")
	case utf8.RuneCountInString(html.UnescapeString(bare)) > 4096:
		return refuse(http.StatusBadRequest, "Bad Request: message is too long", "")
	case in.text("parse_mode") == "HTML" && strings.ContainsAny(bare, "<>"):
		return refuse(http.StatusBadRequest, "Bad Request: can't parse entities", "")
	}
	return http.StatusOK, `{"ok":true,"result":{"message_id":7,"chat":{"id":-1001},"text":"x"}}`
}

// gotifyServer is https://gotify.net/api-docs#/message/createMessage.
func gotifyServer(in received) (int, string) {
	if status, text, ok := special(in.token); ok {
		return status, text
	}
	switch {
	case in.path != "/message":
		return http.StatusNotFound, `{"error":"Not Found","errorCode":404,"errorDescription":"page not found"}`
	case in.token != gotifyToken:
		return http.StatusUnauthorized, `{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid access token or user credentials to access this api"}`
	case !in.isJSON() || in.text("message") == "":
		return http.StatusBadRequest, `{"error":"Bad Request","errorCode":400,"errorDescription":"Field 'message' is required"}`
	}
	answer, _ := json.Marshal(map[string]any{"id": 25, "appid": 5, "message": in.text("message"), "title": in.text("title"), "date": "2026-05-03T04:00:00Z"})
	return http.StatusOK, string(answer)
}

// ntfyServer is https://docs.ntfy.sh/publish.
func ntfyServer(in received) (int, string) {
	if status, text, ok := special(in.path); ok {
		return status, text
	}
	priorities := []string{"", "min", "low", "default", "high", "max", "urgent", "1", "2", "3", "4", "5"}
	users := []string{"", "refit:ntfy-password", ":tk_0123456789"}
	switch {
	case in.path != "/"+ntfyTopic:
		return http.StatusNotFound, `{"code":40401,"http":404,"error":"page not found"}`
	case !slices.Contains(users, in.token):
		return http.StatusUnauthorized, `{"code":40101,"http":401,"error":"unauthorized","link":"https://ntfy.sh/docs/publish/#authentication"}`
	case !slices.Contains(priorities, strings.ToLower(in.header.Get("Priority"))):
		return http.StatusBadRequest, `{"code":40007,"http":400,"error":"invalid request: priority invalid"}`
	case in.header.Get("Filename") != "" || len(in.raw) > 4096 || !utf8.ValidString(in.raw):
		return http.StatusBadRequest, `{"code":40014,"http":400,"error":"invalid request: attachments not allowed"}`
	}
	return http.StatusOK, `{"id":"sPs71M8A2T","time":1643935928,"expires":1643936928,"event":"message","topic":"` + ntfyTopic + `","message":"x"}`
}

// webhook is somebody's own server, which wants our JSON.
func webhook(in received) (int, string) {
	if status, text, ok := special(in.path); ok {
		return status, text
	}
	switch {
	case in.path != "/hooks/refit" || in.header.Get("X-Secret") != "webhook-secret":
		return http.StatusForbidden, "who are you?"
	case !in.isJSON():
		return http.StatusUnsupportedMediaType, "JSON, please"
	}
	return http.StatusAccepted, ""
}
