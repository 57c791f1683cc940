package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/containrrr/shoutrrr/pkg/router"
	"github.com/containrrr/shoutrrr/pkg/types"
)

// loginTimeout bounds the making of a sender that has to log in.
const loginTimeout = 20 * time.Second

// sender sends through one of shoutrrr's services.
type sender struct {
	about   service
	url     *url.URL
	plain   bool // mail without HTML
	clean   redactor
	service types.Service
}

// NewSender makes what sends to a channel. It may talk to the channel's server, for
// some seconds at most. Neither its error nor a sender's holds a part of the URL.
func NewSender(c Channel) (Sender, error) {
	s := &sender{clean: newRedactor(c.URL)}
	parsed, err := url.Parse(c.URL)
	if err != nil {
		return nil, &sendFault{text: "the URL cannot be read"}
	}
	var known bool
	if s.about, known = serviceOf(parsed.Scheme); !known {
		return nil, &sendFault{text: "the URL is of no known service"}
	}
	if s.about.scheme == "logger" {
		return nil, &sendFault{text: s.about.scheme + ": " + s.about.note}
	}
	s.url = parsed
	raw := s.tuned(c.URL)
	ctx, cancel := context.WithTimeout(context.Background(), loginTimeout)
	defer cancel()
	err = s.watched(ctx, func() (err error) {
		s.service, err = locate(raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Gotify's service has an HTTP client of its own, which knows no proxy and checks
	// no certificate once TLS is off.
	if own, ok := s.service.(interface{ GetHTTPClient() *http.Client }); ok {
		own.GetHTTPClient().Transport = theWire()
	}
	return s, nil
}

// locate makes shoutrrr's service for a URL. A panic is an error like any other.
func locate(raw string) (made types.Service, err error) {
	err = guarded(func() (err error) {
		made, err = (&router.ServiceRouter{}).Locate(raw)
		return err
	})
	return made, err
}

// guarded turns a panic into an error. What it says may hold anything.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked{text: fmt.Sprint(p)}
		}
	}()
	return do()
}

// panicked is a mistake in shoutrrr.
type panicked struct{ text string }

func (p panicked) Error() string { return "shoutrrr panicked: " + p.text }

// tuned sets in the URL what this service needs for messages like ours.
func (s *sender) tuned(raw string) string {
	tuned, query := *s.url, s.url.Query()
	switch s.about.scheme {
	case "smtp":
		// Only in the URL: set for one message it changes the body, but not the header
		// that says what the body is.
		s.plain = lowered(s.url).Get("usehtml") == "no"
		for key := range query {
			if strings.EqualFold(key, "usehtml") {
				query.Del(key)
			}
		}
		if !s.plain {
			query.Set("usehtml", "yes")
		}
		tuneSenderName(query)
	case "discord":
		for key := range query {
			if strings.EqualFold(key, "splitlines") {
				query.Del(key)
			}
		}
		query.Set("splitlines", "no")
	default:
		return raw
	}
	tuned.RawQuery = query.Encode()
	return tuned.String()
}

// Send sends one message, and comes back when ctx ends at the latest, except where
// a mail server falls silent in the middle of a mail.
func (s *sender) Send(ctx context.Context, m Message) error {
	if s.about.scheme == "smtp" {
		if err := s.knock(ctx); err != nil {
			return err
		}
	}
	return s.watched(ctx, func() error {
		text, params, err := s.shape(m)
		if err != nil {
			return err
		}
		return s.service.Send(text, &params)
	})
}

// watched does something with shoutrrr, and says what went wrong: in words of its
// own, or in what is left of shoutrrr's when all is out that the URL holds.
func (s *sender) watched(ctx context.Context, do func() error) error {
	t := theWire().begin(ctx, s.clean.parts)
	err := guarded(do)
	said := t.end()
	if err == nil && said == nil {
		return nil
	}
	f := s.fault(ctx, err, said)
	f.text = s.about.scheme + ": " + f.text
	return f
}

// shape gives a message the form that the service wants. The parameters are made
// anew for each: shoutrrr writes into them.
func (s *sender) shape(m Message) (text string, params types.Params, err error) {
	title := oneLine(m.Title)
	params = types.Params{}
	switch s.about.form {
	case mailForm:
		params.SetTitle(encodedSubject(title))
		text, err = s.mail(m)
		return text, params, err
	case jsonForm:
		params.SetTitle(title)
		if len(m.JSON) > 0 && !templated(s.url) {
			return string(m.JSON), params, nil
		}
		return m.Text, params, nil
	}
	text = m.Text
	if s.about.untitled || text == "" {
		text = strings.TrimSuffix(title+"\n"+text, "\n")
	} else {
		params.SetTitle(s.harmless(title))
	}
	text = s.harmless(text)
	if s.about.most > 0 {
		about := s.about
		about.most -= about.size(params[types.TitleKey] + "\n")
		text = about.cut(text)
	}
	return text, params, nil
}

// templated tells whether a webhook's body is made by shoutrrr. What follows
// generic+https:// is the webhook's own, and no setting.
func templated(u *url.URL) bool {
	return !strings.Contains(u.Scheme, "+") && u.Query().Get("template") != ""
}

// calls are the words with which a chat wakes everybody. What strangers write into
// labels ends up in messages, and must not.
var calls = strings.NewReplacer("@all", "@\u200ball", "@channel", "@\u200bchannel", "@everyone", "@\u200beveryone", "@here", "@\u200bhere")

var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s *sender) harmless(text string) string {
	text = calls.Replace(text)
	if s.about.escapes {
		text = markup.Replace(text)
	}
	return text
}

// oneLine makes a title that may be a header: at most 200 characters, no breaks.
func oneLine(title string) string {
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if runes := []rune(title); len(runes) > 200 {
		return string(runes[:199]) + "…"
	}
	return title
}

// fault says what went wrong, once.
func (s *sender) fault(ctx context.Context, err error, said *exchange) *sendFault {
	var p panicked
	switch {
	case errors.As(err, &p):
		return &sendFault{text: "shoutrrr has a defect with this URL: " + s.clean.clean(p.text)}
	case said != nil:
		return said.fault(s.clean)
	case ctx.Err() != nil:
		return &sendFault{text: "timed out"}
	}
	if f := mailFault(err, s.clean); f != nil {
		return f
	}
	if class := classOf(err); class != "" {
		return &sendFault{text: class}
	}
	return &sendFault{text: s.clean.clean(err.Error())}
}
