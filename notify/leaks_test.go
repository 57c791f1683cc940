package notify_test

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// rude is a TCP server that does the same with every connection.
func rude(t *testing.T, with func(conn net.Conn)) (address string) {
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
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				with(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// rudeServers are servers that hang, reset, and fail without an end, and an address
// where nobody listens.
func rudeServers(t *testing.T) map[string]string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	return map[string]string{
		"refused": listener.Addr().String(),
		"hung":    rude(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }),
		"reset": rude(t, func(conn net.Conn) {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
		}),
		"failed": rude(t, func(conn net.Conn) {
			_, err := conn.Read(make([]byte, 4096))
			if err == nil {
				_, err = io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n")
			}
			for err == nil {
				_, err = io.WriteString(conn, "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n")
			}
		}),
	}
}

// failing are 1,000 messages that fail.
func failing(t *testing.T) (jobs []job) {
	t.Helper()
	add := func(name, url string, times int, timeout time.Duration) {
		jobs = append(jobs, job{Name: name, URL: url, Message: message(), Repeat: times - 1, Timeout: timeout})
	}
	const long, short = 20 * time.Second, 10 * time.Millisecond
	for name, address := range rudeServers(t) {
		timeout, mailTimeout := long, long
		if name == "hung" {
			timeout, mailTimeout = short, short
		}
		if name == "failed" { // this server waits for the client to begin, as mail's clients do
			mailTimeout = short
		}
		add("generic "+name, "generic+http://"+address+"/x", 100, timeout)
		add("gotify "+name, "gotify://"+address+"/"+gotifyToken+"?disabletls=yes", 50, timeout)
		add("smtp "+name, "smtp://"+address+"/?from=a@example.org&to=b@example.org", 50, mailTimeout)
	}
	add("smtp, no such user", "smtp://127.0.0.1:"+gossipMail(t)+"/?from=a@example.org&to=b@example.org", 40, long)
	const uuid = "11111111-4444-4444-8888-aaaaaaaa0001"
	for _, url := range []string{
		"slack://hook:" + slackToken + "@webhook", "discord://" + discordToken + "@112233", "telegram://" + chatToken + "@telegram?chats=@ops",
		"teams://" + uuid + "@" + uuid + "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/" + uuid + "?host=h.webhook.office.com",
		"rocketchat://h.test/a/b", "mattermost://h.test/a", "zulip://bot:key@h.test/?stream=x", "join://x:key@join/?devices=a",
	} {
		add(url[:7], url, 20, long)
	}
	return jobs
}

// TestFailedSendsLeaveNothingBehind fails 1,000 times, against real servers, and
// counts the goroutines and the open files of the process that has sent.
func TestFailedSendsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.everywhere(gossip{500})
	jobs := failing(t)
	sends := 0
	for _, j := range jobs {
		sends += j.Repeat + 1
	}
	for name, o := range w.send(t, jobs) {
		if o.Error == "" {
			t.Errorf("%s did not fail", name)
		}
	}
	_, text, _ := strings.Cut(w.output, "\nleft ")
	var counts map[string]left
	must(t, json.NewDecoder(strings.NewReader(text)).Decode(&counts))
	before, after := counts["before"], counts["after"]
	t.Logf("%d failed sends: goroutines %d before and %d after, open files %d before and %d after", sends, before.Goroutines, after.Goroutines, before.Files, after.Files)
	if sends < 1000 || after.Goroutines > before.Goroutines || after.Files > before.Files+someFiles {
		t.Errorf("after %d failed sends %+v are left of %+v", sends, after, before)
	}
}
