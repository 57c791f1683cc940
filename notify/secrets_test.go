package notify_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containrrr/shoutrrr/pkg/router"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
	"github.com/refit-dev/refit/notify/notifytest"
)

// sayAll prints everything that a channel makes the package say.
func (j job) sayAll(t *testing.T) {
	for _, text := range []string{j.URL, "ops=" + j.URL, j.URL + "%zz", "ops=x" + j.URL, strings.Replace(j.URL, "://", ":/", 1), "ops=" + strings.Replace(j.URL, "/", "", 1)} {
		_, err := notify.ParseChannel(text)
		fmt.Println("parsing says", err)
	}
	c := notify.Channel{Name: "ops", URL: j.URL}
	fmt.Println("warnings say", notify.Warnings([]notify.Channel{c}))
	var box notifytest.Outbox
	p := notify.Postman{
		Channels: []notify.Channel{c, {Name: "dev", URL: "generic://nowhere"}}, Outbox: &box, GiveUp: time.Nanosecond,
		Words:  func(notify.Channel, []core.Notice) (notify.Message, error) { return j.Message, nil },
		Sender: notify.NewSender,
		Log:    slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	letter := core.Letter{Channel: "ops", Posted: time.Now(), Notices: []core.Notice{{Kind: core.NoticeUpdated}}}
	if err := box.Post(t.Context(), core.Posting{Letters: []core.Letter{letter}}); err != nil {
		t.Fatal(err)
	}
	fmt.Println("flushing says", p.Flush(t.Context()))
	fmt.Println("trying says", p.Try(t.Context(), c, j.Message))
	letters, err := box.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := json.Marshal(letters)
	told, err := box.Told(t.Context())
	fmt.Println("the outbox has", string(kept), told, err)
}

// marked are URLs of every service with a marker in every part, in the form that
// the service wants of that part. Every marker has "mark" in it.
func marked(mailPort string) map[string][]string {
	const uuid = "11111111-4444-4444-8888-aaaamark0001" // made of hexadecimal digits below
	hexed := strings.NewReplacer("mark", "beef").Replace(uuid)
	return map[string][]string{
		"smtp":       {"smtp://usermark:pass%2Fmark%20word@localhost:" + mailPort + "/pathmark?from=frommark@example.org&to=tomark@example.org&fromname=namemark&subject=submark&clienthost=hostmark#fragmark"},
		"slack":      {"slack://hook:TMARK0001-BMARK0001-markmarkmarkmarkmarkmark@webhook?botname=botmark&icon=iconmark", "slack://xoxb:MARK00000001-MARK00000002-markmarkmarkmarkmarkmark@CMARKCHANNEL?thread_ts=mark1", "slack://botmark@TMARK0001/BMARK0001/markmarkmarkmarkmarkmark"},
		"telegram":   {"telegram://123456:tokenmark_-123456@telegram?chats=chatmark,@roommark"},
		"discord":    {"discord://tokenmark_-123@idmark123?username=usermark&avatar=https://avatarmark.test/x"},
		"generic":    {"generic+https://usermark:passmark@hostmark.test/pathmark/two%20mark?@X-Keymark=valmark&querymark=qvalmark#fragmark", "generic://hostmark.test:444/pathmark?@Authorization=Bearer+tokmark&$extramark=extravalmark&template=json"},
		"gotify":     {"gotify://hostmark.test/pathmark/Atokenmark.-_01?priority=1", "gotify://hostmark.test/tokenmark"},
		"ntfy":       {"ntfy://usermark:passmark@hostmark.test/topicmark?click=https://clickmark.test&tags=tagmark&email=emailmark@example.org", "ntfy://:tk_mark@hostmark.test/topicmark"},
		"teams":      {"teams://" + hexed + "@" + hexed + "/MARKmarkMARKmarkMARKmarkMARKmark/" + hexed + "?host=hostmark.webhook.office.com"},
		"ifttt":      {"ifttt://keymark/?events=eventmark&value1=valmark"},
		"logger":     {"logger://hostmark/pathmark?querymark=valmark"},
		"bark":       {"bark://:keymark@hostmark.test/pathmark?icon=iconmark&group=groupmark"},
		"googlechat": {"googlechat://hostmark.test/v1/spaces/spacemark/messages?key=keymark&token=tokenmark"},
		"hangouts":   {"hangouts://hostmark.test/v1/spaces/spacemark/messages?key=keymark&token=tokenmark"},
		"join":       {"join://usermark:keymark@join/?devices=devmark,twomark&icon=iconmark"},
		"matrix":     {"matrix://usermark:passmark@hostmark.test/?rooms=!roommark,aliasmark", "matrix://:tokenmark@hostmark.test/"},
		"mattermost": {"mattermost://usermark@hostmark.test/tokenmark/channelmark?icon=iconmark"},
		"opsgenie":   {"opsgenie://hostmark.test/keymark?alias=aliasmark&tags=tagmark&details=keymark:valmark", "opsgenie://hostmark.test"},
		"pushbullet": {"pushbullet://tokenmarktokenmarktokenmarktokenma/devicemark#channelmark"},
		"pushover":   {"pushover://shoutrrr:tokenmark@usermark/?devices=devmark"},
		"rocketchat": {"rocketchat://usermark@hostmark.test/tokenmark/twomark/channelmark"},
		"zulip":      {"zulip://botmark%40example.org:keymark@hostmark.test/?stream=streammark&topic=topicmark"},
	}
}

// gossip answers like a server that repeats all that it was told.
type gossip struct{ status int }

func (g gossip) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	user, password, _ := r.BasicAuth()
	all := fmt.Sprintf("%s %s %s:%s %v %s", r.Host, r.URL, user, password, r.Header, body)
	w.WriteHeader(g.status)
	if g.status == http.StatusBadGateway {
		_, _ = io.WriteString(w, all[:min(len(all), 190)])
		return
	}
	text, _ := json.Marshal(map[string]any{"ok": g.status == http.StatusOK, "code": g.status, "description": all, "error": all, "message": all, "flows": []any{map[string]any{"type": "m.login.password"}}, "access_token": "x"})
	_, _ = w.Write(text)
}

// gossipMail is a mail server that refuses, and repeats what it was told.
func gossipMail(t *testing.T) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { repeat(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

func repeat(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "220 hello\r\n")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "EHLO"):
			_, _ = io.WriteString(conn, "250-hello\r\n250 AUTH PLAIN\r\n")
		case strings.HasPrefix(line, "AUTH"):
			plain, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(line, "AUTH PLAIN "))
			_, _ = fmt.Fprintf(conn, "535 no: %s or %s\r\n", line, strings.ReplaceAll(string(plain), "\x00", " "))
			return
		default:
			_, _ = fmt.Fprintf(conn, "550 no: %s\r\n", line)
		}
	}
}

// TestNoPartOfAURLIsEverShown sends through every service that shoutrrr knows, with
// URLs that are full of markers, to servers that fail, succeed, repeat all they
// hear or are not there, and looks for the markers in everything that is said.
func TestNoPartOfAURLIsEverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	urls := marked(gossipMail(t))
	known := (&router.ServiceRouter{}).ListServices()
	slices.Sort(known)
	var have []string
	for scheme := range urls {
		have = append(have, scheme)
	}
	slices.Sort(have)
	same(t, "the services that shoutrrr knows", known, have)
	for name, handler := range map[string]http.Handler{
		"a server that fails": gossip{http.StatusInternalServerError}, "one that refuses": gossip{http.StatusBadRequest},
		"one that repeats it all": gossip{http.StatusBadGateway}, "one that succeeds": gossip{http.StatusOK},
		"one that wants no content": gossip{http.StatusNoContent}, "one that redirects": gossip{http.StatusFound}, "none": nil,
	} {
		w.everywhere(handler)
		var jobs []job
		for scheme, all := range urls {
			for i, u := range all {
				jobs = append(jobs, job{Name: fmt.Sprintf("%s %d", scheme, i), URL: u, Message: message(), All: handler == nil || handler == gossip{http.StatusBadGateway} || handler == gossip{http.StatusOK}})
			}
		}
		w.send(t, jobs)
		for line := range strings.Lines(w.output) {
			if shown(line) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// shown looks for a marker in a line, in any of the forms it may have.
func shown(line string) bool {
	lower := strings.ToLower(line)
	plain, err := url.QueryUnescape(line)
	if strings.Contains(lower, "mark") || strings.Contains(lower, "beef") || err == nil && strings.Contains(strings.ToLower(plain), "mark") {
		return true
	}
	for _, word := range strings.FieldsFunc(line, func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-", r)
	}) {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
			if text, err := encoding.DecodeString(word); err == nil && strings.Contains(strings.ToLower(string(text)), "mark") {
				return true
			}
		}
	}
	return false
}
