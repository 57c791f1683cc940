package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
)

// Between Refit and the engine there may be a proxy that lets only some requests
// through, or a plugin of the engine that does. This file tells their answers from the
// engine's own. It matters most of "not found": a container that the engine does not
// know is gone, one that a proxy does not want to speak of is not.

// Denied is an endpoint that does not answer.
type Denied struct {
	Endpoint
	Answer string // what came instead: "403 Forbidden"
}

// IsDenied tells whether an error is an answer that kept Refit from the engine.
func IsDenied(err error) bool {
	return answered(err, http.StatusForbidden) || errdefs.IsPermissionDenied(err)
}

// sentry makes every answer that is not the engine's an error that says so, and
// which endpoint it was about.
type sentry struct{ http.RoundTripper }

func (s sentry) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(request)
	if err != nil || response.StatusCode < http.StatusBadRequest {
		return response, err
	}
	const most = 64 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	if why := denial(response, body); why != "" {
		what, reason := endpointOf(request.Method, request.URL.Path)
		text := what + " is not allowed on the way to the engine (" + why + ")"
		if reason != "" {
			text += "; it is needed for " + reason
		}
		body, err = json.Marshal(map[string]string{"message": text})
		response.StatusCode, response.Status = http.StatusForbidden, "403 Forbidden"
		response.Header.Set("Content-Type", "application/json")
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return response, err
}

// denial is what stands for "no" in an error that does not come from the engine
// itself, "" if it does.
func denial(response *http.Response, body []byte) string {
	var said struct{ Message string }
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	message := kind == "application/json" &&
		(response.Request.Method == http.MethodHead || json.Unmarshal(body, &said) == nil && said.Message != "")
	// Every engine puts its version into every answer, but those over a connection that
	// it has taken for itself.
	own := response.Header.Get("Api-Version") != "" || kind == "application/vnd.docker.raw-stream"
	status := fmt.Sprintf("%d %s", response.StatusCode, http.StatusText(response.StatusCode))
	switch {
	case strings.HasPrefix(said.Message, "authorization denied by plugin"):
		return said.Message
	case said.Message == "page not found":
		return "the engine does not have it"
	case own:
		return ""
	case slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired}, response.StatusCode):
		return status
	case response.StatusCode == http.StatusNotFound && !message:
		return status
	}
	return ""
}

// probeTime is how long an endpoint may take to answer. Who denies does so at once.
const probeTime = 5 * time.Second

// Probe asks for the endpoints, but those that Ping has asked for and the one that would
// cost the engine seconds, and returns those that are not let through. It asks about what
// cannot exist, so that it changes nothing: "not found" is a good answer. One that does
// not answer in time counts as let through.
func (c *Client) Probe(ctx context.Context) ([]Denied, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	// That cannot exist, but where it does nothing is done to it.
	if s, err := c.Look(ctx, nobody); err == nil && s.Exists() {
		return nil, fmt.Errorf("a container is named %s, so it cannot be asked harmlessly what is allowed", nobody)
	}
	answers, errs := make([]string, len(endpoints)), make([]error, len(endpoints))
	places := make(chan struct{}, inspections)
	var running sync.WaitGroup
	for i, e := range endpoints {
		if e.unasked {
			continue
		}
		places <- struct{}{}
		running.Go(func() {
			answers[i], errs[i] = c.ask(ctx, e)
			<-places
		})
	}
	running.Wait()
	var denied []Denied
	for i, e := range endpoints {
		if answers[i] != "" {
			denied = append(denied, Denied{Endpoint: e, Answer: answers[i]})
		}
	}
	return denied, errors.Join(errs...)
}

// ask returns what keeps Refit from an endpoint, "" if nothing does.
func (c *Client) ask(ctx context.Context, e Endpoint) (string, error) {
	short, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	path, query := e.nowhere()
	var body any
	if e.body != nil {
		body = e.body
	}
	answer, err := c.open(short, e.Method, c.versioned(path), query, body)
	switch {
	case err == nil:
		return "", answer.Close()
	case IsDenied(err):
		return err.Error(), nil
	case answeredAtAll(err), short.Err() != nil && ctx.Err() == nil:
		return "", nil
	}
	return "", fmt.Errorf("ask for %s: %w", e, err)
}

func answeredAtAll(err error) bool {
	var a *answer
	return errors.As(err, &a)
}
