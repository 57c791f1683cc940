package http

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/refit-dev/refit/hooks"
)

const (
	maxAnswer = 64 << 10         // bytes that are read
	heartbeat = 10 * time.Second // between two signs of life
	firstWait = 250 * time.Millisecond
	mostWait  = 2 * time.Second // between two tries
)

// message is what is sent. Fields may be added; none changes its meaning.
type message struct {
	Version   int       `json:"version"` // 1
	Attempt   string    `json:"attempt"`
	Stage     string    `json:"stage"`
	Container container `json:"container"`
	From      image     `json:"from"`
	To        image     `json:"to"`
	Outcome   *outcome  `json:"outcome,omitempty"` // in the ends
}

type container struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type image struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest,omitempty"`
	ID        string `json:"id"`
}

type outcome struct {
	Result string `json:"result"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// body is the message of a stage. Labels and settings are not in it: they are the
// container's own business.
func body(u *hooks.Update, stage string) ([]byte, error) {
	m := message{
		Version: 1, Attempt: u.Attempt, Stage: stage,
		Container: container{u.Container.ID, u.Container.Name},
		From:      image{u.From.Reference, u.From.Digest, u.From.ID},
		To:        image{u.To.Reference, u.To.Digest, u.To.ID},
	}
	if o := u.Outcome; stage == finished || stage == onRollback {
		m.Outcome = &outcome{string(o.Result), o.Code, o.Reason}
	}
	return json.Marshal(m)
}

// sign returns the value of the signature's header. The time is signed, too, so
// that a message that was overheard cannot be sent again later.
func sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// call sends the message of a stage within the target's time, again and again while
// again says so of the answer's status, and returns the last answer.
func (t target) call(ctx context.Context, u *hooks.Update, stage string, again func(status int) bool) (answer, error) {
	content, err := body(u, stage)
	if err != nil {
		return answer{}, fmt.Errorf("write the message for %s: %w", t.name, err)
	}
	defer speak(u, t.name)()
	within, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	a, err := t.repeat(within, content, u.Attempt+"-"+stage, again)
	switch {
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("call %s: %w", t.name, ctx.Err())
	case err != nil:
		return answer{}, fmt.Errorf("call %s: %s", t.name, explain(err))
	}
	u.Log().Info("called a URL", slog.String("name", t.name), slog.Int("status", a.status))
	return a, nil
}

// repeat tries until again has had enough, or ctx. What the last whole try has
// brought says more than that the time was over.
func (t target) repeat(ctx context.Context, content []byte, key string, again func(status int) bool) (answer, error) {
	client := t.client()
	defer client.CloseIdleConnections()
	last, fault := t.try(ctx, client, content, key)
	for wait := firstWait; again(last.status); wait = min(2*wait, mostWait) {
		select {
		case <-ctx.Done():
			return last, fault
		case <-time.After(wait):
		}
		a, err := t.try(ctx, client, content, key)
		if err != nil && ctx.Err() != nil {
			return last, fault
		}
		last, fault = a, err
	}
	return last, fault
}

// try sends the message once.
func (t target) try(ctx context.Context, client *http.Client, content []byte, key string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url.String(), bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "refit")
	request.Header.Set("Idempotency-Key", key)
	request.Header.Set("X-Refit-Timestamp", timestamp)
	if t.secret != "" {
		request.Header.Set("X-Refit-Signature-256", sign(t.secret, timestamp, content))
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	// One byte more tells an answer that was too long.
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return t.understand(response, said), nil
}

// client is one that goes nowhere else: a redirect would take the signature to
// where the operator has not sent it.
func (t target) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: t.roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// speak shows that the hook lives while it waits for an answer, until it is told to stop.
func speak(u *hooks.Update, name string) (stop func()) {
	over := make(chan struct{})
	var speaker sync.WaitGroup
	begun := time.Now()
	speaker.Go(func() {
		beat := time.NewTicker(heartbeat)
		defer beat.Stop()
		for {
			u.Progress(fmt.Sprintf("waiting for %s, for %s", name, time.Since(begun).Round(time.Second)), 0, 0)
			select {
			case <-beat.C:
			case <-over:
				return
			}
		}
	})
	return func() {
		close(over)
		speaker.Wait()
	}
}
