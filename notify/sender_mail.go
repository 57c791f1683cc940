package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"mime"
	"net"
	"net/smtp"
	"net/url"
	"strconv"
	"strings"
)

// knock asks a mail server for its greeting, with a deadline, before shoutrrr goes
// there without one: a server that is down, or that takes connections and says
// nothing, would keep shoutrrr for minutes or for ever.
func (s *sender) knock(ctx context.Context) error {
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(ctx, "tcp", s.mailServer())
	if err != nil {
		return s.knocked(err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	query := lowered(s.url)
	if query.Get("encryption") == "implicittls" || s.url.Port() == "465" && (query.Get("encryption") == "" || query.Get("encryption") == "auto") {
		secured := tls.Client(conn, &tls.Config{ServerName: s.url.Hostname()})
		if err := secured.HandshakeContext(ctx); err != nil {
			return s.knockedIn(ctx, err)
		}
		conn = secured
	}
	client, err := smtp.NewClient(conn, s.url.Hostname())
	if err != nil {
		return s.knockedIn(ctx, err)
	}
	if query.Get("encryption") == "explicittls" {
		if err := client.Hello("localhost"); err != nil {
			return s.knockedIn(ctx, err)
		}
		if offered, _ := client.Extension("STARTTLS"); !offered {
			return &sendFault{text: "smtp: the server does not offer STARTTLS, and encryption=ExplicitTLS insists on it"}
		}
	}
	_ = client.Quit()
	return nil
}

func (s *sender) mailServer() string {
	port := s.url.Port()
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		port = "25" // as shoutrrr does
	}
	return net.JoinHostPort(s.url.Hostname(), port)
}

func (s *sender) knockedIn(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return s.knocked(err)
}

func (s *sender) knocked(err error) error {
	f := mailFault(err, s.clean)
	if f == nil {
		f = &sendFault{text: classOf(err)}
	}
	if f.text == "" {
		f.text = s.clean.clean(innermost(err).Error())
	}
	f.text = "smtp: " + f.text
	return f
}

// tuneSenderName makes sure that mail comes from somebody, in a form that a header
// may have.
func tuneSenderName(query url.Values) {
	name := "Refit"
	for key := range query {
		if strings.EqualFold(key, "fromname") {
			name = query.Get(key)
			query.Del(key)
		}
	}
	query.Set("fromname", encodedSubject(oneLine(name)))
}

// encodedSubject is a text as mail's headers have it.
func encodedSubject(text string) string { return mime.QEncoding.Encode("utf-8", text) }

// mail puts both forms of a mail into one text. shoutrrr gives the same text to the
// template of either part: each cuts its own out.
func (s *sender) mail(m Message) (string, error) {
	plain := m.Plain
	if plain == "" {
		plain = m.Text
	}
	plain = folded(plain, ' ')
	if s.plain {
		return plain, nil
	}
	page := m.HTML
	if page == "" {
		page = "<pre>" + markup.Replace(plain) + "</pre>"
	}
	page = folded(ascii(page), '>')
	for id, body := range map[string]string{
		"plain": fmt.Sprintf("{{slice .message 0 %d}}", len(plain)),
		"HTML":  fmt.Sprintf("{{slice .message %d}}", len(plain)),
	} {
		if err := s.service.SetTemplateString(id, body); err != nil {
			return "", err
		}
	}
	return plain + page, nil
}

// ascii writes what is beyond ASCII as HTML's references: the part goes out with no
// encoding of its own.
func ascii(page string) string {
	var b strings.Builder
	for _, r := range page {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "&#%d;", r)
	}
	return b.String()
}

// folded breaks lines that are longer than mail allows (998 bytes), after a space
// or a tag.
func folded(text string, after byte) string {
	const most = 900
	var b strings.Builder
	for line := range strings.SplitAfterSeq(text, "\n") {
		for len(line) > most {
			at := strings.LastIndexByte(line[:most], after) + 1
			if at == 0 {
				break
			}
			b.WriteString(line[:at] + "\n")
			line = line[at:]
		}
		b.WriteString(line)
	}
	return b.String()
}
