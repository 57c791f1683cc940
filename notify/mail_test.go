package notify_test

import (
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/refit-dev/refit/notify"
)

// mailbox is the backend of a real mail server.
type mailbox struct {
	mu    sync.Mutex
	mails []delivered
	// refuse is the recipient that nobody knows.
	refuse string
	secure bool // whether a password is wanted, and TLS before it
}

type delivered struct {
	from, to, text string
	secure         bool
	user           string
}

type session struct {
	box  *mailbox
	conn *smtp.Conn
	now  delivered
}

func (b *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{box: b, conn: c}, nil
}

func (s *session) Reset()        { s.now = delivered{user: s.now.user} }
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if _, secure := s.conn.TLSConnectionState(); !secure {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "refit" || password != "pass word/1" {
			return smtp.ErrAuthFailed
		}
		s.now.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.box.secure && s.now.user == "" {
		return smtp.ErrAuthRequired
	}
	s.now.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == s.box.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here: " + to}
	}
	s.now.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, s.now.secure = s.conn.TLSConnectionState()
	s.now.text = string(text)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.now)
	return nil
}

// serveMail runs a mail server on loopback, and returns its port.
func serveMail(t *testing.T, box *mailbox, secure *tls.Config, implicit bool) (port string) {
	t.Helper()
	server := smtp.NewServer(box)
	server.Domain, server.TLSConfig, server.MaxLineLength = "localhost", secure, 998
	server.ErrorLog = discard{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	if implicit {
		listener = tls.NewListener(listener, secure)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return port
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

// parts takes a mail apart as a reader does: subject, sender, plain text, HTML.
func parts(t *testing.T, text string) (subject, from, plain, html string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	must(t, err)
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	must(t, err)
	_, err = m.Header.Date()
	must(t, err)
	kind, settings, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	must(t, err)
	if kind == "text/plain" {
		body, err := io.ReadAll(m.Body)
		must(t, err)
		return subject, m.Header.Get("From"), string(body), ""
	}
	same(t, "content type", "multipart/alternative", kind)
	reader := multipart.NewReader(m.Body, settings["boundary"])
	bodies := map[string]string{}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		body, err := io.ReadAll(part)
		must(t, err)
		bodies[part.Header.Get("Content-Type")] = string(body)
	}
	same(t, "parts", 2, len(bodies))
	return subject, m.Header.Get("From"), bodies[`text/plain; charset="UTF-8"`], bodies[`text/html; charset="UTF-8"`]
}

// mailServers are the mail servers of the test: with STARTTLS, with TLS from the
// start, and without either.
func mailServers(t *testing.T, w *world) (secure, open, closed *mailbox, ports map[string]string) {
	t.Helper()
	cert, err := w.certificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{*cert}}
	secure, open, closed = &mailbox{secure: true}, &mailbox{refuse: "nobody@example.org"}, &mailbox{}
	return secure, open, closed, map[string]string{
		"starttls": serveMail(t, secure, config, false), "plain": serveMail(t, open, nil, false), "implicit": serveMail(t, closed, config, true),
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secure, open, implicit, ports := mailServers(t, w)
	to := "/?from=refit@example.org&to=ops@example.org"
	account := "refit:pass%20word%2F1@localhost:" + ports["starttls"]
	wrong := "refit:wrong-password@localhost:" + ports["starttls"]
	big := message()
	big.Plain, big.HTML = strings.Repeat("word ", 3000), "<table>"+strings.Repeat("<tr><td>→</td></tr>", 1000)+"</table>"
	tests := map[string]struct {
		url     string
		message notify.Message
		fault   string
	}{
		"STARTTLS and a password":               {url: "smtp://" + account + to},
		"STARTTLS insisted on":                  {url: "smtp://" + account + to + "&encryption=ExplicitTLS&fromname=H%C3%B6st"},
		"a wrong password":                      {url: "smtp://" + wrong + to, fault: "smtp: SMTP 535: 5.7.8 Authentication failed"},
		"no password":                           {url: "smtp://localhost:" + ports["starttls"] + to, fault: "smtp: SMTP 502: 5.7.0 Please authenticate first"},
		"a certificate for another name":        {url: "smtp://127.0.0.1:" + ports["starttls"] + to, fault: "smtp: TLS: certificate is for another name"},
		"TLS from the start":                    {url: "smtp://localhost:" + ports["implicit"] + to + "&encryption=ImplicitTLS"},
		"TLS where there is none":               {url: "smtp://localhost:" + ports["plain"] + to + "&encryption=ImplicitTLS", fault: "smtp: TLS: the server does not speak it on this port"},
		"no TLS, several recipients":            {url: "smtp://127.0.0.1:" + ports["plain"] + to + ",dev%2Bx@example.org"},
		"no TLS, plain text alone":              {url: "smtp://127.0.0.1:" + ports["plain"] + to + "&usehtml=no"},
		"no TLS, long lines":                    {url: "smtp://127.0.0.1:" + ports["plain"] + to, message: big},
		"STARTTLS insisted on, and not offered": {url: "smtp://127.0.0.1:" + ports["plain"] + to + "&encryption=ExplicitTLS", fault: "smtp: the server does not offer STARTTLS, and encryption=ExplicitTLS insists on it"},
		"a recipient whom nobody knows":         {url: "smtp://127.0.0.1:" + ports["plain"] + "/?from=refit@example.org&to=nobody@example.org", fault: "smtp: SMTP 550: 5.1.1 no such user here: [hidden]"},
		"a host that is not there":              {url: "smtp://mail.invalid/?from=refit@example.org&to=ops@example.org", fault: "smtp: no such host"},
	}
	var jobs []job
	for name, tt := range tests {
		if tt.message.Text == "" {
			tt.message = message()
		}
		jobs = append(jobs, job{Name: name, URL: tt.url, Message: tt.message})
	}
	outcomes := w.send(t, jobs)
	for name, tt := range tests {
		same(t, name, tt.fault, outcomes[name].Error)
	}
	checkMails(t, secure, open, implicit)
}

// checkMails looks at what has arrived.
func checkMails(t *testing.T, secure, open, implicit *mailbox) {
	t.Helper()
	same(t, "mails with STARTTLS", 2, len(secure.mails))
	same(t, "mails with TLS from the start", 1, len(implicit.mails))
	for _, m := range append(secure.mails, implicit.mails...) {
		if !m.secure {
			t.Error("a mail came in the clear")
		}
		subject, from, plain, html := parts(t, m.text)
		same(t, "subject", message().Title, subject)
		same(t, "plain part", message().Plain, strings.TrimRight(strings.ReplaceAll(plain, "\r\n", "\n"), "\n")+"\n")
		same(t, "HTML part", "<p>web 1.4.2 &#8594; 1.4.3</p>", strings.TrimSpace(html))
		if from != "Refit <refit@example.org>" && from != "=?utf-8?q?H=C3=B6st?= <refit@example.org>" {
			t.Errorf("the mail is from %q", from)
		}
	}
	var to []string
	for _, m := range open.mails {
		_, _, plain, html := parts(t, m.text)
		if strings.Contains(plain, "word") {
			same(t, "words", 3000, strings.Count(plain, "word "))
			same(t, "rows", 1000, strings.Count(html, "<tr>"))
			continue
		}
		if html == "" {
			same(t, "plain text alone", message().Plain, strings.ReplaceAll(plain, "\r\n", "\n"))
		}
		to = append(to, m.to)
	}
	seen := map[string]int{}
	for _, address := range to {
		seen[address]++
	}
	same(t, "mails by recipient", map[string]int{"ops@example.org": 2, "dev+x@example.org": 1}, seen)
}
